"""Which title goes to which split: by a hash of the title, so that growing data moves nothing.

All questions of a title stay together: splits never share a paragraph.
"""

import hashlib
from collections.abc import Iterable, Sequence

from squadron.config import Splits
from squadron.sources import Example

HELD_OUT = ("test", "select", "tune")


def title_position(title: str, seed: int) -> float:
    """A number in [0, 1) that depends on the title and the seed alone."""
    digest = hashlib.sha256(f"{seed}\0{title}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def assign_titles(titles: Iterable[str], splits: Splits, seed: int) -> dict[str, str]:
    """Gives every title its split.

    Shares cut [0, 1) into fixed ranges, so a title keeps its split whatever else there is. Counts
    take the titles with the lowest positions among those that no share has taken.

    Returns:
        title -> "train", "tune", "select" or "test".
    """
    order = sorted(set(titles), key=lambda title: (title_position(title, seed), title))
    assigned: dict[str, str] = {}
    edge = 1.0
    for name in HELD_OUT:
        amount = getattr(splits, name)
        if 0 < amount < 1:
            for title in order:
                if edge - amount <= title_position(title, seed) < edge:
                    assigned[title] = name
            edge -= amount
    free = [title for title in order if title not in assigned]
    for name in HELD_OUT:
        amount = getattr(splits, name)
        if amount >= 1:
            for title in free[: int(amount)]:
                assigned[title] = name
            free = free[int(amount) :]
    return {title: assigned.get(title, "train") for title in order}


def limit_examples(examples: Sequence[Example], limit: int, seed: int) -> list[Example]:
    """At most `limit` examples (0: all), drawn by a hash of the id, kept in their order."""
    if not limit or len(examples) <= limit:
        return list(examples)
    drawn = sorted(examples, key=lambda example: title_position(example.id, seed))[:limit]
    chosen = {example.id for example in drawn}
    return [example for example in examples if example.id in chosen]
