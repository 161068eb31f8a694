"""The section `documents`: texts in which the questions of a race are asked as well."""

from dataclasses import dataclass
from typing import Annotated

from squadron.config.data import SPLITS
from squadron.config.limits import PATHS, Limit, at_least, check_limits, require


@dataclass(frozen=True)
class Documents:
    """The steps passages, index and answer: a race whose contenders also search for the passage.

    Without `files` and `contexts`, the race has none of these steps.
    """

    files: Annotated[tuple[str, ...], PATHS] = ()
    """Documents (PDF, Markdown, HTML and text files) and folders of them: paths or
    `s3://bucket/key`. They are cut into passages."""
    contexts: Annotated[
        tuple[str, ...],
        Limit(f"list some of {SPLITS}", lambda names: set(names) <= set(SPLITS)),
    ] = ()
    """Splits whose contexts are passages, too, each as it stands: some of train, tune, select and
    test."""
    sentences: Annotated[int, at_least(1)] = 5
    """The most sentences of a passage of `files`."""
    overlap: Annotated[int, at_least(0)] = 1
    """How many sentences a passage shares with the one before it; less than `sentences`."""
    questions: Annotated[int, at_least(0, "0 (all) or more")] = 200
    """The most questions of select, and of test, that are asked of the index; evenly spread over
    the split. 0 asks all."""
    top_k: Annotated[int, at_least(1)] = 5
    """How many of the passages found are read per question and search method. Of the original
    system's search, one is read."""

    def __post_init__(self) -> None:
        check_limits(self)
        require(
            self.overlap < self.sentences,
            "overlap",
            self.overlap,
            f"less than sentences, which is {self.sentences}",
        )

    @property
    def are_given(self) -> bool:
        """Whether there is anything to search."""
        return bool(self.files or self.contexts)
