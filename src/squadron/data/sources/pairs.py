"""Reads text files of questions and answers, which begin with "Q:" and "A:".

    # Bonds
    Q: What is a bond?
    A: A loan to a state,
    or to a firm.

    Question: Why do firms sell bonds?
    Answer: To borrow without a bank.
    Answer: Because it is cheaper.
    Reasoning type: causal

- The words at the beginning are `Q` or `Question`, `A` or `Answer`, and `Reasoning type`, in upper
  or lower case. A number may follow, as in "Q1:".
- A question or an answer goes on until the next such word or an empty line. Between the blocks,
  lines that begin with "#" are headings and are ignored.
- A question may have several answers. The first one trains.

There is no context: all answers of the file form one context (`_faq.py`). Such data must be split
by question (`data -> split_by: question`).
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from squadron.config.parsing import shorten
from squadron.data.sources import Example
from squadron.data.sources._faq import Pair, join_answers
from squadron.data.sources._text import read_head, read_lines
from squadron.errors import InputError

SETTINGS = "data.source: pairs and data.split_by: question"
_LABEL = re.compile(
    r"\s*(?P<name>q|question|a|answer|reasoning type)\s*[0-9]{0,6}\s*[:\N{FULLWIDTH COLON}]"
    r"(?P<text>.*)",
    re.IGNORECASE | re.DOTALL,
)


@dataclass
class _Block:
    """One question with its answers; each text is a list of lines."""

    line: int
    question: list[str]
    answers: list[list[str]] = field(default_factory=list)
    reasoning_type: list[str] = field(default_factory=list)


def read_examples(path: Path) -> Iterator[Example]:
    """Yields all different questions of the file, in file order.

    Raises:
        InputError: If the file can't be read, has no questions, or has a line that belongs to no
            question. The message names the line.
    """
    pairs = []
    for block in _read_blocks(path):
        question, kind = _join(block.question), _join(block.reasoning_type)
        # A question without an answer is passed on, so that validation counts it.
        pairs += [
            Pair(block.line, question, _join(answer), kind) for answer in block.answers or [[]]
        ]
    yield from join_answers(path, pairs)


def recognizes(path: Path) -> bool:
    """Says whether a file begins with a question and goes on with an answer."""
    lines = (line.strip() for line in read_head(path).split("\n"))
    labels = (_LABEL.fullmatch(line) for line in lines if line and not line.startswith("#"))
    first = next(labels, None)
    return _kind(first) == "q" and any(_kind(label) == "a" for label in labels)


def _read_blocks(path: Path) -> list[_Block]:
    blocks: list[_Block] = []
    # The text that the next line continues; None after an empty line.
    current: list[str] | None = None
    for number, line in enumerate(read_lines(path), start=1):
        label = _LABEL.fullmatch(line)
        kind = _kind(label)
        if label is None:
            if not line.strip():
                current = None
            elif current is not None:
                current.append(line)
            elif not line.lstrip().startswith("#"):
                raise InputError(
                    f"{path}: line {number} {shorten(line.strip())} belongs to no question or "
                    'answer; begin it with "Q:" or "A:", or remove the empty line before it'
                )
            continue
        current = [label["text"]]
        if kind == "q":
            blocks.append(_Block(number, current))
        elif not blocks:
            raise InputError(
                f'{path}: line {number} has no question before it; begin a line with "Q:"'
            )
        elif kind == "a":
            blocks[-1].answers.append(current)
        else:
            blocks[-1].reasoning_type = current
    return blocks


def _kind(label: re.Match[str] | None) -> str:
    """Returns "q", "a" or "r" (the reasoning type); "" without a label."""
    return label["name"][0].lower() if label else ""


def _join(lines: list[str]) -> str:
    return "\n".join(line.strip() for line in lines).strip()
