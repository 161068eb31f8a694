"""Mutated files: the same numbers always give the same bytes.

`mutate` changes a file as a bad disk, a careless hand or a hostile one would. A case is a kind of
file and a number; nothing else is random, so a number that a failure names makes it again.
"""

import functools
import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from tests.layouts import LAYOUTS, write

ROOT = Path(__file__).resolve().parents[1]
DEEP = "@deep@"
NESTINGS = [
    ("[" * depth + "]" * depth) if kind == "list" else ('{"a":' * depth + "1" + "}" * depth)
    for depth in (40, 600, 3000)
    for kind in ("list", "mapping")
]
LONG = "9" * 5000
TOKENS = [
    b"\0",
    b"\xff",
    b"\xed\xa0\x80",
    b'"\\ud800"',
    b'"\\u0000"',
    b"\xef\xbb\xbf",
    b"NaN",
    b"1e999",
    b"-1",
    b"null",
    b'"',
    b"\r",
    b"\n",
    b"\t",
    b", ",
    b": ",
    b"&a [*a]",
    b"&b {*b: *b}",
    b"!!python/object/apply:os.getcwd []",
    b"!!binary aGk=",
    b"!!set {a}",
    b"2026-02-31",
    b"{",
    b"]",
    LONG.encode(),
    b"0x" + b"f" * 5000,
    *(nesting.encode() for nesting in NESTINGS),
]
VALUES: list[Any] = [
    None,
    True,
    -1,
    2**70,
    10**4000,
    1e308,
    float("nan"),
    float("inf"),
    "",
    " ",
    "\0",
    "\ud800",
    "é" * 70000,
    "s3://",
    "/",
    [],
    {},
    [[]],
    {"": None},
    DEEP,
]


@functools.cache
def seeds(kind: str) -> list[bytes]:
    """Returns the files from which the cases of a kind are made."""
    if kind == "experiment":
        return [path.read_bytes() for path in sorted((ROOT / "experiments").glob("*.yaml"))]
    if kind == "squad":
        return [path.read_bytes() for path in sorted((ROOT / "tests/fixtures").glob("squad*.json"))]
    if kind in LAYOUTS:
        with tempfile.TemporaryDirectory() as folder:
            return [write(kind, Path(folder)).read_bytes()]
    lines = (ROOT / "examples" / "finance_faq.csv").read_text(encoding="utf-8").splitlines()[:12]
    if kind == "csv":
        return ["\n".join(lines).encode()]
    if kind == "pairs":
        blocks = (f"Q: {line[:40]}\nA: {line[20:60]}\n{line[60:]}\n" for line in lines)
        return ["\n".join(blocks).encode()]
    rows = [{"question": line[:40], "answer": line[20:], "n": 1} for line in lines]
    return ["\n".join(map(json.dumps, rows)).encode()]


def mutate(kind: str, number: int) -> bytes:
    """Returns the file of one case."""
    chance = random.Random(f"{kind} {number}")
    content = chance.choice(seeds(kind))
    if _is_json(kind) and chance.random() < 0.5:
        content = _change_value(kind, content, chance)
    for _ in range(chance.choice((0, 1, 1, 2, 5))):
        content = chance.choice(_BYTES)(content, chance)
    return content


def mutate_folder(kind: str, number: int, folder: Path) -> Path:
    """Writes the folder of one case, in which one file is changed, and returns its path."""
    chance = random.Random(f"{kind} {number}")
    path = write(kind, folder)
    file = chance.choice(sorted(each for each in path.rglob("*") if each.is_file()))
    content = file.read_bytes()
    for _ in range(chance.choice((1, 1, 2))):
        content = chance.choice(_BYTES)(content, chance)
    file.write_bytes(content)
    return path


def _flip(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content or b"0")
    for _ in range(chance.randint(1, 6)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def _cut(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content) + 1)]


def _repeat(content: bytes, chance: random.Random) -> bytes:
    """Doubles a line or drops one: a duplicate key, a missing bracket."""
    lines = content.splitlines(keepends=True) or [b""]
    place = chance.randrange(len(lines))
    lines[place : place + 1] = [lines[place]] * chance.choice((0, 2))
    return b"".join(lines)


def _insert(content: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(content) + 1)
    return content[:place] + chance.choice(TOKENS) + content[place:]


def _replace_word(content: bytes, chance: random.Random) -> bytes:
    words = content.split(b" ")
    words[chance.randrange(len(words))] = chance.choice(TOKENS)
    return b" ".join(words)


_BYTES: list[Callable[[bytes, random.Random], bytes]] = [
    _flip,
    _cut,
    _repeat,
    _insert,
    _replace_word,
]


def _is_json(kind: str) -> bool:
    """Says whether the values of the files can be changed: JSON that is not packed, or YAML."""
    ending = LAYOUTS[kind].name.rpartition(".")[2] if kind in LAYOUTS else "json"
    return kind not in ("csv", "pairs") and ending in ("json", "jsonl")


def _has_lines(kind: str) -> bool:
    """Says whether each line of the files is JSON of its own."""
    return kind == "jsonl" or (kind in LAYOUTS and "lines" in kind)


@functools.cache
def _as_json(content: bytes) -> str:
    return json.dumps(yaml.safe_load(content))


def _change_value(kind: str, content: bytes, chance: random.Random) -> bytes:
    """Replaces, drops or doubles one value of the tree. YAML is written as JSON, which is YAML."""
    if _has_lines(kind):
        lines = content.splitlines()
        place = chance.randrange(len(lines))
        lines[place] = _change_value("line", lines[place], chance)
        return b"\n".join(lines)
    tree = json.loads(_as_json(content) if kind == "experiment" else content)
    holders = [tree]
    for holder in holders:
        inner = holder.values() if isinstance(holder, dict) else holder
        holders += [each for each in inner if isinstance(each, dict | list) and each]
    holder = chance.choice(holders)
    key = chance.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    action = chance.choice(("replace", "replace", "replace", "drop", "swap"))
    if action == "replace":
        holder[key] = chance.choice(VALUES)
    elif action == "drop":
        del holder[key]
    else:
        other = chance.choice(holders)
        holder[key] = json.loads(json.dumps(other))
    text = json.dumps(tree).replace(f'"{DEEP}"', chance.choice(NESTINGS))
    return text.encode()
