"""Sliding windows: examples in, token windows with character offsets out; and spans between both.

Some tokenizers count the blank before a word as part of its token, others do not. Offsets are
therefore trimmed once, here: a token starts at the first character from its start on that is no
blank, and ends behind the last one before its end. A span of tokens thus never begins or ends with
a blank. A token of blanks alone starts behind its end and covers nothing.

Each context and each question is tokenised once, by the tokenizer's own threads, and the windows
follow by array arithmetic, without a copy per window. The result equals what `tokenizers` gives for
(question, context) pairs with truncation "only_second" and the same stride; a property test holds
that.

Legend of names: characters are half-open, tokens inclusive. `max_length` counts every token of a
window; `stride` is the number of context tokens that two neighbouring windows share.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from squadron.artifacts import WINDOWS
from squadron.config import Windows
from squadron.data.layout import Layout as Layout
from squadron.data.layout import read_layout as read_layout
from squadron.data.question_types import TYPES, UNKNOWN
from squadron.data.window_table import NULL_TOKEN, WindowTable
from squadron.errors import InputError

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
class WindowCounts:
    """What windowing did, for the log and the run's metrics."""

    windows: int
    examples: int
    cut_questions: int
    unreachable_answers: int


def slide_windows(
    examples: pa.Table,
    tokenizer: "Tokenizer",
    layout: Layout,
    settings: Windows,
    remembered: "Remembered | None" = None,
) -> tuple[WindowTable, WindowCounts]:
    """Cuts every example into windows.

    Args:
        examples: A table of schema `artifacts.EXAMPLES`. The first answer is the one that trains.
        tokenizer: Without truncation or padding of its own.
        layout: Of that tokenizer.
        settings: In tokens.
        remembered: Tokens of long contexts, kept from call to call, as several splits may share
            one. Only for calls with the same tokenizer.

    Returns:
        The windows, example by example; and counts.
    """
    contexts = _one_dictionary(examples["context"])
    # A slice of a table has the contexts of the whole table in its dictionary.
    used, context_E = np.unique(contexts.indices.to_numpy(), return_inverse=True)
    texts = contexts.dictionary.take(pa.array(used)).to_pylist()
    tokens = _tokenize(tokenizer, texts, with_offsets=True, remembered=remembered)
    questions = _tokenize(tokenizer, examples["question"].to_pylist(), with_offsets=False)

    question_length_E = np.minimum(questions.lengths, settings.max_question_length)
    cut = int((questions.lengths > settings.max_question_length).sum())
    room_E = settings.max_length - layout.special_count - question_length_E
    if (room_E <= settings.stride).any():
        worst = int(question_length_E.max())
        raise InputError(
            f"windows -> stride: {settings.stride} leaves no progress with a question of {worst} "
            f"tokens: it must be below {settings.max_length - layout.special_count - worst}; "
            "lower stride or max_question_length, or raise max_length"
        )
    step_E = room_E - settings.stride
    length_E = tokens.lengths[context_E]
    count_E = 1 + np.maximum(0, -(-(length_E - room_E) // step_E))
    has_answer_E, first_E, last_E = _first_answers(examples)
    example_L, window_L, start_L, end_L = _label(
        tokens, context_E, room_E, step_E, count_E, has_answer_E, first_E, last_E
    )
    context_start_L = (len(layout.before) + question_length_E + len(layout.between))[example_L]
    labels = pa.StructArray.from_arrays(
        [
            pa.array(window_L, pa.int32()),
            pa.array(start_L + context_start_L, pa.int32()),
            pa.array(end_L + context_start_L, pa.int32()),
        ],
        fields=list(WINDOWS.field("labels").type.value_type),
    )
    label_edges = np.concatenate([[0], np.cumsum(np.bincount(example_L, minlength=len(count_E)))])
    kept = _ranges(questions.edges[:-1], question_length_E)
    question_edges = np.concatenate([[0], np.cumsum(question_length_E)])
    table = pa.Table.from_arrays(
        [
            examples["id"].combine_chunks(),
            _list(question_edges, questions.ids[kept]),
            _context_column(tokens, context_E),
            pa.array(room_E, pa.int32()),
            pa.array(step_E, pa.int32()),
            pa.array(count_E, pa.int32()),
            pa.LargeListArray.from_arrays(pa.array(label_edges, pa.int64()), labels),
            pc.index_in(
                examples["reasoning_type"].combine_chunks(), value_set=pa.array(TYPES)
            ).fill_null(UNKNOWN),
        ],
        schema=WINDOWS,
    )
    unreachable = int(has_answer_E.sum() - len(np.unique(example_L)))
    return WindowTable(table, layout), WindowCounts(
        int(count_E.sum()), len(count_E), cut, unreachable
    )


def limit_negatives(windows: WindowTable, limit: int, seed: int) -> WindowTable:
    """Keeps every window with its answer and, of each example, at most `limit` of the others.

    Args:
        windows: Some or all of a table.
        limit: 0 keeps all.
        seed: The same one draws the same windows.

    Returns:
        Windows in their order; `windows` itself if nothing is dropped.
    """
    if not limit:
        return windows
    random = np.random.default_rng(seed)
    kept, place = [np.zeros(0, np.int64)], 0
    # An example whose windows stand in two chunks keeps the lowest draws of both.
    drawn = _Drawn.empty()
    for chunk in windows.chunks():
        negative = np.flatnonzero(chunk.cut.start_token_N == NULL_TOKEN)
        positive = np.flatnonzero(chunk.cut.start_token_N != NULL_TOKEN)
        new = _Drawn(chunk.cut.example_N[negative], random.random(len(negative)), negative + place)
        drawn = drawn.joined(new)
        is_open = drawn.example == chunk.cut.example_N[-1]
        lowest = drawn.lowest(limit)
        kept += [positive + place, lowest.place[lowest.example != chunk.cut.example_N[-1]]]
        drawn = drawn.where(is_open).lowest(limit)
        place += len(chunk)
    places = np.sort(np.concatenate([*kept, drawn.place]))
    return windows if len(places) == len(windows) else windows.take(places)


@dataclass(frozen=True)
class _Drawn:
    """Windows without an answer, with a random number each."""

    example: Longs
    number: npt.NDArray[np.float64]
    place: Longs

    @classmethod
    def empty(cls) -> "_Drawn":
        return cls(np.zeros(0, np.int64), np.zeros(0), np.zeros(0, np.int64))

    def joined(self, other: "_Drawn") -> "_Drawn":
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return _Drawn(*(np.concatenate(pair) for pair in pairs))

    def where(self, chosen: Any) -> "_Drawn":
        return _Drawn(*(column[chosen] for column in vars(self).values()))

    def lowest(self, limit: int) -> "_Drawn":
        """Those with the `limit` lowest numbers of each example."""
        if not len(self.example):
            return self
        order = np.lexsort((self.number, self.example))
        # The place of each one among those of its example.
        rank = _count_up(np.unique(self.example, return_counts=True)[1])
        return self.where(order[rank < limit])


def covering_length(windows: WindowTable, unreachable: int, share: float = 0.95) -> int:
    """The fewest tokens that hold at least a share of the answers; answers count once each.

    Args:
        windows: All windows of a table.
        unreachable: Answers that are in no window, hence longer than all others.
        share: Above 0, up to 1.

    Returns:
        1 or more; the longest answer of all windows where the share needs the unreachable ones,
        0 if no window has an answer.
    """
    labels = windows.table["labels"].combine_chunks()
    counts = pc.list_value_length(labels).to_numpy()
    flat = labels.flatten()
    # The first window that holds an answer speaks for it.
    first = (np.cumsum(counts) - counts)[counts > 0]
    if not len(first):
        return 0
    starts, ends = (flat.field(name).to_numpy()[first] for name in ("start_token", "end_token"))
    lengths = np.sort(ends - starts + 1)
    needed = int(np.ceil(share * (len(lengths) + unreachable) - 1e-9))
    return int(lengths[min(needed, len(lengths)) - 1])


def window_starts(token_count: int, room: int, stride: int) -> list[int]:
    """First context token of each window of one context.

    >>> window_starts(10, room=4, stride=1)
    [0, 3, 6]
    """
    starts = [0]
    while starts[-1] + room < token_count:
        starts.append(starts[-1] + room - stride)
    return starts


def _one_dictionary(column: pa.ChunkedArray) -> Any:
    """A column of texts as one array with one dictionary."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    return column.unify_dictionaries().combine_chunks()


def _list(edges: Longs, values: Ints) -> pa.Array:
    return pa.LargeListArray.from_arrays(pa.array(edges, pa.int64()), pa.array(values, pa.int32()))


def _context_column(tokens: "_Tokens", context_E: Any) -> pa.DictionaryArray:
    """The tokens of all contexts as a dictionary, and which of them each example has."""
    columns = (tokens.ids, tokens.start_chars, tokens.end_chars)
    return pa.DictionaryArray.from_arrays(
        pa.array(context_E, pa.int32()),
        pa.StructArray.from_arrays(
            [_list(tokens.edges, column) for column in columns],
            fields=list(WINDOWS.field("context").type.value_type),
        ),
    )


@dataclass(frozen=True)
class _Tokens:
    """Tokens of many texts, flat: text t has `ids[edges[t]:edges[t + 1]]`."""

    ids: Ints
    start_chars: Ints
    end_chars: Ints
    edges: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    """Characters of each text."""


def _tokenize(
    tokenizer: "Tokenizer",
    texts: Sequence[str],
    *,
    with_offsets: bool,
    remembered: Remembered | None = None,
) -> _Tokens:
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
    return _Tokens(
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


def _first_answers(examples: pa.Table) -> tuple[Any, Any, Any]:
    """(has an answer, first character, one past the last) of each example's first answer."""
    answers = examples["answers"].combine_chunks()
    has_answer = pc.greater(pc.list_value_length(answers), 0).to_numpy(zero_copy_only=False)
    first = np.zeros(len(answers), np.int64)
    last = np.zeros(len(answers), np.int64)
    if has_answer.any():
        # The flat answers of a sliced list start where the slice starts.
        flat = answers.flatten()
        lengths = pc.list_value_length(answers).to_numpy()
        leading = (np.cumsum(lengths) - lengths)[has_answer]
        starts = pc.struct_field(flat, "start_char").to_numpy()[leading]
        # In characters, as Python counts them.
        sizes = pc.utf8_length(pc.struct_field(flat, "text")).to_numpy()[leading]
        first[has_answer] = starts
        last[has_answer] = starts + sizes
    return has_answer, first, last


def _label(
    tokens: _Tokens,
    context_E: Any,
    room_E: Longs,
    step_E: Longs,
    count_E: Longs,
    has_answer_E: Any,
    first_E: Longs,
    last_E: Longs,
) -> tuple[Longs, Longs, Longs, Longs]:
    """Which windows hold an answer, and where: (example, window, first and last token) of each.

    A window holds an answer if it begins at or before the answer's first character and ends at or
    behind its last one. Tokens are counted from the window's first context token.

    The span holds every token that overlaps the answer: one that cuts into a token takes the whole
    token, and a character that byte-level tokenizers give as several tokens comes with all of them.
    Where a tokenizer dropped the answer's edge, the neighbouring token makes up for it.

    Offsets never go back from token to token. So a binary search in the context finds the tokens,
    and the windows that hold them follow by arithmetic: no window is looked at.
    """
    rows = np.flatnonzero(has_answer_E & (tokens.lengths[context_E] > 0))
    context = context_E[rows]
    room, step, count = room_E[rows], step_E[rows], count_E[rows]
    first, last = first_E[rows], last_E[rows]
    head, length = tokens.edges[context], tokens.lengths[context]
    # Offsets of all contexts in one rising sequence, so that one search serves every example.
    base = np.cumsum(tokens.sizes + 1) - tokens.sizes - 1
    base_T = np.repeat(base, tokens.lengths)
    starts, ends = (
        np.maximum.accumulate(side + base_T) for side in (tokens.start_chars, tokens.end_chars)
    )

    def count_tokens(flat: Longs, character: Longs, side: str) -> Longs:
        """Of its context: how many begin (or end) below a character, or up to it ("right")."""
        find = np.searchsorted
        place = find(flat, character + base[context], side="left" if side == "left" else "right")
        return np.asarray(place - head, np.int64)

    begun, ended = count_tokens(starts, first, "right"), count_tokens(ends, first, "right")
    ended_before, begun_before = (
        count_tokens(ends, last, "left"),
        count_tokens(starts, last, "left"),
    )
    # The window's first token begins at or before the answer ...
    highest = np.where(begun > 0, np.minimum((begun - 1) // step, count - 1), -1)
    # ... and its last token ends at or behind it; the last window ends with the context.
    lowest = np.maximum(-(-(ended_before + 1 - room) // step), 0)
    lowest = np.where(ended_before < length, np.minimum(lowest, count - 1), count)
    found = np.maximum(highest - lowest + 1, 0)
    owner = np.repeat(np.arange(len(rows)), found)
    window = lowest[owner] + _count_up(found)
    skipped = window * step[owner]
    size = np.minimum(length[owner] - skipped, room[owner])

    def inside(tokens_before: Longs) -> Longs:
        return np.asarray(np.clip(tokens_before[owner] - skipped, 0, size), np.int64)

    start = np.minimum(inside(begun) - 1, inside(ended))
    end = np.maximum(inside(ended_before), inside(begun_before) - 1)
    return rows[owner], window, start, end


def _count_up(counts: Any) -> Any:
    """[3, 1, 2] -> [0, 1, 2, 0, 0, 1]."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def _ranges(starts: Any, lengths: Any) -> Any:
    """Indices start..start+length-1 of every row, one after the other."""
    return np.repeat(starts, lengths) + _count_up(lengths)
