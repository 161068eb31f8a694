"""The section `data.synthesize`: questions for training that rules make from documents."""

from dataclasses import dataclass
from typing import Annotated

from squadron.config.limits import PATHS, Limit, at_least, check_limits

METHODS = ("cloze", "lead_sentence")
"""The ways to make questions; `squadron.documents.questions` has a function for each."""

_NAMES = ", ".join(METHODS)
_KNOWN = Limit(
    f"name some of: {_NAMES}",
    lambda names: set(names) <= set(METHODS),
    {"items": {"type": "string", "enum": list(METHODS)}},
)
_SOME = Limit("name at least one", bool, {"minItems": 1})


@dataclass(frozen=True)
class Synthesize:
    """Questions for the split train that rules make from documents; none if `files` is empty.

    They are marked as synthetic, and they never get into the splits tune, select and test. Needs
    the packages of the extra `documents`.
    """

    files: Annotated[tuple[str, ...], PATHS] = ()
    """Documents (PDF, Markdown, HTML and text files) and folders of them: paths or
    `s3://bucket/key`. Passages that share eight words in a row with a context of tune, select or
    test are left out."""
    methods: Annotated[tuple[str, ...], _SOME, _KNOWN] = ("cloze",)
    """`cloze` asks which date, name or number belongs in the gap of a sentence. `lead_sentence`
    asks for the main idea of a passage, which is its first sentence."""
    max_examples: Annotated[int, at_least(0, "0 (all) or more")] = 0
    """The most synthetic questions, which `data.seed` draws; 0 keeps all."""

    def __post_init__(self) -> None:
        check_limits(self)
