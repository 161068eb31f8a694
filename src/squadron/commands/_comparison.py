"""How two versions are shown side by side."""

from typing import TYPE_CHECKING

from squadron.wording import (
    LEVEL,
    MISSING,
    counted,
    figure_with_interval,
    lead_interval,
    p_value,
)

if TYPE_CHECKING:
    from squadron.registry.comparison import Comparison, Example
    from squadron.registry.evidence import Evidence

_HEADS = {
    "select_exact_match": "EM on select",
    "select_f1": "F1 on select",
    "test_exact_match": "EM on test",
    "test_f1": "F1 on test",
    "exact_match": "EM",
    "f1": "F1",
}


def draw_figures(labels: tuple[str, str], first: "Evidence", second: "Evidence | None") -> str:
    """Returns a table of the figures of a version, and of another one if there is one.

    Args:
        labels: What the table calls the two.
        first: What is known of the first one.
        second: What is known of the second one; None leaves it out.
    """
    from squadron.tracking import race_texts

    rows = []
    for name, head in _HEADS.items():
        one, two = first.figures.get(name), second.figures.get(name) if second else None
        cells = [figure_with_interval(each) if each else MISSING for each in (one, two)]
        difference = f"{one.value - two.value:+.2f}" if one and two else MISSING
        if one or two:
            rows.append((head, *cells, difference) if second else (head, cells[0]))
    if not rows:
        return "No figures are known."
    heads = ("", *labels, "+/-") if second else ("", labels[0])
    table = race_texts.draw_table(heads, rows, figures=len(heads) - 1)
    return f"{table}\nEM and F1 are 0 to 100, with {LEVEL} intervals."


def describe_comparison(
    found: "Comparison", first: str, second: str, of: str = "select"
) -> list[str]:
    """Returns what the paired comparison of two versions found, line by line.

    Args:
        found: The comparison.
        first: What the first version is called, such as "version 2".
        second: What the second one is called.
        of: Where the questions are from.
    """
    from squadron.tracking import race_texts

    questions = f"On the same {counted(found.questions, 'question')} of {of}"
    lines = [
        race_texts.wrap_line(each)
        for each in (
            f"{questions} {_lead(found, first)}",
            f"Right in both: {found.both:,}, in {first} alone: {found.first_alone:,}, in {second} "
            f"alone: {found.second_alone:,}, in neither: "
            f"{found.questions - found.both - found.first_alone - found.second_alone:,}.",
        )
    ]
    for winner, loser, count, examples in (
        (first, second, found.first_alone, found.won),
        (second, first, found.second_alone, found.lost),
    ):
        if examples:
            lines.append(f"Right in {winner} alone, {len(examples)} of {count:,}:")
            lines += [race_texts.wrap_line(f"  {_describe(each, loser)}") for each in examples]
    return lines


def figures_as_json(evidence: "Evidence") -> dict[str, object]:
    """Returns figures with the ends of their intervals as JSON values."""
    return {name: each._asdict() for name, each in evidence.figures.items()}


def comparison_as_json(found: "Comparison") -> dict[str, object]:
    """Returns a comparison as JSON values."""
    return {
        "lead": {name: value for name, value in vars(found.lead).items() if name != "label"},
        "questions": found.questions,
        "first_alone": found.first_alone,
        "second_alone": found.second_alone,
        "both": found.both,
        "won": [vars(each) for each in found.won],
        "lost": [vars(each) for each in found.lost],
    }


def _lead(found: "Comparison", first: str) -> str:
    """Returns how sure the lead is, as the end of a sentence."""
    lead = found.lead
    if lead.difference == 0:
        return f"{first} has the same EM."
    verb = "leads" if lead.difference > 0 else "trails"
    size = f"{first} {verb} by {abs(lead.difference):.2f} points of EM"
    ends = lead_interval(lead.estimate())
    if not ends:
        return f"{size}; there are too few paragraphs to tell whether that is chance."
    certain = "This is more than chance." if lead.significant else "This may be chance."
    return f"{size} ({LEVEL} interval of the difference {ends}, {p_value(lead.p)}). {certain}"


def _describe(example: "Example", loser: str) -> str:
    right = repr(example.golds[0]) if example.golds else "no answer"
    wrong = repr(" ".join(example.wrong.split())) if example.wrong else "nothing"
    question = " ".join(example.question.split())
    return f"{question} Right: {right}. Answer of {loser}: {wrong}."
