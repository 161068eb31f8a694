"""Counts leakage: what judged splits share with train. Above a set share, the race is refused.

Owns which examples belong in one split (`shared_keys`, by which `split.py` groups them), the
figures in validation.json and the message of the refusal. Texts are compared as in `folding`.

If data are split by title, the unit is the paragraph, because questions on one paragraph share its
facts. If data are split by question, the unit is the question with its answer, because contexts are
then shared by design.
"""

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from squadron.config import SPLITS, Data
from squadron.data.folding import fold_text
from squadron.data.sources import Example
from squadron.data.validation_file import LeakageSummary, SplitLeakageSummary, TitleGroups
from squadron.errors import InputError

JUDGED = SPLITS[1:]
_SAMPLES = 5
_SAMPLE_CHARS = 80

Key = tuple[str, ...]


@dataclass(frozen=True)
class SplitLeakage:
    """What one judged split shares with the train split."""

    units: int
    """Number of paragraphs in the split; of questions, if data are split by question."""
    shared: int
    """Units that are also in train."""
    questions: int
    """Questions of the split whose text is also asked in train, about any paragraph."""
    titles: int
    """Titles of the split that are also in train."""
    samples: list[str]
    """The beginning of the first shared units."""

    @property
    def share(self) -> float:
        """The share of the units that are also in train, 0 to 1."""
        return self.shared / self.units if self.units else 0.0


@dataclass(frozen=True)
class Leakage:
    """What the splits of one ingest share."""

    unit: str
    """"paragraph" or "question"."""
    splits: dict[str, SplitLeakage]
    """Judged split -> what it shares with train."""
    in_several_splits: dict[str, int]
    """The number of titles, paragraphs and questions that are in more than one split."""
    spellings: dict[str, list[str]]
    """Title -> its spellings, for titles with several."""
    tied: list[list[str]]
    """Titles that stay together because they share a paragraph."""

    def summarise(self, max_shared_share: float) -> LeakageSummary:
        """Returns the entry `leakage` of validation.json."""
        splits = {
            name: SplitLeakageSummary(
                units=found.units,
                units_also_in_train=found.shared,
                share=found.share,
                question_texts_also_in_train=found.questions,
                titles_also_in_train=found.titles,
                samples=tuple(found.samples),
            )
            for name, found in self.splits.items()
        }
        return LeakageSummary(
            unit=self.unit,
            max_shared_share=max_shared_share,
            splits=splits,
            in_several_splits=self.in_several_splits,
            titles_with_several_spellings=TitleGroups(
                len(self.spellings), tuple(map(tuple, self.spellings.values()))[:_SAMPLES]
            ),
            titles_that_share_paragraphs=TitleGroups(
                sum(map(len, self.tied)), tuple(map(tuple, self.tied))[:_SAMPLES]
            ),
        )

    def describe(self) -> str:
        """Returns a clause for the screen about titles that count as one; "" if there are none."""
        found = []
        if self.spellings:
            found.append(f"{_count(len(self.spellings), 'title')} in several spellings")
        if self.tied:
            found.append(f"{_count(sum(map(len, self.tied)), 'title')} with shared paragraphs")
        return ", ".join(found)


def unify_titles(examples: Iterable[Example]) -> dict[str, list[str]]:
    """Gives titles that count as the same one spelling, the one that comes first.

    Returns:
        Title -> its spellings in file order, for titles that have several.
    """
    fold = functools.cache(fold_text)
    spellings: dict[str, list[str]] = {}
    for example in examples:
        known = spellings.setdefault(fold(example.title), [])
        if example.title not in known:
            known.append(example.title)
        example.title = known[0]
    return {known[0]: known for known in spellings.values() if len(known) > 1}


def shared_keys(example: Example, by_title: bool, fold: Callable[[str], str]) -> set[Key]:
    """Returns the keys of an example. Two examples with a common key belong in one split.

    Args:
        example: A validated example.
        by_title: Whether data are split by title. If so, the key is the paragraph. If not, the keys
            are the question with each of its answers; without answers, with its context.
        fold: `fold_text`, with a cache for callers that read many examples of one context.
    """
    if by_title:
        return {(fold(example.context),)}
    question = fold(example.question)
    answered: set[Key] = {(question, "answer", fold(a.text)) for a in example.answers}
    return answered or {(question, "context", fold(example.context))}


def find_leakage(
    parts: Mapping[str, Sequence[Example]],
    settings: Data,
    spellings: dict[str, list[str]],
    tied: list[list[str]],
) -> Leakage:
    """Compares the splits as they are used, after limits were applied.

    Args:
        parts: Split -> its examples, of every split.
        settings: The settings of ingest.
        spellings: As `unify_titles` returned them.
        tied: As `split.share_out` found them.
    """
    fold = functools.cache(fold_text)
    by_title = settings.split_by == "title"
    trained = {key for each in parts["train"] for key in shared_keys(each, by_title, fold)}
    asked = {fold(each.question) for each in parts["train"]}
    # Examples without a title share no title.
    titles = {each.title for each in parts["train"] if each.title.strip()}
    splits = {}
    for name in JUDGED:
        units: dict[object, str] = {}
        shared: dict[object, str] = {}
        for each in parts[name]:
            keys = shared_keys(each, by_title, fold)
            unit: object = min(keys) if by_title else each.id
            text = each.context if by_title else each.question
            units[unit] = text
            if keys & trained:
                shared[unit] = text
        splits[name] = SplitLeakage(
            units=len(units),
            shared=len(shared),
            questions=sum(fold(each.question) in asked for each in parts[name]),
            titles=len({each.title for each in parts[name]} & titles),
            samples=[text[:_SAMPLE_CHARS] for text in list(shared.values())[:_SAMPLES]],
        )
    read: dict[str, Callable[[Example], str]] = {
        "titles": lambda each: each.title,
        "paragraphs": lambda each: fold(each.context),
        "questions": lambda each: fold(each.question),
    }
    several = {name: _count_in_several(parts, text) for name, text in read.items()}
    return Leakage("paragraph" if by_title else "question", splits, several, spellings, tied)


def check_leakage(leakage: Leakage, max_share: float) -> None:
    """Refuses a race that would judge models on questions that they were trained on.

    Raises:
        InputError: If a judged split shares more than `max_share` (0 to 1) of its units with train.
    """
    for name, found in leakage.splits.items():
        if found.share > max_share:
            unit = leakage.unit
            raise InputError(
                f"{found.shared:,} of the {found.units:,} {unit}s of the {name} split are also in "
                f"the train split ({found.share:.1%}, at most {max_share:.1%} is allowed), such as "
                f"{found.samples[0]!r}; take them out of data -> train and train_only or out of "
                f"data -> test, or raise data -> max_shared_share"
            )


def _count_in_several(
    parts: Mapping[str, Sequence[Example]], text: Callable[[Example], str]
) -> int:
    seen: set[str] = set()
    several: set[str] = set()
    for part in parts.values():
        own = {text(each) for each in part}
        several |= own & seen
        seen |= own
    return len(several)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' * (number != 1)}"
