"""Says which passages hold the answer to a question, and how often a search finds one of them."""

from collections.abc import Iterable, Mapping, Sequence

from squadron.documents.passages import Passage
from squadron.scores.metrics import normalize_answer

PLACES = (1, 5, 20)
"""Recall is measured among so many passages."""


class RightPassages:
    """Says whether a passage holds the answer to a question.

    If the context of the question is a passage itself, it is the only right one. Otherwise, every
    passage with the text of a gold answer is right, compared as exact match compares texts, but
    whole words only. The second is the rule of Karpukhin et al. 2020 (arXiv:2004.04906). It is
    rather too kind, because a passage may hold the text and not answer the question.

    Args:
        passages: All passages that can be found.
    """

    def __init__(self, passages: Iterable[Passage]) -> None:
        self._texts = {passage.text for passage in passages}
        self._plain: dict[str, str] = {}
        """Passage id -> its text as exact match compares it."""

    def has_context(self, context: str) -> bool:
        """Says whether the context of a question is a passage."""
        return context in self._texts

    def is_right(self, passage: Passage, context: str, golds: Sequence[str]) -> bool:
        """Says whether a passage holds the answer.

        Args:
            passage: Any passage.
            context: Of the question.
            golds: Texts of the accepted answers; without any, no passage is right.
        """
        if not golds:
            return False
        if self.has_context(context):
            return passage.text == context
        if passage.id not in self._plain:
            self._plain[passage.id] = f" {normalize_answer(passage.text)} "
        plain = self._plain[passage.id]
        wanted = (normalize_answer(gold) for gold in golds)
        return any(f" {gold} " in plain for gold in wanted if gold)


def measure_recall(first_right: Sequence[int | None]) -> Mapping[int, float | None]:
    """Returns the share of questions, 0 to 100, with a right passage among the first 1, 5 and 20.

    Args:
        first_right: The rank of the first right passage of each question that has an answer, from
            1; None if none was found. Without questions, every recall is None.
    """
    return {
        place: 100.0 * sum(rank is not None and rank <= place for rank in first_right) / count
        if (count := len(first_right))
        else None
        for place in PLACES
    }
