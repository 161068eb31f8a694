"""What pages and tables say about questions whose passage had to be found first."""

from squadron.scores.open_domain import OpenDomain, Recall, SearchedSplit
from squadron.scores.race_result import RaceResult
from squadron.wording import figure

SHOWN = "hybrid"
"""The search whose figures stand where there is room for one: the one that `squadron ask` uses."""
METHOD_TEXTS = {
    "hybrid": "words and meaning, fused by rank",
    "bm25": "words (BM25)",
    "dense": "meaning (mean-pooled vectors)",
    "original": "first-token vectors, first passage alone",
}
"""Search method -> what it goes by, in the order in which methods are shown."""


def find_open_domain(result: RaceResult) -> OpenDomain | None:
    """Returns what the first contender knows of the searches; None for a race without documents.

    What the searches found is the same for all contenders.
    """
    return next((each.open_domain for each in result.contenders if each.open_domain), None)


def describe_search(result: RaceResult) -> list[str]:
    """Returns what was searched on select, and how often the right passage was found.

    Returns:
        Sentences; none for a race without documents.
    """
    known = find_open_domain(result)
    if known is None:
        return []
    split, index = known.splits["select"], known.index
    searched = split.searched
    lines = [
        f"open EM: {searched.questions:,} questions of select were asked without their context, "
        f"of {index.passages:,} passages of {index.documents:,} documents."
    ]
    if searched.answerable:
        shown = "; ".join(
            f"{method} {describe_recall(searched.recall[method])}" for method in METHOD_TEXTS
        )
        lines.append(f"Right passage first / among 5 / among 20, in %: {shown}.")
    return lines


def describe_recall(recall: Recall) -> str:
    """Returns the three figures of a recall, such as "76.1 / 96.0 / 99.0"."""
    return " / ".join(figure(value, 1) for value in vars(recall).values())


def describe_right(searched: SearchedSplit) -> str:
    """Returns which passages count as right, as a sentence."""
    if searched.by_context == searched.answerable:
        return "The right passage of a question is its own context."
    kind = "The right passages of a question are those with the text of a gold answer"
    if not searched.by_context:
        return f"{kind}."
    return f"{kind}, or its own context alone where that is a passage."
