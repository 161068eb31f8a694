"""The section `windows`: how contexts are cut into windows."""

from dataclasses import dataclass
from typing import Annotated

from squadron.config.limits import at_least, check_limits, require


@dataclass(frozen=True)
class Windows:
    """The featurize step: how a context is cut into overlapping windows."""

    max_length: Annotated[int, at_least(16)] = 384
    """Tokens of one window, with the question and the special tokens."""
    stride: Annotated[int, at_least(0)] = 128
    """Context tokens that two neighbouring windows share (not the step between them). It must be
    below `max_length` - `max_question_length` - 4 special tokens."""
    max_question_length: Annotated[int, at_least(1)] = 64
    """Tokens that are kept of a question. Longer questions are cut; they stay in the data and are
    counted."""

    def __post_init__(self) -> None:
        check_limits(self)
        # The least room for a context: all but the longest question and at most four specials.
        room = self.max_length - self.max_question_length - 4
        require(
            self.stride < room,
            "stride",
            self.stride,
            f"it must be below max_length - max_question_length - 4 specials = {room}, "
            "or windows would not advance",
        )
