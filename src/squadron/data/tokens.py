"""Tokens of many texts, with the characters that each token covers.

Some tokenizers count the blank before a word as part of its token, others do not. This module
therefore trims all offsets once: a token starts at its first character that is not a blank and ends
behind its last one. So a span of tokens never begins or ends with a blank. A token that consists of
blanks starts behind its end and covers nothing.

Names: character ranges are half-open. Suffix T: one entry per token of all texts.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]

_IS_BLANK = np.array([chr(code).isspace() for code in range(0x3002)])
"""Whether a character is a blank. U+3000 is the last one; the last entry stands for all others."""

CHARACTERS_PER_CHUNK = 1_000_000
"""How much text is tokenised at once, which bounds the memory. A longer text is cut."""
SEAM_CHARACTERS = 500
"""How much text on each side of a cut is tokenised to check that the cut changes no token."""

MOST_REMEMBERED = 8
"""Number of long texts whose tokens are remembered. Splits that share a context have one."""


@dataclass(frozen=True)
class Tokens:
    """Tokens of many texts, flat: text t has `ids[edges[t]:edges[t + 1]]`."""

    ids: Ints
    start_chars: Ints
    end_chars: Ints
    edges: Longs
    lengths: Longs
    """The number of tokens of each text."""
    sizes: Longs
    """The number of characters of each text."""


class Part(NamedTuple):
    """Tokens of some texts, flat. Without offsets, `start_chars` and `end_chars` are empty."""

    ids: Ints
    start_chars: Ints
    end_chars: Ints
    lengths: Longs
    """The number of tokens of each text."""


Remembered = dict[tuple[str, ...], Part]
"""Texts -> their tokens."""


def tokenize(
    tokenizer: "Tokenizer",
    texts: Sequence[str],
    *,
    with_offsets: bool,
    remembered: Remembered | None = None,
) -> Tokens:
    """Returns the tokens of all texts, and works on a part of the texts at a time.

    Args:
        tokenizer: Without truncation or padding.
        texts: Any number of texts.
        with_offsets: Whether the characters of each token are needed.
        remembered: Tokens of long texts from earlier calls with the same tokenizer; this call adds
            its own.
    """
    sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    part_of = np.cumsum(sizes) // CHARACTERS_PER_CHUNK
    bounds = [0, *(np.flatnonzero(np.diff(part_of)) + 1).tolist(), len(texts)]
    parts = []
    for first, last in itertools.pairwise(bounds):
        key = tuple(texts[first:last])
        part = remembered.get(key) if remembered else None
        if part is None:
            part = _tokenize_part(tokenizer, key, with_offsets=with_offsets)
        is_long = sizes[first:last].max(initial=0) > CHARACTERS_PER_CHUNK
        if remembered is not None and is_long and len(remembered) < MOST_REMEMBERED:
            remembered[key] = part
        parts.append(part)
    ids, start_chars, end_chars, lengths = map(np.concatenate, zip(*parts, strict=True))
    edges = np.concatenate([[0], np.cumsum(lengths)])
    return Tokens(ids, start_chars, end_chars, edges, lengths, sizes)


def _tokenize_part(tokenizer: "Tokenizer", texts: Sequence[str], *, with_offsets: bool) -> Part:
    """Returns the tokens of some texts; a single text, which may be long, is cut into pieces."""
    if len(texts) == 1:
        pieces = []
        for first, last in itertools.pairwise(_cut_text(tokenizer, texts[0])):
            ids, offsets, _ = _encode(tokenizer, (texts[0][first:last],), with_offsets)
            pieces.append((ids, offsets + np.int32(first)))
        ids, offsets = map(np.concatenate, zip(*pieces, strict=True))
        lengths = np.array([len(ids)], np.int64)
    else:
        ids, offsets, lengths = _encode(tokenizer, texts, with_offsets)
    if not with_offsets:
        return Part(ids, np.zeros(0, np.int32), np.zeros(0, np.int32), lengths)
    start_chars, end_chars = _trim_blanks(texts, lengths, offsets[:, 0], offsets[:, 1])
    return Part(ids, start_chars, end_chars, lengths)


def _cut_text(tokenizer: "Tokenizer", text: str) -> list[int]:
    """Finds line breaks behind which a long text can be cut without changing any token.

    Returns:
        The edges of the pieces in characters, from 0 to the length of the text. If the tokenizer
        joins text over line breaks or treats the beginning of a text differently, the text stays
        in one piece.
    """
    edges = [0]
    for wanted in range(CHARACTERS_PER_CHUNK, len(text), CHARACTERS_PER_CHUNK):
        cut = text.rfind("\n", edges[-1], wanted) + 1
        left, right = text[:cut][-SEAM_CHARACTERS:], text[cut : cut + SEAM_CHARACTERS]
        if not left or not right:
            continue
        whole, before, behind = tokenizer.encode_batch(
            [left + right, left, right], add_special_tokens=False
        )
        moved = [(start + len(left), end + len(left)) for start, end in behind.offsets]
        if whole.ids == before.ids + behind.ids and whole.offsets == before.offsets + moved:
            edges.append(cut)
    return [*edges, len(text)]


def _encode(
    tokenizer: "Tokenizer", texts: Sequence[str], with_offsets: bool
) -> tuple[Ints, Ints, Longs]:
    """Runs the tokenizer on some texts.

    Returns:
        The token ids, shape (T,); the tokenizer's own offsets, shape (T, 2), or (0, 2) without
        offsets; and the number of tokens of each text.
    """
    # encode_batch uses the tokenizer's own threads; the fast form computes no offsets.
    encode = tokenizer.encode_batch if with_offsets else tokenizer.encode_batch_fast
    encodings = encode(list(texts), add_special_tokens=False)
    lengths = np.fromiter((len(e) for e in encodings), np.int64, len(encodings))
    total = int(lengths.sum())
    chain = itertools.chain.from_iterable
    ids = np.fromiter(chain(e.ids for e in encodings), np.int32, total)
    if not with_offsets:
        return ids, np.zeros((0, 2), np.int32), lengths
    if sum(map(len, texts)) > CHARACTERS_PER_CHUNK:
        # This is slower, but the list of all offsets of a long text takes several times the memory.
        pairs: Any = (e.token_to_chars(n) for e in encodings for n in range(len(e)))
    else:
        pairs = chain(e.offsets for e in encodings)
    return ids, np.fromiter(chain(pairs), np.int32, 2 * total).reshape(-1, 2), lengths


def _trim_blanks(
    texts: Sequence[str], lengths: Longs, start_T: Ints, end_T: Ints
) -> tuple[Ints, Ints]:
    """Moves starts forward and ends back over blanks, as `str.strip` defines them.

    Args:
        texts: The texts.
        lengths: The number of tokens of each text.
        start_T: First character of each token in its text.
        end_T: One past its last character.

    Returns:
        The new starts and ends. A token of blanks gets a start behind its end.
    """
    # A character that is not a blank separates the texts, so that no search leaves its text.
    codes = np.frombuffer(("\x00".join(texts) + "\x00").encode("utf-32-le"), np.uint32)
    solid = np.flatnonzero(~_IS_BLANK[np.minimum(codes, len(_IS_BLANK) - 1)])
    sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    text_start_T = np.repeat(np.cumsum(sizes + 1) - sizes - 1, lengths)
    trimmed_start_T = solid[np.searchsorted(solid, start_T + text_start_T)] - text_start_T
    last = np.searchsorted(solid, end_T + text_start_T) - 1
    trimmed_end_T = np.where(last < 0, 0, solid[last] + 1) - text_start_T
    return trimmed_start_T.astype(np.int32), trimmed_end_T.astype(np.int32)
