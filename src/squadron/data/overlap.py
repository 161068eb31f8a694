"""Finds texts that share a run of words, such as a passage of a document and a judged paragraph."""

import re
from collections.abc import Iterable, Iterator

from squadron.data.folding import fold_text

RUN = 8
"""So many equal words in a row are a shared text."""

_WORD = re.compile(r"\w+")


class WordRuns:
    """The runs of words of some texts, without regard to punctuation, case and Unicode form.

    Args:
        texts: The texts. Equal ones are read once.
    """

    def __init__(self, texts: Iterable[str]) -> None:
        self._runs: set[int] = set()
        self._lengths: set[int] = set()
        for text in set(texts):
            words = _list_words(text)
            # A shorter text is one run.
            length = min(RUN, len(words))
            self._lengths.add(length)
            self._runs.update(_hash_runs(words, length))

    def overlaps(self, text: str) -> bool:
        """Says whether a text shares a run with one of the texts.

        That is RUN words in a row, or all words of one of the texts that is shorter. A text with
        fewer than RUN words counts as shared, because so few words tell nothing.
        """
        words = _list_words(text)
        return len(words) < RUN or any(
            run in self._runs for length in self._lengths for run in _hash_runs(words, length)
        )


def _list_words(text: str) -> list[str]:
    return _WORD.findall(fold_text(text))


def _hash_runs(words: list[str], length: int) -> Iterator[int]:
    """Yields a number for each run of so many words; none if the length is 0."""
    if length:
        yield from (hash(tuple(words[n : n + length])) for n in range(len(words) - length + 1))
