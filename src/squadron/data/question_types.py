"""Guesses from its words what type of reasoning a question needs, and scores such guesses.

The first rule that fits decides:

- causal: the question asks why, or for a cause, a reason or a purpose ("why", "what caused", "for
  what reason", "what led to").
- comparative: the question compares things: "compared to", "versus", "how does X differ"; a
  choice ("which ..., X or Y?"); what two have in common ("are both ...", "the same as ..."); or
  "which" with a comparative, a superlative or a limit ("in which year was X higher", "which
  company has the most", "which years exceed").
- factual: any other question. The difference between two figures ("what percentage more than in
  2018") is factual, too, because it is looked up or calculated and nothing is chosen.

`benchmarks/measure_question_types.py` measures the rules on labelled questions; docs/results.md has
the figures.
"""

import re
from collections.abc import Sequence

TYPES = ("factual", "causal", "comparative")
"""The types; windows and models number them in this order."""
UNKNOWN = -1
"""The number of a question without a type."""

_CAUSAL = re.compile(
    r"""
    \bwhy\b | \bhow\ come\b
    | \bwhat\b [^?]{0,40}? \b(?:caus(?:e[sd]?|ing) | led\ to | leads?\ to | drove | drives?
        | trigger(?:s|ed)? | prompt(?:s|ed)? | motivat(?:es?|ed) | result(?:s|ed)\ in )\b
    | \b(?:what|which)\b [^?]{0,30}? \b(?:causes? | reasons? | purposes? | motives? | motivation)\b
    | \b(?:because\ of | due\ to | as\ a\ result\ of | owing\ to)\ (?:what|which)\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_DEGREE = (
    r"(?:more | less | fewer | most | least | fewest | better | best | worse | worst | further"
    r" | earlier | earliest | later | latest | sooner"
    r" | (?:high | low | larg | great | small | bigg | long | short | old | young | tall | fast"
    r" | slow | strong | weak | clos | near | deep | heavi | rich | poor | wid | wett | hard)"
    r"(?:er | est))"
)
_COMPARATIVE = re.compile(
    rf"""
    \bcompar(?:e[sd]?|ing|ison)\b | \bversus\b | \bvs\b | \bdifferences?\ between\b
    | \bhow\b [^?]* \bdiffer(?:s|ed|ent\ (?:from|than))?\b
    | \bwhich\b [^?]* \b{_DEGREE}\b
    | \bwhich\b [^?]* \b(?:exceed(?:s|ed)?|surpass(?:es|ed)?)\b
    | \bwho\b [^?]* \b(?:more|less|fewer|\w+er)\b [^?]* \b(?:or|than)\b
    | \b(?:which|who|what)\b .* [,:?]\ (?:\S+\ ){{1,8}}or\b
    | \bwhich\b [^?]* \bbetween\b [^?]* \band\b
    | ^\W*(?:are|were|is|was|do|does|did|have|has)\b [^?]* \b(?:both|same|or|than)\b
    | \b(?:are|were|is|was|do|does|did|have|has|can)\ both\b | \bin\ common\b
    """,
    re.IGNORECASE | re.VERBOSE,
)
_APART = re.compile(r"compar|versus|vs|differences?", re.IGNORECASE)
_FIGURES = re.compile(r"\bhow (?:much|many)\b|\bpercent|\baverage\b|\btotal\b|\bamount\b|\d", re.I)


def guess_type(question: str) -> str:
    """Returns the type of a question by the rules above, one of TYPES.

    >>> guess_type("Why did the bridge close?")
    'causal'
    >>> guess_type("Which bridge is longer, the old or the new one?")
    'comparative'
    >>> guess_type("When was the bridge built?")
    'factual'
    """
    return explain_type(question)[0]


def explain_type(question: str) -> tuple[str, str]:
    """Returns the type of a question, and its words that the rule found; "" for factual.

    >>> explain_type("Why did the bridge close?")
    ('causal', 'Why')
    """
    if cause := _CAUSAL.search(question):
        return "causal", cause.group()
    found = _COMPARATIVE.search(question)
    if not found or (_APART.match(found.group()) and _FIGURES.search(question)):
        return "factual", ""
    return "comparative", found.group()


def score_types(predicted: Sequence[str], wanted: Sequence[str]) -> dict[str, float]:
    """Scores predicted types.

    Args:
        predicted: The predicted type of each question, one of TYPES.
        wanted: The right type of each question.

    Returns:
        `accuracy` and `macro_f1`, 0 to 100, the latter over all types that are wanted or predicted.
        For each type `{type}_count` (wanted), `{type}_precision`, `{type}_recall` and `{type}_f1`,
        which are 0 if nothing was found. An empty dictionary without questions.
    """
    if not wanted:
        return {}
    pairs = list(zip(predicted, wanted, strict=True))
    figures = {"accuracy": 100.0 * sum(a == b for a, b in pairs) / len(pairs)}
    f1s = []
    for name in TYPES:
        hits = sum(a == b == name for a, b in pairs)
        found, count = sum(a == name for a, _ in pairs), sum(b == name for _, b in pairs)
        figures |= {
            f"{name}_count": float(count),
            f"{name}_precision": 100.0 * hits / max(1, found),
            f"{name}_recall": 100.0 * hits / max(1, count),
            f"{name}_f1": 200.0 * hits / max(1, found + count),
        }
        if found or count:
            f1s.append(figures[f"{name}_f1"])
    return figures | {"macro_f1": sum(f1s) / len(f1s)}
