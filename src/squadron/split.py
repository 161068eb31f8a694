"""Which title goes to which split: by a hash of the title, so that growing data moves nothing.

All questions of a title stay together: splits never share a paragraph.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace

from squadron.config import SPLITS, Data, Splits
from squadron.errors import InputError
from squadron.sources import Example

HELD_OUT = ("test", "select", "tune")


@dataclass(frozen=True)
class Shared:
    """Contexts that a judged split has in common with files that train."""

    with_test: list[str]
    """Those of `data.train` that the data's own test set has, too."""
    with_train_only: dict[str, list[str]]
    """Split -> those of `data.train_only`."""


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


def share_out(
    own: Sequence[Example], only: Sequence[Example], given: Sequence[Example], settings: Data
) -> dict[str, list[Example]]:
    """Gives every example its split, and draws as many as the settings allow.

    Args:
        own: Of `data.train`; no id of `only`.
        only: Of `data.train_only`: they train, and so does whatever shares a title with them.
        given: Of `data.test`, the data's own test set.
        settings: Of the step.

    Returns:
        Split -> its examples, in the order of SPLITS.

    Raises:
        InputError: If a split would be empty.
    """
    splits = replace(settings.splits, test=0) if settings.test else settings.splits
    # With split_by question, an id stands where a title does.
    by_title = settings.split_by == "title"
    group_of = {e.id: e.title if by_title else e.id for e in (*own, *only)}
    trained = {group_of[e.id] for e in only}
    split_of = assign_titles({group_of[e.id] for e in own} - trained, splits, settings.seed)
    parts: dict[str, list[Example]] = {name: [] for name in SPLITS}
    parts["train"] += only
    for example in own:
        parts[split_of.get(group_of[example.id], "train")].append(example)
    if settings.test:
        parts["test"] = list(given)
    for name, part in parts.items():
        limit = getattr(settings, f"max_{name}_examples")
        parts[name] = limit_examples(part, limit, settings.seed)
        if not parts[name]:
            unit = settings.split_by
            raise InputError(
                f"The split {name!r} is empty: {len(split_of)} {unit}s in "
                f"{list(settings.train)}{' that are not in train_only' * bool(only)} with "
                f"data -> splits {asdict(splits)} and seed "
                f"{settings.seed}; give it more {unit}s, another seed, or a test set of its own"
                + (", or set data -> split_by: question" if by_title else "")
            )
    return parts


def find_shared(
    parts: dict[str, list[Example]], own: Sequence[Example], only: Sequence[Example], settings: Data
) -> Shared:
    """The contexts that are judged and trained on, of what `share_out` has given."""
    trains = {e.context for e in only}
    return Shared(
        sorted(
            {e.context for e in parts["test"]} & {e.context for e in own} if settings.test else ()
        ),
        {name: sorted(trains & {e.context for e in parts[name]}) for name in SPLITS[1:]},
    )
