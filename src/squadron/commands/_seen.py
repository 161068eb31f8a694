"""Warns about questions that a model was trained on."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from squadron.models.trained_on import Seen


def describe_seen(seen: "Seen", data: str) -> str:
    """Returns the warning about questions that the model has seen; "" if there is none."""
    if seen.titles or seen.questions:
        named = ""
        if seen.titles:
            more = f" and {len(seen.titles) - 1:,} more" if len(seen.titles) > 1 else ""
            named = f" ({seen.titles[0]!r}{more})"
        return (
            f"the model was trained on {len(seen.titles):,} of the {seen.all_titles:,} titles of "
            f"{data}{named}, which have {seen.questions_of_titles:,} of its "
            f"{seen.all_questions:,} questions. {seen.questions:,} of the questions themselves "
            "were trained on. The figures show what it remembers and must decide nothing."
        )
    if not seen.is_whole:
        return (
            "it is unknown what the model was trained on. If it has seen these questions, the "
            "figures are too high."
        )
    return ""
