"""The gates that the winner of a race must pass: figures in, verdicts out.

Each gate is one function. `judge_winner` asks those that the experiment states. Nothing is read or
measured here; `steps.register` collects the figures.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from squadron.config import Gates
from squadron.errors import InputError
from squadron.scores.contender_result import ContenderResult
from squadron.scores.figures import SplitFigures
from squadron.scores.gate_verdict import GateVerdict
from squadron.scores.leads import Lead
from squadron.wording import join_words

BYTES_PER_MEGABYTE = 1_000_000


@dataclass(frozen=True)
class WeightCheck:
    """What the files of a model hold."""

    not_finite: int
    """How many numbers of the weights are infinite or NaN."""
    damage: str = ""
    """Which file is missing or altered, in a sentence; "" if none is."""


@dataclass(frozen=True)
class JudgedWinner:
    """What is known about the winner of a race, for all gates."""

    winner: ContenderResult
    untrained: Mapping[str, float]
    """Label -> EM on select of each judged contender `pretrained`, the winner included."""
    champions: Sequence[ContenderResult]
    """The judged contenders that are versions of the experiment's own model."""
    leads: Sequence[Lead]
    """The winner's lead over each of the others."""
    model_bytes: int
    """Size of all files in the model's folder."""
    backbone_licence: str
    data_licence: str
    weights: WeightCheck | None = None
    """None if nobody asks for it, because reading all weights takes time."""
    trial: str | None = None
    """Why it did not answer in a process of its own; "" if it did, None if nobody asks for it."""


def judge_winner(judged: JudgedWinner, gates: Gates) -> tuple[GateVerdict, ...]:
    """Judges the winner by every gate that the experiment states.

    Raises:
        InputError: If a champion was judged on other questions.
    """
    winner = judged.winner
    select = winner.select
    verdicts = [answers_something(select)]
    if gates.beats_untrained:
        verdicts.append(beats_untrained(winner.label, select, judged.untrained))
    if gates.min_has_ans_exact_match is not None:
        verdicts.append(has_ans_exact_match(select, gates.min_has_ans_exact_match))
    if gates.champion_margin is not None:
        verdicts.append(
            not_worse_than_champion(
                winner,
                judged.champions,
                judged.leads,
                gates.champion_margin,
                gates.margin_needs_fewer_parameters,
            )
        )
    if gates.max_ece is not None:
        verdicts.append(calibration(select, gates.max_ece))
    if gates.max_ms_per_window is not None:
        speed = winner.figures.get("windows_per_second_predict")
        verdicts.append(latency(speed, gates.max_ms_per_window))
    if gates.max_megabytes is not None:
        verdicts.append(size(judged.model_bytes, gates.max_megabytes))
    if gates.licences:
        verdicts.append(licence(judged.backbone_licence, judged.data_licence, gates.licences))
    if gates.finite_weights:
        verdicts.append(finite_weights(judged.weights))
    if gates.loads_alone:
        verdicts.append(loads_alone(judged.trial))
    return tuple(verdicts)


def explain_failures(verdicts: Sequence[GateVerdict]) -> str:
    """Returns why a model may not be registered, for all failed gates; "" if it may."""
    return "; ".join(verdict.why for verdict in verdicts if not verdict.passed)


def answers_something(select: SplitFigures) -> GateVerdict:
    """Passes a model whose EM is above the EM of answering nothing to every question.

    Args:
        select: The model's figures on the select split, as for the other gates.
    """
    figure, threshold = select.exact_match, select.all_null_exact_match
    passed = figure > threshold
    verb = "beats" if passed else "does not beat"
    why = (
        f"its EM on select, {figure:.2f}, {verb} answering nothing to every question, "
        f"{threshold:.2f}"
    )
    return GateVerdict("answers_something", passed, why, figure, threshold)


def beats_untrained(
    label: str, select: SplitFigures, untrained: Mapping[str, float]
) -> GateVerdict:
    """Passes a model whose EM is above the EM of every untrained contender of the race.

    Args:
        label: Of the model.
        select: As for `answers_something`.
        untrained: Label -> EM on select. If it is empty, the gate passes as not measured.
    """
    name, figure = "beats_untrained", select.exact_match
    if not untrained:
        why = "not measured: no contender `pretrained` was judged"
        return GateVerdict(name, True, why, figure, measured=False)
    best = max(untrained, key=lambda each: untrained[each])
    threshold = untrained[best]
    if label in untrained:
        why = "it was not trained in this race itself"
        return GateVerdict(name, False, why, figure, threshold)
    passed = figure > threshold
    verb = "beats" if passed else "does not beat"
    why = f"its EM on select, {figure:.2f}, {verb} {best}, which was not trained, {threshold:.2f}"
    return GateVerdict(name, passed, why, figure, threshold)


def has_ans_exact_match(select: SplitFigures, least: float) -> GateVerdict:
    """Passes a model whose EM on the answerable questions is the threshold or more.

    Args:
        select: As for `answers_something`.
        least: The threshold, 0 to 100.
    """
    name, figure = "has_ans_exact_match", select.has_ans_exact_match
    if figure is None:
        why = f"select has no answerable questions, and an EM of {least:g} on them is asked for"
        return GateVerdict(name, False, why, None, least)
    why = f"its EM on the answerable questions of select is {figure:.2f}; {least:g} is the least"
    return GateVerdict(name, figure >= least, why, figure, least)


def not_worse_than_champion(
    winner: ContenderResult,
    champions: Sequence[ContenderResult],
    leads: Sequence[Lead],
    margin: float,
    needs_fewer_parameters: bool = False,
) -> GateVerdict:
    """Passes a model whose lead over each champion is surely above minus the margin.

    The figure is the low end of the 95 % interval of the lead. With a margin of 0, the lead must be
    more than chance. With several champions, the verdict is about the hardest one.

    Args:
        winner: The model.
        champions: The judged versions of the experiment's own model. If there are none, the gate
            passes as not measured. If the winner is one of them, it passes.
        leads: The winner's lead over each of the others.
        margin: In points of EM.
        needs_fewer_parameters: Whether the margin is 0 over a champion that does not have more
            parameters than the model.

    Raises:
        InputError: If a champion was judged on another select split.
    """
    name = "not_worse_than_champion"
    if not champions:
        return GateVerdict(name, True, "not measured: no champion was judged", measured=False)
    by_label = {champion.label: champion for champion in champions}
    if winner.label in by_label:
        return GateVerdict(name, True, "it is the champion itself", 0.0)
    _require_equal_digests(winner, champions)
    verdicts = []
    for lead in leads:
        if lead.label in by_label:
            is_smaller = _has_fewer_parameters(winner, by_label[lead.label])
            counts = is_smaller or not needs_fewer_parameters
            verdict = _compare_with_champion(lead, 0.0 - margin if counts else 0.0)
            if margin and not counts:
                why = f"{verdict.why}, because it does not have fewer parameters"
                verdict = replace(verdict, why=why)
            verdicts.append(verdict)
    return min(verdicts, key=lambda verdict: (verdict.passed, _slack(verdict)))


def _compare_with_champion(lead: Lead, threshold: float) -> GateVerdict:
    """Returns the verdict about one champion."""
    name = "not_worse_than_champion"
    over = f"its lead over {lead.label} is {lead.difference:.2f} points of EM"
    if lead.low is None:
        why = f"{over}, but select has too few paragraphs to tell whether that is chance"
        return GateVerdict(name, False, why, None, threshold)
    # An interval that barely leaves out 0 must not look as if it held 0.
    low = "above 0" if 0 < lead.low < 0.005 else f"{lead.low:.2f}"
    why = f"{over}, with a 95 % interval from {low}; it must begin above {threshold:g}"
    return GateVerdict(name, lead.low > threshold, why, lead.low, threshold)


def _slack(verdict: GateVerdict) -> float:
    """Returns by how much a figure is above its threshold; the least number without a figure."""
    if verdict.figure is None or verdict.threshold is None:
        return -math.inf
    return verdict.figure - verdict.threshold


def _has_fewer_parameters(model: ContenderResult, champion: ContenderResult) -> bool:
    """Says whether a model is smaller than a champion; no if either size is unknown."""
    own, other = model.training.parameters, champion.training.parameters
    return own is not None and other is not None and own < other


def _require_equal_digests(winner: ContenderResult, champions: Sequence[ContenderResult]) -> None:
    """Refuses a comparison of figures on different questions.

    Raises:
        InputError: If the digests of the select splits differ.
    """
    own = winner.digests["select"]
    for champion in champions:
        if champion.digests["select"] != own:
            raise InputError(
                f"The contender {champion.label} was judged on the select split "
                f"{champion.digests['select']}, and {winner.label} on {own}; figures on different "
                "questions can't be compared. Run the race again with the same data for both"
            )


def calibration(select: SplitFigures, most: float) -> GateVerdict:
    """Passes a model whose expected calibration error is the threshold or less.

    Args:
        select: As for `answers_something`.
        most: The threshold, 0 to 1.
    """
    figure = select.ece
    if figure is None:
        why = f"its scores are not calibrated, and an error of at most {most:g} is asked for"
        return GateVerdict("calibration", False, why, None, most)
    why = f"its expected calibration error on select is {figure:.4f}; {most:g} is the most"
    return GateVerdict("calibration", figure <= most, why, figure, most)


def latency(windows_per_second: float | None, most: float) -> GateVerdict:
    """Passes a model whose step predict took the threshold or less per window.

    Args:
        windows_per_second: The speed of the step predict; None if it was not measured.
        most: The threshold, in milliseconds per window.
    """
    if not windows_per_second:
        why = f"the speed of predict is unknown, and at most {most:g} ms per window is asked for"
        return GateVerdict("latency", False, why, None, most)
    figure = 1000 / windows_per_second
    why = f"predict took {figure:.3g} ms per window; {most:g} is the most"
    return GateVerdict("latency", figure <= most, why, figure, most)


def size(model_bytes: int, most: float) -> GateVerdict:
    """Passes a model whose folder has the threshold or less.

    Args:
        model_bytes: Size of all files in the folder.
        most: The threshold, in megabytes of 1,000,000 bytes.
    """
    figure = model_bytes / BYTES_PER_MEGABYTE
    why = f"its folder has {figure:,.2f} MB; {most:g} is the most"
    return GateVerdict("size", figure <= most, why, figure, most)


def licence(backbone: str, data: str, accepted: Sequence[str]) -> GateVerdict:
    """Passes a model if the licences of its backbone and of its data are both accepted.

    Args:
        backbone: The licence of the backbone.
        data: The licence of the data.
        accepted: The names of the accepted licences, whatever their case.
    """
    known = {name.strip().casefold() for name in accepted}
    given = {"backbone": backbone, "data": data}
    wrong = [
        f"{what} ({name})" for what, name in given.items() if name.strip().casefold() not in known
    ]
    shown = join_words(list(accepted), "or")
    if wrong:
        why = f"the licence of its {join_words(wrong)} is not accepted; {shown} would be"
        return GateVerdict("licence", False, why)
    why = f"the licences of its backbone ({backbone}) and of its data ({data}) are accepted"
    return GateVerdict("licence", True, why)


def finite_weights(weights: WeightCheck | None) -> GateVerdict:
    """Passes a model whose files are unchanged and whose weights are all finite numbers.

    Args:
        weights: What was found; None if nobody read them.
    """
    if weights is None:
        return GateVerdict("finite_weights", False, "its weights were not read")
    if weights.damage:
        return GateVerdict("finite_weights", False, weights.damage)
    figure = float(weights.not_finite)
    if weights.not_finite:
        why = f"{weights.not_finite:,} numbers of its weights are infinite or NaN"
        return GateVerdict("finite_weights", False, why, figure, 0.0)
    why = "all numbers of its weights are finite, and its files have their sha256"
    return GateVerdict("finite_weights", True, why, figure, 0.0)


def loads_alone(trial: str | None) -> GateVerdict:
    """Passes a model that answers where only its own requirements can be imported.

    Args:
        trial: Why it did not; "" if it did, None if nobody tried.
    """
    name = "loads_alone"
    if trial is None:
        return GateVerdict(name, False, "it was not tried in a process of its own")
    if trial:
        return GateVerdict(name, False, f"with its own requirements alone, {trial}")
    return GateVerdict(name, True, "it answers a question with its own requirements alone")
