"""The special tokens that a tokenizer puts around a question and its context."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from squadron.errors import InputError

if TYPE_CHECKING:
    from tokenizers import Tokenizer


@dataclass(frozen=True)
class Layout:
    """The special tokens that a tokenizer puts around a pair, and the type ids of its parts.

    A window reads: before + question + between + context + after.
    """

    before: tuple[int, ...]
    between: tuple[int, ...]
    after: tuple[int, ...]
    question_type: int
    context_type: int
    pad_id: int

    @property
    def special_count(self) -> int:
        """The number of special tokens in one window."""
        return len(self.before) + len(self.between) + len(self.after)


def read_layout(tokenizer: "Tokenizer", pad_id: int) -> Layout:
    """Reads the layout from the tokenizer, by encoding a pair.

    Raises:
        InputError: If the first token is not a special token (the null token would be a word), or
            if the question does not come before the context.
    """
    encoding = tokenizer.encode("a", "b")
    sequences = encoding.sequence_ids
    if not encoding.ids or sequences[0] is not None:
        raise InputError(
            "The tokenizer puts no special token first; extractive models with a leading "
            "special token (BERT, RoBERTa, DeBERTa, ELECTRA, ...) are supported"
        )
    question = [n for n, sequence in enumerate(sequences) if sequence == 0]
    context = [n for n, sequence in enumerate(sequences) if sequence == 1]
    if not question or not context or question[-1] > context[0]:
        raise InputError("The tokenizer does not put the question before the context")
    return Layout(
        before=tuple(encoding.ids[: question[0]]),
        between=tuple(encoding.ids[question[-1] + 1 : context[0]]),
        after=tuple(encoding.ids[context[-1] + 1 :]),
        question_type=encoding.type_ids[0],
        context_type=encoding.type_ids[context[0]],
        pad_id=pad_id,
    )
