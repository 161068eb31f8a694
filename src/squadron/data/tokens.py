"""Tokens of many texts."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Ints = npt.NDArray[np.int32]
Longs = npt.NDArray[np.int64]

_BLANK = np.array([chr(code).isspace() for code in range(0x3002)])
"""Which characters are blanks; U+3000 is the last one, and the entry behind it stands for all."""

Remembered = dict[tuple[str, ...], tuple[Ints, Ints, Ints, Longs]]

CHARACTERS_PER_CHUNK = 1_000_000
"""Bounds the memory of tokenisation: so much text, or a piece of a longer one, is taken at once."""
SEAM_CHARACTERS = 500
"""Of text on both sides of a cut: tokenised whole and in two, as a cut must change nothing."""


@dataclass(frozen=True)
class Tokens:
    """Tokens of many texts, flat: text t has `ids[edges[t]:edges[t + 1]]`."""

    ids: Ints
    start_chars: Ints
    end_chars: Ints
    edges: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    """Characters of each text."""


def tokenize(
    tokenizer: "Tokenizer",
    texts: Sequence[str],
    *,
    with_offsets: bool,
    remembered: Remembered | None = None,
) -> Tokens:
    """Tokens of all texts; a part of the texts is worked on at once."""
    sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    part_of = np.cumsum(sizes) // CHARACTERS_PER_CHUNK
    bounds = [0, *(np.flatnonzero(np.diff(part_of)) + 1).tolist(), len(texts)]
    parts = []
    for first, last in itertools.pairwise(bounds):
        key = tuple(texts[first:last])
        part = remembered.get(key) if remembered else None
        if part is None:
            part = _tokenize_part(tokenizer, key, with_offsets=with_offsets)
        if remembered is not None and sizes[first:last].sum() > CHARACTERS_PER_CHUNK:
            remembered[key] = part
        parts.append(part)
    ids, start_chars, end_chars, lengths = map(np.concatenate, zip(*parts, strict=True))
    return Tokens(
        ids, start_chars, end_chars, np.concatenate([[0], np.cumsum(lengths)]), lengths, sizes
    )


def _tokenize_part(
    tokenizer: "Tokenizer", texts: Sequence[str], *, with_offsets: bool
) -> tuple[Ints, Ints, Ints, Longs]:
    """(ids, starts, ends, tokens of each text); one text alone goes piece by piece."""
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
        return ids, np.zeros(0, np.int32), np.zeros(0, np.int32), lengths
    starts, ends = _trim(texts, lengths, offsets[:, 0], offsets[:, 1])
    return ids, starts, ends, lengths


def _cut_text(tokenizer: "Tokenizer", text: str) -> list[int]:
    """Where a long text can be cut behind a line break without any change of its tokens.

    Returns:
        The edges of the pieces in characters, from 0 to the length of the text. A tokenizer that
        joins text over line breaks, or begins each text in its own way, gets the text in one piece.
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
    """(ids, the tokenizer's own offsets of shape (N, 2) or (0, 2), tokens of each text)."""
    # encode_batch runs on the tokenizer's own threads; the fast form leaves offsets out.
    encode = tokenizer.encode_batch if with_offsets else tokenizer.encode_batch_fast
    encodings = encode(list(texts), add_special_tokens=False)
    lengths = np.fromiter((len(e) for e in encodings), np.int64, len(encodings))
    total = int(lengths.sum())
    chain = itertools.chain.from_iterable
    ids = np.fromiter(chain(e.ids for e in encodings), np.int32, total)
    if not with_offsets:
        return ids, np.zeros((0, 2), np.int32), lengths
    if sum(map(len, texts)) > CHARACTERS_PER_CHUNK:
        # Slower, but the list of all offsets of a long text is several times as large.
        pairs: Any = (e.token_to_chars(n) for e in encodings for n in range(len(e)))
    else:
        pairs = chain(e.offsets for e in encodings)
    return ids, np.fromiter(chain(pairs), np.int32, 2 * total).reshape(-1, 2), lengths


def _trim(texts: Sequence[str], lengths: Longs, starts: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """Moves starts forward and ends back over blanks, as `str.strip` knows them.

    A token of blanks alone gets a start behind its end; see the top of this module.
    """
    # A character that is no blank stands between the texts, so that no search leaves its text.
    codes = np.frombuffer(("\x00".join(texts) + "\x00").encode("utf-32-le"), np.uint32)
    solid = np.flatnonzero(~_BLANK[np.minimum(codes, len(_BLANK) - 1)])
    sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    head_of = np.repeat(np.cumsum(sizes + 1) - sizes - 1, lengths)
    trimmed_starts = solid[np.searchsorted(solid, starts + head_of)] - head_of
    last = np.searchsorted(solid, ends + head_of) - 1
    trimmed_ends = np.where(last < 0, 0, solid[last] + 1) - head_of
    return trimmed_starts.astype(np.int32), trimmed_ends.astype(np.int32)
