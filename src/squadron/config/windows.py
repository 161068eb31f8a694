"""The section `windows`: how contexts are cut."""

from dataclasses import dataclass

from squadron.config.checks import require


@dataclass(frozen=True)
class Windows:
    """The featurize step: how a context is cut into overlapping windows."""

    max_length: int = 384
    """Tokens of one window, question and special tokens included."""
    stride: int = 128
    """Context tokens shared by two neighbouring windows (not the step between them)."""
    max_question_length: int = 64
    """Tokens kept of a question; longer ones are cut, kept and counted."""

    def __post_init__(self) -> None:
        require(self.max_length >= 16, "max_length", self.max_length, "16 or more")
        require(self.stride >= 0, "stride", self.stride, "0 or more")
        require(
            self.max_question_length >= 1,
            "max_question_length",
            self.max_question_length,
            "1 or more",
        )
        # The least room a context has: all but the longest question and (at most) four specials.
        room = self.max_length - self.max_question_length - 4
        require(
            self.stride < room,
            "stride",
            self.stride,
            f"it must be below max_length - max_question_length - 4 specials = {room}, "
            "or windows would not advance",
        )
