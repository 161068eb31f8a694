"""Whatever a PDF holds, reading it gives a document or one sentence, in time, and nothing else.

A case is a number. More of them: SQUADRON_FUZZ_CASES=500 pytest
tests/unit/documents/test_pdf_fuzzing.py; SQUADRON_FUZZ_FIRST=500 starts with case 500.
"""

import functools
import os
import random
import re
import time
from pathlib import Path

import pytest

from squadron.documents.document import Document
from squadron.documents.extraction import Extractor
from squadron.documents.limits import Limits
from tests.unit.documents.pdf_files import encrypt, make_column, make_pdf

ROOT = Path(__file__).resolve().parents[3]
CASES = int(os.environ.get("SQUADRON_FUZZ_CASES", "60"))
FIRST = int(os.environ.get("SQUADRON_FUZZ_FIRST", "0"))
LIMIT_SECONDS = 20
TOKENS = [
    b"\0",
    b"<<" * 3000,
    b"[" * 3000,
    b"99999999999",
    b"-1",
    b"1e99",
    b"0 R",
    b"/Kids [1 0 R]",
    b"/Count 2147483647",
    b"/Length 4294967295",
    b"/Filter [/FlateDecode /FlateDecode /LZWDecode]",
    b"endstream",
    b"endobj",
    b"/MediaBox [0 0 1e30 1e30]",
    b"(\xfe\xff\xd8\x00) Tj",
]


@functools.cache
def seeds() -> list[bytes]:
    """Returns the files from which the cases are made: compressed, plain, encrypted."""
    lines = make_column([f"Line {n} has a few words and a full stop." for n in range(20)])
    plain = make_pdf([lines, lines[:3], lines])
    handbook = (ROOT / "examples" / "handbook.pdf").read_bytes()
    return [handbook, plain, plain, encrypt(plain, "")]


def mutate(number: int) -> bytes:
    """Returns the file of one case."""
    chance = random.Random(f"pdf {number}")
    content = chance.choice(seeds())
    for _ in range(chance.choice((1, 1, 2, 5))):
        content = chance.choice((flip, cut, drop_object, repeat_object, insert, change_number))(
            content, chance
        )
    return content


def flip(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content or b"0")
    for _ in range(chance.choice((1, 5, 200))):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def find_objects(content: bytes) -> list[tuple[int, int]]:
    return [match.span() for match in re.finditer(rb"\d+ 0 obj.*?endobj", content, re.DOTALL)]


def drop_object(content: bytes, chance: random.Random) -> bytes:
    start, end = chance.choice(find_objects(content) or [(0, 0)])
    return content[:start] + content[end:]


def repeat_object(content: bytes, chance: random.Random) -> bytes:
    """Puts one object in the place of another one."""
    spans = find_objects(content) or [(0, 0)]
    (start, end), (other, other_end) = chance.choice(spans), chance.choice(spans)
    body = content[other:other_end].partition(b" 0 obj")[2]
    return (
        content[:start] + content[start:end].partition(b" ")[0] + b" 0 obj" + body + content[end:]
    )


def insert(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content) + 1)
    return content[:place] + chance.choice(TOKENS) + content[place:]


def change_number(content: bytes, chance: random.Random) -> bytes:
    numbers = [match.span() for match in re.finditer(rb"\b\d+\b", content)] or [(0, 0)]
    start, end = chance.choice(numbers)
    number = chance.choice((b"0", b"1", b"2", b"3", b"7", b"-5", b"65536", b"2147483648"))
    return content[:start] + number + content[end:]


def read_case(number: int, folder: Path, extractor: Extractor) -> str:
    """ "read", "refused", or what went wrong."""
    path = folder / f"{number}.pdf"
    path.write_bytes(mutate(number))
    start = time.monotonic()
    result = extractor.extract(path, path.name)
    seconds = time.monotonic() - start
    path.unlink()
    if seconds > LIMIT_SECONDS + 1:
        return f"it took {seconds:.0f} seconds"
    if isinstance(result, Document):
        return "read" if result.text.strip() else "no text"
    is_sentence = path.name in result.reason and len(result.reason.splitlines()) == 1
    return "refused" if is_sentence and len(result.reason) < 300 else repr(result.reason)


def find_faults(numbers: range, folder: Path) -> tuple[dict[int, str], set[str]]:
    """(case -> what went wrong, the good ends that there were)."""
    with Extractor(Limits(seconds=LIMIT_SECONDS)) as extractor:
        ends = {number: read_case(number, folder, extractor) for number in numbers}
    good = {"read", "refused"}
    return {n: end for n, end in ends.items() if end not in good}, good & {*ends.values()}


def test_mutated_pdfs_give_a_document_or_one_sentence(tmp_path):
    faults, ends = find_faults(range(FIRST, FIRST + CASES), tmp_path)
    assert faults == {}
    assert ends == {"read", "refused"}


def test_an_answer_that_is_too_long_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("squadron.documents.extraction.BYTES_PER_CHARACTER", 0)
    monkeypatch.setattr("squadron.documents.extraction.SLACK_BYTES", 5)
    _, ends = find_faults(range(3), tmp_path)
    assert ends == {"refused"}


@pytest.mark.parametrize("number", [0, 7])
def test_a_number_always_makes_the_same_file(number):
    assert mutate(number) == mutate(number)
    assert mutate(number) not in seeds()
