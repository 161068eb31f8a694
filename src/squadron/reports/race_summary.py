"""The lines below the table of a race: what the figures are of, who won, and what to do next."""

from collections.abc import Sequence
from statistics import mean, stdev

from squadron.reports.race_facts import (
    count_gates,
    describe_failure,
    describe_formats,
    describe_leads,
    describe_promotion,
    explain_gates,
)
from squadron.reports.search_facts import describe_search
from squadron.scores.figures import SplitFigures
from squadron.scores.race_result import RaceResult, Standing, WinnerVersion
from squadron.wording import join_words

_Racing = tuple[Standing, SplitFigures]
"""A contender that was not disqualified, with its figures on select."""


def describe_figures(result: RaceResult) -> list[str]:
    """Returns what the figures are of, and what to know before trusting them."""
    racing = [(each, each.select) for each in result.contenders if each.select]
    return [
        *_describe_sizes(racing),
        *_describe_train(racing),
        *_describe_seeds(racing),
        *_describe_types(racing),
        *describe_search(result),
        *(
            f"{each.name} is disqualified: {each.disqualified}"
            for each in result.contenders
            if each.disqualified
        ),
        *_describe_unknown_training(result.contenders),
    ]


def describe_end(result: RaceResult, report: str) -> list[str]:
    """Returns the winner, its version and the report.

    Args:
        result: As for `race_table.render_table`.
        report: The place of the report; "" if there is none.
    """
    shown = [f"Report: {report}"] if report else []
    if result.model is None:
        return [*_describe_refusal(result), *shown]
    return [*_describe_winner(result, result.model), *_describe_version(result.model), *shown]


def describe_next(result: RaceResult, width: int, squadron: str, pages: str) -> list[str]:
    """Returns what to do next.

    Args:
        result: As for `race_table.render_table`, like the other arguments.
        width: Columns of the terminal.
        squadron: The command `squadron` as it can be run from here.
        pages: The command that shows MLflow's pages.
    """
    if result.model is None:
        return [
            f"Next: {_describe_remedy(result)}, and run the same command again. Steps that do "
            "not change come from the cache.",
            f"  {pages}",
        ]
    return ["Next:", *_list_commands(result.model, width, squadron), f"  {pages}"]


def _describe_sizes(racing: Sequence[_Racing]) -> list[str]:
    """Returns how many questions select and test have; nothing if nobody was judged."""
    if not racing:
        return []
    first, select = racing[0]
    tested = f"{first.test.total:,} questions" if first.test else "not judged"
    return [f"select: {select.total:,} questions, test: {tested}."]


def _describe_train(racing: Sequence[_Racing]) -> list[str]:
    """Returns what the column `train F1` is; nothing if the race did not measure it."""
    trained = [each.train.total for each, _ in racing if each.train]
    if not trained:
        return []
    return [
        "train F1: measured on the answerable ones of "
        f"{max(trained):,} questions that contenders were trained on. "
        "Every question is answered, without a threshold. It only shows that they learn."
    ]


def _describe_seeds(racing: Sequence[_Racing]) -> list[str]:
    """Returns mean and standard deviation over the seeds of each contender that has several."""
    groups: dict[str, list[SplitFigures]] = {}
    for each, select in racing:
        if each.group:
            groups.setdefault(each.group, []).append(select)
    lines = []
    for group, some in groups.items():
        if len(some) > 1:
            exact, f1 = [one.exact_match for one in some], [one.f1 for one in some]
            lines.append(
                f"{group} on select over {len(some)} seeds, mean ± standard deviation: "
                f"EM {mean(exact):.2f} ± {stdev(exact):.2f}, F1 {mean(f1):.2f} ± {stdev(f1):.2f}."
            )
    return lines


def _describe_types(racing: Sequence[_Racing]) -> list[str]:
    """Returns how well contenders that predict the type of a question do so on select."""
    return [
        f"{each.label} agrees with {whose} on the types of {found['accuracy']:.1f} % of "
        f"questions (macro-F1 {found['macro_f1']:.1f})."
        for each, select in racing
        for found, whose in (
            (select.types, "the data's labels"),
            (select.types_rules, "the cue rules"),
        )
        if found
    ]


def _describe_unknown_training(contenders: Sequence[Standing]) -> list[str]:
    """Returns who may have seen the judged questions; nothing if all training data are known."""
    unknown = [
        each.name for each in contenders if not each.disqualified and each.trained_on == "unknown"
    ]
    if not unknown:
        return []
    return [
        f"Trained on: unknown for {join_words(unknown)}. They may have seen these questions "
        "before, and their figures may be too high. Declare the data with trained_on."
    ]


def _describe_remedy(result: RaceResult) -> str:
    """Returns what may help a race that registered nothing."""
    if result.winner:
        more = "train on more questions (data.max_train_examples) or longer (train.epochs)"
        has_threshold = any(gate.name != "answers_something" for gate in result.failed_gates)
        return f"{more}, or change register.gates" if has_threshold else more
    return (
        "change what the reasons name (if a loss is not finite, lower train.learning_rate or set "
        "train.precision: fp32)"
    )


def _describe_winner(result: RaceResult, model: WinnerVersion) -> list[str]:
    """Returns the winner, how sure its lead is, what a demo means, and what the gates say."""
    winner = result.names[result.winner]
    lines = [f"Winner: {winner} ({result.why}).", *describe_leads(result)]
    failure = describe_failure(result)
    if model.validation_status == "demo":
        lines.append("These data are too few to rank models on: validation_status=demo.")
        if result.gate != "passed":
            why = f"it {failure}" if failure else result.gate
            lines.append(f"Outside a demo it would be refused: {why}.")
    lines += [] if failure else count_gates(result)
    return [*lines, *explain_gates(result), *describe_formats(result)]


def _describe_refusal(result: RaceResult) -> list[str]:
    """Returns why nothing was registered."""
    failure = describe_failure(result)
    why = f"{result.names[result.winner]} {failure}" if failure else result.refused
    return [f"Nothing is registered: {why}.", *explain_gates(result)]


def _describe_version(model: WinnerVersion) -> list[str]:
    """Returns where the winner stands in the registry, and where its aliases came from."""
    done = "The champion stays" if model.kept else "Registered"
    shown = f"{done}: {model.name} version {model.version}"
    now = model.aliases.get(model.alias, model.version)
    if now != model.version:
        # This result came from the cache, and another race has registered a model since then.
        lines = [f"{shown}. The alias {model.alias!r} points at version {now} now."]
    elif model.previous:
        moved = f"moved there from version {model.previous}"
        lines = [f"{shown}; the alias {model.alias!r} {moved}."]
    else:
        lines = [f"{shown}, alias {model.alias!r}."]
    lines += describe_promotion(model)
    promotion = model.promotion
    for alias in ("staging", "production"):
        held = model.aliases.get(alias)
        if held and held != model.version:
            lines.append(f"The alias {alias!r} points at version {held}.")
        elif held and not (promotion and promotion.moved and promotion.alias == alias):
            lines.append(f"Version {held} is {alias} already.")
    return lines


def _list_commands(model: WinnerVersion, width: int, squadron: str) -> list[str]:
    """Returns the commands that ask the winner and promote it, unless it is staging or a demo."""
    number = "" if model.is_default else f" --version {model.version}"
    arguments = [f'ask --model {model.name}{number} --context FILE_OR_TEXT "your question"']
    if not model.is_staging and model.validation_status != "demo":
        arguments.append(f"promote {model.version} --model {model.name} --to staging")
    return [_fold_command(f"  {squadron} {each}", width) for each in arguments]


def _fold_command(line: str, width: int) -> str:
    """Folds a command before its last option if it is too wide; it can still be copied."""
    if len(line) <= width:
        return line
    first, mark, last = line.rpartition(" --")
    return f"{first} \\\n   {mark}{last}"
