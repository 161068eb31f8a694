"""Makes examples from question/answer pairs that have no context.

All answers of a file, one per line, form one context. All questions share this context and one
title, and the windows have to find the right answer in it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from squadron.config import digest
from squadron.data.sources import Answer, Example
from squadron.data.sources._text import plain_name
from squadron.errors import InputError

SEPARATOR = "\n"


@dataclass(frozen=True)
class Pair:
    """One question with one answer, without blanks around them."""

    line: int
    """The line of the file where the pair begins, which messages name."""
    question: str
    answer: str
    reasoning_type: str = ""


def join_answers(path: Path, pairs: Sequence[Pair]) -> list[Example]:
    """Returns one example for each different question, in file order.

    Equal answers are in the context once. A question that is asked twice is one example, with all
    its different answers as gold answers. The id is made from the question, so it stays the same if
    pairs are added or moved.

    Raises:
        InputError: If there are no pairs.
    """
    if not pairs:
        raise InputError(f"The data file {path} has no rows; give question/answer pairs")
    title = plain_name(path).stem
    start_of: dict[str, int] = {}
    length = 0
    for pair in pairs:
        if pair.answer and pair.answer not in start_of and _is_whole(pair.answer):
            start_of[pair.answer] = length
            length += len(pair.answer) + len(SEPARATOR)
    context = SEPARATOR.join(start_of)
    examples: dict[str, Example] = {}
    for pair in pairs:
        where = f"{path}: line {pair.line}"
        answer = Answer(pair.answer, start_of.get(pair.answer, 0))
        # A pair that can't be an example is passed on alone, so that validation counts it.
        if not pair.question or not pair.answer or not _is_whole(pair.question + pair.answer):
            alone = pair.answer or context or "-"
            examples[where] = Example(
                f"line-{pair.line}", title, pair.question, alone, [Answer(pair.answer, 0)]
            )
            examples[where].where = where
            continue
        made = Example(digest(pair.question), title, pair.question, context, where=where)
        example = examples.setdefault(pair.question, made)
        example.reasoning_type = example.reasoning_type or pair.reasoning_type
        if answer not in example.answers:
            example.answers.append(answer)
    return list(examples.values())


def _is_whole(text: str) -> bool:
    """Says whether a text can be stored: JSON can hold half a surrogate pair, UTF-8 can not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
