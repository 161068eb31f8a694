"""Two versions compared: how sure the lead of one is, and which questions one alone answers."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from squadron import tracking
from squadron.errors import InputError
from squadron.registry.versions import Registered

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from squadron.scores.leads import Lead

MOST_EXAMPLES = 3
"""How many questions are shown that one version alone answers."""


@dataclass(frozen=True)
class Answered:
    """How a version answered some questions."""

    scores: "pa.Table"
    """Of schema `artifacts.SCORES`, a row per question."""
    errors: "pa.Table"
    """Of schema `artifacts.ERRORS`, a row per wrong answer."""


@dataclass(frozen=True)
class Example:
    """A question that one version answers right and the other one does not."""

    question: str
    golds: tuple[str, ...]
    """The right answers; () for a question without an answer."""
    wrong: str
    """What the other version answered; "" if it answered nothing."""


@dataclass(frozen=True)
class Comparison:
    """Two versions on the same questions."""

    lead: "Lead"
    """The lead of the first version over the second one, in points of EM."""
    questions: int
    first_alone: int
    """How many questions the first version answers exactly right and the second one does not."""
    second_alone: int
    both: int
    won: tuple[Example, ...]
    """Some questions that the first version alone answers."""
    lost: tuple[Example, ...]
    """Some questions that the second version alone answers."""

    @property
    def is_worse(self) -> bool:
        """Whether the first version is worse by more than chance."""
        return self.lead.significant and self.lead.difference < 0


def compare_versions(
    first: Registered, second: Registered, answered: Answered | None = None
) -> Comparison:
    """Compares two versions by what their races found out about them.

    Args:
        first: A version.
        second: Another version, perhaps of another model.
        answered: How the first version answered; None to download it.

    Raises:
        InputError: If they were not judged on the same questions, or their scores can't be read.
            It is a sentence that says why they can't be compared.
    """
    digests = [version.tags.get("select_digest", "") for version in (first, second)]
    for version, digest in zip((first, second), digests, strict=True):
        if not digest:
            raise InputError(
                f"{_name(version)} can't be compared question by question: it has no tag "
                "select_digest, so nothing says on which questions it was judged"
            )
    if digests[0] != digests[1]:
        raise InputError(
            f"{_name(first)} and {_name(second)} can't be compared question by question, because "
            f"they were judged on different select splits (digests {digests[0]} and {digests[1]})"
        )
    return compare_answers(answered or fetch_answered(first), fetch_answered(second))


def compare_answers(first: Answered, second: Answered) -> Comparison:
    """Compares how two versions answered the same questions.

    Raises:
        InputError: If the questions differ.
    """
    from squadron.scores.leads import compare_with_winner

    try:
        (lead,) = compare_with_winner(first.scores, {"the second one": second.scores})
    except ValueError as error:
        raise InputError(
            "The two can't be compared question by question, because they were judged on "
            "different questions"
        ) from error
    right, other = (each.scores["exact_match"].to_numpy() == 1 for each in (first, second))
    return Comparison(
        lead=lead,
        questions=len(right),
        first_alone=int((right & ~other).sum()),
        second_alone=int((other & ~right).sum()),
        both=int((right & other).sum()),
        won=_find_examples(right & ~other, second),
        lost=_find_examples(other & ~right, first),
    )


def _find_examples(chosen: "npt.NDArray[np.bool_]", loser: Answered) -> tuple[Example, ...]:
    """Returns some of the chosen questions, evenly spread, with what the loser answered.

    Args:
        chosen: Whether each question may be shown, shape (N,).
        loser: The version that answered them wrong.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from squadron.scores.error_kinds import sample_rows

    ids = loser.scores["id"].filter(pa.array(chosen)).combine_chunks()
    some = loser.errors.filter(pc.is_in(loser.errors["id"], value_set=ids))
    return tuple(
        Example(row["question"], tuple(row["golds"]), row["answer"])
        for row in sample_rows(some, MOST_EXAMPLES)
    )


def fetch_answered(version: Registered) -> Answered:
    """Downloads what the race of a version kept about its answers to the select split.

    Raises:
        InputError: If the files are missing or can't be downloaded.
    """
    import mlflow

    from squadron.artifacts import read_table

    tracking.connect_existing()
    tables = []
    with tempfile.TemporaryDirectory() as folder:
        for name, schema in (("scores", "scores/3"), ("errors", "errors/1")):
            place = f"runs:/{version.run_id}/evaluation/select/{name}.parquet"
            try:
                file = mlflow.artifacts.download_artifacts(artifact_uri=place, dst_path=folder)
            except (mlflow.exceptions.MlflowException, OSError) as error:
                raise InputError(
                    f"{_name(version)} can't be compared question by question, because {place} "
                    "can't be read; the run of the version must be kept, and its files must be in "
                    "reach"
                ) from error
            tables.append(read_table(Path(file), schema=schema))
    return Answered(*tables)


def _name(version: Registered) -> str:
    return f"{version.name} version {version.version}"
