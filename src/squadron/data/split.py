"""Which title goes to which split: by a hash of the title, so that growing data moves nothing.

All questions of a title stay together, and so do titles that share a paragraph (`leakage` says what
counts as the same one). Such a group goes where its title with the lowest position goes, so growing
data can move a title towards train alone (docs/decisions/leakage.md).
"""

import functools
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from squadron.config import SPLITS, Data, Splits
from squadron.data.folding import fold_text
from squadron.data.leakage import Key, shared_keys
from squadron.data.sources import Example
from squadron.errors import InputError

HELD_OUT = ("test", "select", "tune")


@dataclass(frozen=True)
class Shares:
    """How the examples were shared out."""

    parts: dict[str, list[Example]]
    """Split -> its examples, in the order of SPLITS."""
    tied: list[list[str]]
    """Titles that stay together because they share a paragraph; by question, none are listed."""
    available: dict[str, int]
    """Split -> its examples before `data.max_{split}_examples` drew some of them."""

    def describe(self) -> str:
        """The size of each split, with the setting that made it smaller, if one did."""
        sizes = []
        for name, part in self.parts.items():
            whole = self.available[name]
            limit = f" of {whole:,} (data.max_{name}_examples)" if len(part) < whole else ""
            sizes.append(f"{name} {len(part):,}{limit}")
        return ", ".join(sizes)


def title_position(title: str, seed: int) -> float:
    """A number in [0, 1) that depends on the title and the seed alone."""
    digest = hashlib.sha256(f"{seed}\0{title}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def assign_titles(titles: Iterable[str], splits: Splits, seed: int) -> dict[str, str]:
    """Gives every title its split, each by its own position; see `assign_positions`."""
    return assign_positions({title: title_position(title, seed) for title in titles}, splits)


def assign_positions(positions: Mapping[str, float], splits: Splits) -> dict[str, str]:
    """Gives every title its split.

    Shares cut [0, 1) into fixed ranges, so a title keeps its split whatever else there is. Counts
    take the titles with the lowest positions among those that no share has taken.

    Args:
        positions: Title -> its position in [0, 1).
        splits: Of the settings.

    Returns:
        title -> "train", "tune", "select" or "test".
    """
    order = sorted(positions, key=lambda title: (positions[title], title))
    assigned: dict[str, str] = {}
    edge = 1.0
    for name in HELD_OUT:
        amount = getattr(splits, name)
        if 0 < amount < 1:
            for title in order:
                if edge - amount <= positions[title] < edge:
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


def tie_titles(keys: Iterable[tuple[str, Iterable[Key]]]) -> dict[str, str]:
    """Groups titles that have a key in common, directly or through other titles.

    Args:
        keys: (title, keys of one of its examples), in any order.

    Returns:
        Title -> the alphabetically first title of its group.
    """
    above: dict[str, str] = {}

    def find(title: str) -> str:
        while above[title] != title:
            above[title] = above[above[title]]
            title = above[title]
        return title

    first: dict[Key, str] = {}
    for title, some in keys:
        above.setdefault(title, title)
        for key in some:
            low, high = sorted((find(title), find(first.setdefault(key, title))))
            above[high] = low
    return {title: find(title) for title in above}


def limit_examples(examples: Sequence[Example], limit: int, seed: int) -> list[Example]:
    """At most `limit` examples (0: all), drawn by a hash of the id, kept in their order."""
    if not limit or len(examples) <= limit:
        return list(examples)
    drawn = sorted(examples, key=lambda example: title_position(example.id, seed))[:limit]
    chosen = {example.id for example in drawn}
    return [example for example in examples if example.id in chosen]


def share_out(
    own: Sequence[Example],
    only: Sequence[Example],
    given: Sequence[Example],
    settings: Data,
    spellings: Mapping[str, Sequence[str]] | None = None,
) -> Shares:
    """Gives every example its split, and draws as many as the settings allow.

    Args:
        own: Of `data.train`; no id of `only`.
        only: Of `data.train_only`: they train, and so does whatever shares a title or a paragraph
            with them.
        given: Of `data.test`, the data's own test set.
        settings: Of the step.
        spellings: Title -> how it is written, as `leakage.unify_titles` gives them.

    Raises:
        InputError: If a split would be empty.
    """
    splits = replace(settings.splits, test=0) if settings.test else settings.splits
    # With split_by question, an id stands where a title does.
    by_title = settings.split_by == "title"
    title_of = {e.id: e.title if by_title else e.id for e in (*own, *only)}
    fold = functools.cache(fold_text)
    group_of = tie_titles((title_of[e.id], shared_keys(e, by_title, fold)) for e in (*own, *only))
    trained = {group_of[title_of[e.id]] for e in only}
    # Shares put train lowest: a group's lowest position takes no title out of train.
    positions: dict[str, float] = {}
    for title, group in group_of.items():
        if group not in trained:
            written = (spellings or {}).get(title, [title]) if by_title else [title]
            found = min(title_position(spelling, settings.seed) for spelling in written)
            positions[group] = min(found, positions.get(group, 1.0))
    split_of = assign_positions(positions, splits)
    parts: dict[str, list[Example]] = {name: [] for name in SPLITS}
    parts["train"] += only
    for example in own:
        parts[split_of.get(group_of[title_of[example.id]], "train")].append(example)
    if settings.test:
        parts["test"] = list(given)
    groups: dict[str, list[str]] = defaultdict(list)
    for title in sorted(group_of):
        groups[group_of[title]].append(title)
    tied = [titles for titles in groups.values() if len(titles) > 1] if by_title else []
    available = {name: len(part) for name, part in parts.items()}
    for name, part in parts.items():
        limit = getattr(settings, f"max_{name}_examples")
        parts[name] = limit_examples(part, limit, settings.seed)
        if not parts[name]:
            unit = settings.split_by
            raise InputError(
                f"The split {name!r} is empty: {len(split_of)} {unit}s in "
                f"{list(settings.train)}{' that are not in train_only' * bool(only)}"
                f"{', those that share a paragraph counted as one,' * bool(tied)} with "
                f"data -> splits {asdict(splits)} and seed "
                f"{settings.seed}; give it more {unit}s, another seed, or a test set of its own"
                + (", or set data -> split_by: question" if by_title else "")
            )
    return Shares(parts, tied, available)
