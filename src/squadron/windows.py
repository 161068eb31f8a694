"""Sliding windows: examples in, token windows with character offsets out; and spans between both.

Some tokenizers count the blank before a word as part of its token, others do not. Offsets are
therefore trimmed once, here: a token starts at the first character from its start on that is no
blank, and ends behind the last one before its end. A span of tokens thus never begins or ends with
a blank. A token of blanks alone starts behind its end and covers nothing.

Each context and each question is tokenised once, by the tokenizer's own threads, and the windows
are cut with array arithmetic; the result equals what `tokenizers` gives for (question, context)
pairs with truncation "only_second" and the same stride (a property test holds that).

Legend of names: characters are half-open, tokens inclusive. `max_length` counts every token of a
window; `stride` is the number of context tokens that two neighbouring windows share.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from squadron.artifacts import EXTENTS, WINDOWS
from squadron.config import Windows
from squadron.errors import InputError
from squadron.question_types import TYPES, UNKNOWN

if TYPE_CHECKING:
    from tokenizers import Tokenizer

Ints = npt.NDArray[np.int32]

_BLANK = np.array([chr(code).isspace() for code in range(0x3002)])
"""Which characters are blanks; U+3000 is the last one, and the entry behind it stands for all."""

NULL_TOKEN = 0
"""Where "not answered here" points: the first token, a special one."""

EXAMPLES_PER_CHUNK = 4_096
"""Bounds the memory of tokenisation; 4,096 SQuAD examples are about 700 contexts, 40 MB."""


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
        """Special tokens in one window."""
        return len(self.before) + len(self.between) + len(self.after)


def read_layout(tokenizer: "Tokenizer", pad_id: int) -> Layout:
    """Learns the layout from the tokenizer itself, by encoding a pair.

    Raises:
        InputError: If no special token stands first (the null token would be a word), or the
            question does not come before the context.
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


@dataclass(frozen=True)
class WindowCounts:
    """What windowing did, for the log and the run's metrics."""

    windows: int
    examples: int
    cut_questions: int
    unreachable_answers: int


def slide_windows(
    examples: pa.Table, tokenizer: "Tokenizer", layout: Layout, settings: Windows
) -> tuple[pa.Table, WindowCounts]:
    """Cuts every example into windows.

    Args:
        examples: A table of schema `artifacts.EXAMPLES`. The first answer is the one that trains.
        tokenizer: Without truncation or padding of its own.
        layout: Of that tokenizer.
        settings: In tokens.

    Returns:
        A table of schema `artifacts.WINDOWS`, example by example, window by window; and counts.
    """
    tables, cut, unreachable = [], 0, 0
    for start in range(0, examples.num_rows, EXAMPLES_PER_CHUNK):
        chunk = examples.slice(start, EXAMPLES_PER_CHUNK)
        table, cut_here, unreachable_here = _slide_chunk(chunk, tokenizer, layout, settings)
        tables.append(table)
        cut += cut_here
        unreachable += unreachable_here
    table = pa.concat_tables(tables) if tables else WINDOWS.empty_table()
    return table, WindowCounts(table.num_rows, examples.num_rows, cut, unreachable)


def first_questions(windows: pa.Table, count: int) -> pa.Table:
    """The windows of the first `count` examples, of all for 0; nothing is copied."""
    if not count:
        return windows
    firsts = np.flatnonzero(windows["window"].to_numpy() == 0)
    return windows.slice(0, int(firsts[count]) if count < len(firsts) else len(windows))


def find_extents(windows: pa.Table) -> pa.Table:
    """The characters of its context that each window holds, of schema `artifacts.EXTENTS`."""
    starts, ends = (windows[name].combine_chunks() for name in ("start_chars", "end_chars"))
    counts = pc.list_value_length(starts).to_numpy()
    last = np.cumsum(counts) - 1
    heads = np.zeros(len(counts), np.int32)
    tails = np.zeros(len(counts), np.int32)
    has = counts > 0
    heads[has] = starts.flatten().to_numpy()[(last - counts + 1)[has]]
    tails[has] = ends.flatten().to_numpy()[last[has]]
    columns = [windows["example_id"], windows["window"], pa.array(heads), pa.array(tails)]
    return pa.Table.from_arrays(columns, schema=EXTENTS)


def limit_negatives(windows: pa.Table, limit: int, seed: int) -> pa.Table:
    """Keeps every window with its answer and, of each example, at most `limit` of the others.

    Args:
        windows: Of schema `artifacts.WINDOWS`.
        limit: 0 keeps all.
        seed: The same one draws the same windows.

    Returns:
        Windows in their order; `windows` itself, memory-mapped as it may be, if nothing is dropped.
    """
    if not limit or not windows.num_rows:
        return windows
    start_token_N = windows["start_token"].to_numpy()
    ids = windows["example_id"].combine_chunks().dictionary_encode()
    negative = np.flatnonzero(start_token_N == NULL_TOKEN)
    example = ids.indices.to_numpy()[negative]
    order = np.lexsort((np.random.default_rng(seed).random(len(negative)), example))
    # The place of each negative window among those of its example, in drawn order.
    counts = np.bincount(example)
    place = _count_up(counts)
    dropped = negative[order[place >= limit]]
    if not len(dropped):
        return windows
    return windows.take(pa.array(np.delete(np.arange(windows.num_rows), dropped)))


def covering_length(windows: pa.Table, unreachable: int, share: float = 0.95) -> int:
    """The fewest tokens that hold at least a share of the answers; answers count once each.

    Args:
        windows: Of schema `artifacts.WINDOWS`.
        unreachable: Answers that are in no window, hence longer than all others.
        share: Above 0, up to 1.

    Returns:
        1 or more; the longest answer of all windows where the share needs the unreachable ones,
        0 if no window has an answer.
    """
    found = windows.filter(pc.not_equal(windows["start_token"], NULL_TOKEN))
    if not found.num_rows:
        return 0
    ids = found["example_id"].combine_chunks().dictionary_encode()
    _, first = np.unique(ids.indices.to_numpy(), return_index=True)
    starts, ends = found["start_token"].to_numpy()[first], found["end_token"].to_numpy()[first]
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


def _slide_chunk(
    examples: pa.Table, tokenizer: "Tokenizer", layout: Layout, settings: Windows
) -> tuple[pa.Table, int, int]:
    contexts = examples["context"].combine_chunks().dictionary_encode()
    context_of = contexts.indices.to_numpy()
    tokens = _tokenize(tokenizer, contexts.dictionary.to_pylist(), with_offsets=True)
    questions = _tokenize(tokenizer, examples["question"].to_pylist(), with_offsets=False)

    question_lengths = np.minimum(questions.lengths, settings.max_question_length)
    cut = int((questions.lengths > settings.max_question_length).sum())
    room_E = settings.max_length - layout.special_count - question_lengths
    if (room_E <= settings.stride).any():
        worst = int(question_lengths.max())
        raise InputError(
            f"windows -> stride: {settings.stride} leaves no progress with a question of {worst} "
            f"tokens: it must be below {settings.max_length - layout.special_count - worst}; "
            "lower stride or max_question_length, or raise max_length"
        )

    # One row per window: E examples -> N windows.
    step_E = room_E - settings.stride
    length_E = tokens.lengths[context_of]
    count_E = 1 + np.maximum(0, -(-(length_E - room_E) // step_E))
    example_N = np.repeat(np.arange(len(count_E)), count_E)
    window_N = _count_up(count_E)
    start_N = window_N * step_E[example_N]
    stop_N = np.minimum(start_N + room_E[example_N], length_E[example_N])
    context_length_N = stop_N - start_N
    question_length_N = question_lengths[example_N]

    # input_ids, flat over all windows, filled part by part.
    before, between, after = (
        np.array(p, np.int32) for p in (layout.before, layout.between, layout.after)
    )
    total_N = layout.special_count + question_length_N + context_length_N
    edge = np.concatenate([[0], np.cumsum(total_N)])
    ids = np.empty(edge[-1], np.int32)
    place_N = edge[:-1].copy()
    for part in (before, None, between):
        if part is None:
            source = _ranges(questions.edges[example_N], question_length_N)
            ids[_ranges(place_N, question_length_N)] = questions.ids[source]
            place_N += question_length_N
        else:
            ids[(place_N[:, None] + np.arange(len(part))).ravel()] = np.tile(part, len(place_N))
            place_N += len(part)
    source = _ranges(tokens.edges[context_of[example_N]] + start_N, context_length_N)
    ids[_ranges(place_N, context_length_N)] = tokens.ids[source]
    place_N += context_length_N
    ids[(place_N[:, None] + np.arange(len(after))).ravel()] = np.tile(after, len(place_N))

    context_start_N = len(before) + question_length_N + len(between)
    offset_edges = np.concatenate([[0], np.cumsum(context_length_N)]).astype(np.int32)
    start_chars, end_chars = tokens.start_chars[source], tokens.end_chars[source]
    has_answer_E, first_E, last_E = _first_answers(examples)
    start_token_N, end_token_N = _locate(
        has_answer_E[example_N],
        first_E[example_N],
        last_E[example_N],
        offset_edges,
        start_chars,
        end_chars,
    )
    found_N = start_token_N >= 0
    unreachable = int(has_answer_E.sum() - len(np.unique(example_N[found_N])))
    table = pa.Table.from_arrays(
        [
            examples["id"].combine_chunks().take(pa.array(example_N)),
            pa.array(window_N, pa.int32()),
            pa.ListArray.from_arrays(pa.array(edge, pa.int32()), pa.array(ids)),
            pa.ListArray.from_arrays(pa.array(offset_edges), pa.array(start_chars)),
            pa.ListArray.from_arrays(pa.array(offset_edges), pa.array(end_chars)),
            pa.array(context_start_N, pa.int32()),
            # An empty context gives an empty range: end before start.
            pa.array(context_start_N + context_length_N - 1, pa.int32()),
            pa.array(np.where(found_N, start_token_N + context_start_N, NULL_TOKEN), pa.int32()),
            pa.array(np.where(found_N, end_token_N + context_start_N, NULL_TOKEN), pa.int32()),
            pc.index_in(examples["reasoning_type"].combine_chunks(), value_set=pa.array(TYPES))
            .fill_null(UNKNOWN)
            .take(pa.array(example_N)),
        ],
        schema=WINDOWS,
    )
    return table, cut, unreachable


@dataclass(frozen=True)
class _Tokens:
    """Tokens of many texts, flat: text t has `ids[edges[t]:edges[t + 1]]`."""

    ids: Ints
    start_chars: Ints
    end_chars: Ints
    edges: npt.NDArray[np.int64]
    lengths: npt.NDArray[np.int64]


def _tokenize(tokenizer: "Tokenizer", texts: Sequence[str], *, with_offsets: bool) -> _Tokens:
    # encode_batch runs on the tokenizer's own threads; the fast form leaves offsets out.
    encode = tokenizer.encode_batch if with_offsets else tokenizer.encode_batch_fast
    encodings = encode(list(texts), add_special_tokens=False)
    lengths = np.fromiter((len(e) for e in encodings), np.int64, len(encodings))
    edges = np.concatenate([[0], np.cumsum(lengths)])
    ids = np.fromiter(_chain(e.ids for e in encodings), np.int32, edges[-1])
    offsets = np.zeros((0, 2), np.int32)
    if with_offsets:
        flat = _chain(_chain(e.offsets for e in encodings))
        offsets = np.fromiter(flat, np.int32, 2 * edges[-1]).reshape(-1, 2)
    tokens = _Tokens(ids, offsets[:, 0].copy(), offsets[:, 1].copy(), edges, lengths)
    if with_offsets:
        _trim(texts, tokens)
    return tokens


def _trim(texts: Sequence[str], tokens: _Tokens) -> None:
    """Moves starts forward and ends back over blanks, as `str.strip` knows them.

    A token of blanks alone gets a start behind its end; see the top of this module.
    """
    # A character that is no blank stands between the texts, so that no search leaves its text.
    codes = np.frombuffer(("\x00".join(texts) + "\x00").encode("utf-32-le"), np.uint32)
    solid = np.flatnonzero(~_BLANK[np.minimum(codes, len(_BLANK) - 1)])
    sizes = np.fromiter(map(len, texts), np.int64, len(texts))
    heads = np.cumsum(sizes + 1) - sizes - 1
    head_of = np.repeat(heads, tokens.lengths)
    starts = solid[np.searchsorted(solid, tokens.start_chars + head_of)]
    last = np.searchsorted(solid, tokens.end_chars + head_of) - 1
    ends = np.where(last < 0, 0, solid[last] + 1)
    tokens.start_chars[:] = starts - head_of
    tokens.end_chars[:] = ends - head_of


def _chain(parts: Any) -> Iterator[Any]:
    import itertools

    return itertools.chain.from_iterable(parts)


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


def _locate(
    has_answer_N: Any, first_N: Any, last_N: Any, edges: Ints, start_chars: Ints, end_chars: Ints
) -> tuple[Any, Any]:
    """The answer's first and last context token per window (from 0), -1 where it is not inside.

    The span holds every token that overlaps the answer: one that cuts into a token takes the whole
    token, and a character that byte-level tokenizers give as several tokens comes with all of them.
    Where a tokenizer dropped the answer's edge, the neighbouring token makes up for it.
    """
    lengths = np.diff(edges)
    wanted = has_answer_N & (lengths > 0)
    heads = (
        start_chars[np.minimum(edges[:-1], max(len(start_chars) - 1, 0))]
        if len(start_chars)
        else lengths
    )
    tails = end_chars[edges[1:] - 1] if len(end_chars) else lengths
    inside = wanted & (heads <= first_N) & (tails >= last_N)
    start = np.full(len(lengths), -1, np.int64)
    end = np.full(len(lengths), -1, np.int64)
    rows = np.flatnonzero(inside)
    # One flat comparison over the windows that hold an answer, then counts per window.
    flat = _ranges(edges[:-1][rows].astype(np.int64), lengths[rows])
    owner = np.repeat(np.arange(len(rows)), lengths[rows])
    first, last = first_N[rows][owner], last_N[rows][owner]

    def count(condition: Any) -> Any:
        return np.bincount(owner, condition, len(rows)).astype(np.int64)

    start[rows] = np.minimum(count(start_chars[flat] <= first) - 1, count(end_chars[flat] <= first))
    end[rows] = np.maximum(count(end_chars[flat] < last), count(start_chars[flat] < last) - 1)
    return start, end


def _count_up(counts: Any) -> Any:
    """[3, 1, 2] -> [0, 1, 2, 0, 0, 1]."""
    return np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)


def _ranges(starts: Any, lengths: Any) -> Any:
    """Indices start..start+length-1 of every row, one after the other."""
    return np.repeat(starts, lengths) + _count_up(lengths)
