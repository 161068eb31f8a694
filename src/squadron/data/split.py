"""Decides by a hash of the title which title goes to which split.

The hash keeps titles in their split when data grow. All questions of a title stay together, and so
do titles that share a paragraph (`leakage` defines which paragraphs count as the same). Such a
group goes where its title with the lowest position goes. So growing data can move a title only
towards train (docs/decisions/leakage.md).
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
    """The splits, and how they came about."""

    parts: dict[str, list[Example]]
    """Split -> its examples, in the order of SPLITS."""
    tied: list[list[str]]
    """Titles that stay together because they share a paragraph; none with `split_by: question`."""
    available: dict[str, int]
    """Split -> number of its examples before the limit `data.max_{split}_examples`."""

    def describe(self) -> str:
        """Returns the size of each split, and the setting that made it smaller, if one did."""
        sizes = []
        for name, part in self.parts.items():
            whole = self.available[name]
            limit = f" of {whole:,} (data.max_{name}_examples)" if len(part) < whole else ""
            sizes.append(f"{name} {len(part):,}{limit}")
        return ", ".join(sizes)


def title_position(title: str, seed: int) -> float:
    """Returns a number in [0, 1) that depends only on the title and the seed."""
    digest = hashlib.sha256(f"{seed}\0{title}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def assign_titles(titles: Iterable[str], splits: Splits, seed: int) -> dict[str, str]:
    """Gives each title its split by its own position; see `assign_positions`."""
    return assign_positions({title: title_position(title, seed) for title in titles}, splits)


def assign_positions(positions: Mapping[str, float], splits: Splits) -> dict[str, str]:
    """Gives each title its split.

    Shares cut [0, 1) into fixed ranges, so a title keeps its split whatever other titles there are.
    Counts take the titles with the lowest positions that no share has taken.

    Args:
        positions: Title -> its position in [0, 1).
        splits: The shares and counts of the settings.

    Returns:
        Title -> "train", "tune", "select" or "test".
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
    """Draws at most `limit` examples (0: all) by a hash of the id, and keeps their order."""
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
    """Gives each example its split, and draws as many as the settings allow.

    Args:
        own: Examples of `data.train`; no id of them may be in `only`.
        only: Examples of `data.train_only`. They go to train, and so do all examples that share a
            title or a paragraph with them.
        given: Examples of `data.test`, a test set of its own.
        settings: The settings of ingest.
        spellings: Title -> its spellings, as `leakage.unify_titles` returned them.

    Raises:
        InputError: If a split would be empty.
    """
    splits = replace(settings.splits, test=0) if settings.test else settings.splits
    # If data are split by question, the id takes the place of the title.
    by_title = settings.split_by == "title"
    title_of = {e.id: e.title if by_title else e.id for e in (*own, *only)}
    fold = functools.cache(fold_text)
    group_of = tie_titles((title_of[e.id], shared_keys(e, by_title, fold)) for e in (*own, *only))
    trained = {group_of[title_of[e.id]] for e in only}
    written = (spellings or {}) if by_title else {}
    split_of = assign_positions(_find_positions(group_of, trained, written, settings.seed), splits)
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


def _find_positions(
    group_of: Mapping[str, str],
    trained: set[str],
    spellings: Mapping[str, Sequence[str]],
    seed: int,
) -> dict[str, float]:
    """Returns the position of each group that does not have to train.

    Args:
        group_of: Title -> its group.
        trained: Groups that go to train in any case.
        spellings: Title -> its spellings, for titles with several.
        seed: The seed of the settings.
    """
    positions: dict[str, float] = {}
    for title, group in group_of.items():
        if group not in trained:
            written = spellings.get(title, [title])
            found = min(title_position(spelling, seed) for spelling in written)
            # Train has the lowest positions, so a group's lowest one takes no title out of train.
            positions[group] = min(found, positions.get(group, 1.0))
    return positions
