"""The step evaluate: candidates -> answers and figures."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from squadron import progress
from squadron.artifacts import (
    read_json,
    read_parts,
    read_table,
    write_json,
    write_official,
    write_table,
)
from squadron.config import Contender, Evaluate, from_json
from squadron.data import contamination
from squadron.scores import standings
from squadron.steps._files import COMPARED, judged_splits
from squadron.steps._record import record_contender
from squadron.steps._step import step, timed

if TYPE_CHECKING:
    import pyarrow as pa

    from squadron.answers.calibration import Calibration
    from squadron.scores.evaluation import Judged, Questions


@step
def evaluate(
    *,
    settings: str,
    contender: str,
    examples: Path,
    candidates: Path,
    evaluation: Path,
    figures_file: Path,
    digests: str = "",
) -> dict[str, float]:
    """Answers and scores of one contender: how it answers from tune, figures on every split.

    A registered model answers as it was registered: with that threshold, rule and calibration.

    The folder `evaluation` gets metrics.json, all figures and how the contender answers, and
    training_log.json, the points of its training; in `{split}/`, of every judged split:

    - answers.json: the answers, as the official evaluation reads them;
    - predictions.json and null_odds.json: the answers if it had to answer, and how likely each
      question has none, for the official search of thresholds;
    - nbest.json: the best candidates of each question, the first with its probability;
    - scores.parquet: EM and F1 of each question;
    - types.json: the type of each question, from a model that tells it;

    and of select and test besides:

    - confidence.json: how far probabilities can be trusted, and what abstaining more would bring;
    - errors.parquet: the wrong answers, each with its kind (error_kinds.py);
    - breakdown.parquet: EM and F1 by kinds of questions (breakdown.py).

    Args:
        settings: JSON of config.Evaluate.
        contender: JSON of config.Contender.
        digests: JSON of provenance.Digests; the decorator compares the code.
        examples: As ingest wrote them.
        candidates: As predict wrote them.
        evaluation: The folder to write.
        figures_file: Gets the figures, too: Kubeflow caches a Metrics output only if its file
            exists.

    Returns:
        Finite figures for the pipeline's own pages.
    """
    from squadron import tracking

    runner = from_json(Contender, contender)
    status = read_json(candidates / "status.json", schema="status/1")
    content: dict[str, Any] = {
        "label": runner.label,
        "group": runner.group,
        "variant": runner.variant,
        "disqualified": status["disqualified"],
        "training": {k: v for k, v in status["training"].items() if k != "log"},
        "params": status["params"],
        "trained_on": status.get("trained_on", "unknown"),
        "shared_with_train": contamination.read_shared(
            read_json(examples / "validation.json", schema="validation/1")
        ),
        "splits": {},
    }
    figures: dict[str, float] = {}
    if not status["disqualified"]:
        with timed(figures, "evaluate"):
            wanted = from_json(Evaluate, settings)
            is_test_spoilt = contamination.is_test_spoilt(content["shared_with_train"])
            content |= _evaluate_splits(
                wanted, runner, status, examples, candidates, evaluation, is_test_spoilt
            )
    figures |= standings.run_figures(content)
    content["figures"] = {**status["figures"], **figures}
    write_json(
        evaluation / "metrics.json", content, schema="metrics/1", made_from=status["made_from"]
    )
    write_json(
        evaluation / "training_log.json",
        {"log": status["training"].get("log") or []},
        schema="training_log/1",
        made_from=status["made_from"],
    )
    if content["splits"]:
        select = content["splits"]["select"]
        progress.say(
            f"evaluate   {runner.label}: EM {select['exact']:.2f}, F1 {select['f1']:.2f} on select"
        )
    write_official(figures_file, figures.items())
    race = tracking.current_race()
    record_contender(tracking.address_run(race, runner.label), evaluation)
    return figures


def _evaluate_splits(
    wanted: Evaluate,
    runner: Contender,
    status: dict[str, Any],
    examples: Path,
    candidates: Path,
    evaluation: Path,
    is_test_spoilt: bool,
) -> dict[str, Any]:
    """Writes the folder of every split; returns what metrics.json says of them.

    A test split that was trained on gets no folder and no figures.
    """
    from squadron.answers.answering import Answering
    from squadron.scores.error_kinds import count_kinds
    from squadron.scores.evaluation import (
        add_intervals,
        add_oracle,
        judge,
        settle_answering,
        write_answers,
    )

    scorer = _load_scorer() if wanted.bertscore else None
    own = status.get("answering")
    answering = Answering.read(own) if own else Answering(answer_rule=wanted.answer_rule)
    content: dict[str, Any] = {"splits": {}, "digests": {}, "errors": {}}
    for name, count in judged_splits(runner).items():
        if name == "test" and is_test_spoilt:
            continue
        split = _read_split(name, count, examples, candidates, status["made_from"])
        judged = judge(
            split.questions,
            split.candidates,
            answering.null_threshold,
            # What was trained on is judged with a threshold of its own, and keeps it.
            search=name == "train" or (name == "tune" and not own),
            rule=answering.answer_rule,
        )
        if name == "tune":
            if not own:
                answering = settle_answering(judged, answering.answer_rule)
            # A registered model keeps its threshold: none was searched.
            kept = {"exact": answering.null_threshold}
            content["null_thresholds"] = judged.null_thresholds or kept
        folder = evaluation / name
        write_answers(folder, split.questions, judged)
        _write_n_best(folder, split, judged, runner.predict.n_best, answering.calibration)
        _write_scores(folder, split, judged)
        _write_types(folder, split, judged)
        if name in COMPARED:
            add_intervals(judged)
            _write_confidence(folder, split, judged, answering.calibration)
            errors = _write_errors(folder, split, judged)
            content["errors"][name] = count_kinds(errors["kind"].to_pylist())
            _write_breakdown(folder, split, judged)
            add_oracle(judged, split.questions)
            if scorer:
                means = scorer.mean_scores(judged.chosen, split.questions.golds)
                judged.summary.update({f"bertscore_{k}": v for k, v in means.items()})
        content["splits"][name] = judged.summary
        content["digests"][name] = split.digest
    content["answering"] = answering.as_dict()
    return content


@dataclass(frozen=True)
class _Split:
    """What predict and ingest know of a split."""

    examples: "pa.Table"
    digest: str
    """Of what the examples were made from."""
    questions: "Questions"
    candidates: "Iterator[pa.Table]"
    """To be read once."""
    types: "pa.Table | None"
    """Of schema `artifacts.WINDOW_TYPES`, from a model that tells the types of questions."""
    extents: "pa.Table | None"
    """Of schema `artifacts.EXTENTS`."""
    made_from: str


def _read_split(name: str, count: int, examples: Path, candidates: Path, made_from: str) -> _Split:
    """The first `count` questions of a split (0 for all), and their candidates."""
    from squadron.scores.evaluation import Questions

    table = read_table(examples / f"{name}.parquet", schema="examples/1")
    digest = table.schema.metadata[b"squadron.made_from"].decode()
    table = table.slice(0, count or None)
    rows = read_parts(candidates / f"{name}.parquet", schema="candidates/1", made_from=made_from)
    types, extents = candidates / f"{name}.types.parquet", candidates / f"{name}.windows.parquet"
    return _Split(
        table,
        digest,
        Questions.read(table),
        rows,
        read_table(types, schema="types/1", made_from=made_from) if types.is_file() else None,
        read_table(extents, schema="extents/1", made_from=made_from) if extents.is_file() else None,
        made_from,
    )


def _write_n_best(
    folder: Path, split: _Split, judged: "Judged", n_best: int, mapping: "Calibration | None"
) -> None:
    from squadron.scores.evaluation import list_best

    lists = list_best(judged, split.questions, n_best, mapping)
    write_official(folder / "nbest.json", zip(split.questions.ids, lists, strict=True))


def _write_scores(folder: Path, split: _Split, judged: "Judged") -> None:
    write_table(
        folder / "scores.parquet", judged.scores, schema="scores/2", made_from=split.made_from
    )


def _write_types(folder: Path, split: _Split, judged: "Judged") -> None:
    """And adds their figures to the summary; does nothing for a model that tells no types."""
    from squadron.scores.evaluation import choose_types, judge_types

    if split.types is None:
        return
    chosen = choose_types(split.types, split.questions.ids)
    judged.summary.update(judge_types(chosen, split.examples))
    write_official(folder / "types.json", zip(split.questions.ids, chosen, strict=True))


def _write_confidence(
    folder: Path, split: _Split, judged: "Judged", mapping: "Calibration | None"
) -> None:
    """And adds its figures to the summary."""
    from squadron.scores.evaluation import add_confidence

    write_json(
        folder / "confidence.json",
        add_confidence(judged, mapping),
        schema="confidence/1",
        made_from=split.made_from,
    )


def _write_errors(folder: Path, split: _Split, judged: "Judged") -> "pa.Table":
    """Returns the table, too."""
    from squadron.scores.evaluation import find_errors

    errors = find_errors(split.examples, split.questions, judged, split.extents)
    write_table(folder / "errors.parquet", errors, schema="errors/1", made_from=split.made_from)
    return errors


def _write_breakdown(folder: Path, split: _Split, judged: "Judged") -> None:
    from squadron.scores.breakdown import break_down, count_windows

    windows = None
    if split.extents is not None:
        windows = count_windows(split.extents, split.questions.ids)
    table = break_down(split.examples, judged.scores, windows)
    write_table(
        folder / "breakdown.parquet", table, schema="breakdown/1", made_from=split.made_from
    )


def _load_scorer() -> Any:
    """The offline encoder; torch is imported for it alone."""
    from squadron.scores.bertscore import BertScorer

    return BertScorer()
