import itertools
import os
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from squadron.artifacts import CUT_WINDOWS, EXAMPLES, WINDOWS, read_windows, write_windows
from squadron.config import Windows
from squadron.data import window_table
from squadron.data.layout import Layout, read_layout
from squadron.data.sources import squad
from squadron.data.tokens import tokenize
from squadron.data.validation import validate_examples
from squadron.data.validation_report import Report
from squadron.data.window_table import WindowTable
from squadron.data.windows import (
    WindowCounts,
    covering_length,
    limit_negatives,
    slide_parts,
    slide_windows,
)
from squadron.errors import InputError
from tests.effort import draws

THOROUGH = settings(max_examples=draws(60), deadline=None)

# Known and unknown words, blanks of all kinds, characters that are several tokens (and several
# characters that are one), that a tokenizer drops, or that it takes for one of its specials.
PIECES = [
    *("the", "The", " light", " lens", " answer", "lighthouse", " 1823", "1,142", "%", "xyzzy"),
    *(" ", "  ", "\n", "\r\n", "\t", "\u00a0", "\u2009", "\u3000", "\x0c"),
    *("é", "e\u0301", "\u0301", "ü", "ß", "東京", "は", "Квартал", "Αθήνα", "ﬁ", "İ"),
    *("😀", "👩\u200d👧", "🇫🇷", "\u200b", "\ufeff", "\x00", "\x07", "\ufffd", "𝔞"),
    *("[SEP]", "[CLS]", "</s>", "<s>", ".", ",", "-", "'s"),
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=20).map("".join) | st.text(
    st.characters(exclude_categories=["Cs"]), max_size=20
)
LONG_TEXTS = st.builds(
    lambda pieces, times: "".join(pieces) * times,
    st.lists(st.sampled_from(PIECES), min_size=8, max_size=25),
    st.integers(2, 6),
)


@st.composite
def window_settings(draw):
    longest = draw(st.integers(1, 12))
    max_length = draw(st.integers(max(16, longest + 5), 48))
    stride = draw(st.integers(0, max_length - longest - 5))
    return Windows(max_length=max_length, stride=stride, max_question_length=longest)


@st.composite
def answered_contexts(draw):
    """A context and an answer in it without blanks around, as validation leaves it."""
    context = draw((TEXTS | LONG_TEXTS).filter(lambda text: text.strip()))
    places = [n for n, character in enumerate(context) if not character.isspace()]
    first = draw(st.sampled_from(places))
    last = draw(st.sampled_from([n for n in places if first <= n <= first + 12]))
    return context, first, last + 1


def make_table(*rows):
    """Examples from (question, context) or (question, context, start_char, end_char)."""
    records = [
        {
            "id": f"q{number}",
            "title": "t",
            "question": question,
            "context": context,
            "answers": [{"text": context[span[0] : span[1]], "start_char": span[0]}]
            if span
            else [],
            "reasoning_type": "",
        }
        for number, (question, context, *span) in enumerate(rows)
    ]
    return pa.Table.from_pylist(records, schema=EXAMPLES)


def slide(tiny, table, chosen):
    rows, counts = slide_windows(table, tiny.tokenizer, tiny.layout, chosen)
    rows.table.validate(full=True)
    assert rows.table.schema == WINDOWS
    assert rows.expand().schema == CUT_WINDOWS
    assert len(rows) == counts.windows
    return rows.to_pylist(), counts


def trim(context, start, end):
    """Offsets without the blanks on both sides; those of a lone blank cross."""
    while start < len(context) and context[start].isspace():
        start += 1
    while end > 0 and context[end - 1].isspace():
        end -= 1
    return [start, end]


def text_of(tokenizer, count):
    """A text of exactly this many tokens, whatever the tokenizer makes of blanks and unknowns."""
    for head, piece in itertools.product(("", "e"), ("~", "e~", "The", "▁")):
        for times in range(count + 1):
            text = head + piece * times
            if len(tokenizer.encode(text, add_special_tokens=False).ids) == count:
                return text
    raise AssertionError(f"no text of {count} tokens")


def encode_with_the_library(tiny, question, context, chosen):
    """What `tokenizers` gives for the pair, the question's tokens cut first; and whether they were.

    The library can't cut both parts, so a long question is replaced by a placeholder of the right
    number of tokens, whose ids are then exchanged.
    """
    reference = Tokenizer.from_str(tiny.tokenizer.to_str())
    question_ids = reference.encode(question, add_special_tokens=False).ids
    is_cut = len(question_ids) > chosen.max_question_length
    asked = text_of(reference, chosen.max_question_length) if is_cut else question
    reference.enable_truncation(
        chosen.max_length, stride=chosen.stride, strategy="only_second", direction="right"
    )
    [encoding] = reference.encode_batch([(asked, context)])
    expected = []
    for part in [encoding, *encoding.overflowing]:
        ids = np.array(part.ids)
        owner = np.array([-1 if s is None else s for s in part.sequence_ids])
        if is_cut:
            assert (owner == 0).sum() == chosen.max_question_length
            ids[owner == 0] = question_ids[: chosen.max_question_length]
        offsets = np.array(part.offsets).reshape(-1, 2)[owner == 1]
        offsets = [trim(context, *span) for span in offsets.tolist()]
        expected.append((ids.tolist(), offsets, (owner == 1).nonzero()[0].tolist()))
    return expected, is_cut


@THOROUGH
@given(TEXTS, TEXTS | LONG_TEXTS, window_settings())
@example("", "", Windows(16, 0, 1))
@example("the " * 40, "", Windows(16, 2, 4))
@example("", " \n ", Windows(16, 0, 1))
@example("😀" * 9, "👩\u200d👧\n" * 20, Windows(16, 3, 6))
def test_windows_equal_those_of_the_tokenizers_library(tiny, question, context, chosen):
    rows, counts = slide(tiny, make_table((question, context)), chosen)
    expected, is_cut = encode_with_the_library(tiny, question, context, chosen)

    assert counts == WindowCounts(len(expected), 1, int(is_cut), 0)
    assert [row["window"] for row in rows] == list(range(len(expected)))
    for row, (ids, offsets, places) in zip(rows, expected, strict=True):
        assert row["input_ids"] == ids
        assert [list(o) for o in zip(row["start_chars"], row["end_chars"], strict=True)] == offsets
        assert list(range(row["context_start"], row["context_end"] + 1)) == places
        assert len(ids) <= chosen.max_length


@THOROUGH
@given(TEXTS, LONG_TEXTS, window_settings())
def test_neighbouring_windows_share_stride_tokens_and_together_are_the_context(
    tiny, question, context, chosen
):
    rows, _ = slide(tiny, make_table((question, context)), chosen)
    parts = [
        list(
            zip(
                row["input_ids"][row["context_start"] : row["context_end"] + 1],
                row["start_chars"],
                row["end_chars"],
                strict=True,
            )
        )
        for row in rows
    ]
    whole = list(parts[0])
    for before, after in itertools.pairwise(parts):
        assert len(before) > chosen.stride
        assert len(after) > chosen.stride  # each window brings something new
        assert before[len(before) - chosen.stride :] == after[: chosen.stride]
        whole += after[chosen.stride :]
    encoding = tiny.tokenizer.encode(context, add_special_tokens=False)
    assert whole == [
        (token, *trim(context, *span))
        for token, span in zip(encoding.ids, encoding.offsets, strict=True)
    ]


@THOROUGH
@given(TEXTS, TEXTS | LONG_TEXTS, window_settings())
def test_every_character_that_a_token_covers_lies_in_a_window(tiny, question, context, chosen):
    rows, _ = slide(tiny, make_table((question, context)), chosen)
    encoding = tiny.tokenizer.encode(context, add_special_tokens=False)
    covered = {n for span in encoding.offsets for n in range(*trim(context, *span))}
    reached = {
        n
        for row in rows
        for start, end in zip(row["start_chars"], row["end_chars"], strict=True)
        for n in range(start, end)
    }
    assert reached == covered
    if tiny.name in ("byte_level", "untrimmed"):  # it drops nothing but blanks
        assert {n for n, c in enumerate(context) if not c.isspace()} <= reached


@THOROUGH
@given(TEXTS, answered_contexts(), window_settings())
@example("who", ("x 中 y 😀z", 2, 3), Windows(32, 2, 4))  # three tokens, one character
@example("who", ("x 😀😀 y", 2, 4), Windows(32, 2, 4))
@example("who", ("light \x07the", 6, 7), Windows(32, 2, 4))  # WordPiece drops it
@example("who", ("\x07", 0, 1), Windows(32, 2, 4))
def test_an_answer_is_labelled_in_every_window_that_holds_it_and_in_no_other(
    tiny, question, answered, chosen
):
    context, first, last = answered
    rows, counts = slide(tiny, make_table((question, context, first, last)), chosen)
    found = False
    for row in rows:
        tokens = list(zip(row["start_chars"], row["end_chars"], strict=True))
        holds = bool(tokens) and tokens[0][0] <= first and tokens[-1][1] >= last
        assert ((row["start_token"], row["end_token"]) != (0, 0)) == holds
        if not holds:
            continue
        found = True
        assert row["context_start"] <= row["start_token"] <= row["end_token"] <= row["context_end"]
        start = row["start_token"] - row["context_start"]
        end = row["end_token"] - row["context_start"]
        # The characters of the span contain the answer ...
        assert tokens[start][0] <= first
        assert tokens[end][1] >= last
        # ... no token beside it touches the answer, and it has no more tokens than it needs.
        overlapping = [n for n, (s, e) in enumerate(tokens) if s < last and e > first]
        assert set(overlapping) <= set(range(start, end + 1))
        if overlapping and tokens[overlapping[0]][0] <= first:
            assert start == overlapping[0]
        if overlapping and tokens[overlapping[-1]][1] >= last:
            assert end == overlapping[-1]
    assert counts.unreachable_answers == int(not found)


@THOROUGH
@given(answered_contexts(), window_settings())
def test_an_answer_of_at_most_stride_plus_one_tokens_is_always_in_a_window(tiny, answered, chosen):
    context, first, last = answered
    encoding = tiny.tokenizer.encode(context, add_special_tokens=False)
    offsets = [trim(context, *span) for span in encoding.offsets]
    tokens = [span for span in offsets if span[0] < last and span[1] > first]
    is_covered = bool(tokens) and tokens[0][0] <= first and tokens[-1][1] >= last
    _, counts = slide(tiny, make_table(("who", context, first, last)), chosen)
    if is_covered and len(tokens) <= chosen.stride + 1:
        assert counts.unreachable_answers == 0


@THOROUGH
@given(TEXTS, LONG_TEXTS, window_settings())
def test_windows_begin_in_equal_steps_until_one_reaches_the_end(tiny, question, context, chosen):
    rows, _ = slide(tiny, make_table((question, context)), chosen)
    tokens = tiny.tokenizer.encode(context, add_special_tokens=False)
    asked = len(tiny.tokenizer.encode(question, add_special_tokens=False).ids)
    room = chosen.max_length - min(asked, chosen.max_question_length)
    room -= tiny.layout.special_count
    starts = [0]
    while starts[-1] + room < len(tokens.ids):
        starts.append(starts[-1] + room - chosen.stride)
    assert len(rows) == len(starts)
    for row, start in zip(rows, starts, strict=True):
        stop = min(start + room, len(tokens.ids))
        trimmed = [trim(context, *span) for span in tokens.offsets[start:stop]]
        assert row["start_chars"] == [span[0] for span in trimmed]


def test_an_answer_decodes_to_its_own_text(tiny):
    context = "the lighthouse at cordouan was lit in July 1823, and its lens is still the first."
    for answer in ("lighthouse", "cordouan", "July 1823", "the first", "the lighthouse at"):
        first = context.index(answer)
        table = make_table(("when was it lit?", context, first, first + len(answer)))
        [row], _ = slide(tiny, table, Windows(128, 8, 16))
        span = row["input_ids"][row["start_token"] : row["end_token"] + 1]
        decoded = tiny.tokenizer.decode(span)
        if tiny.name == "wordpiece":
            decoded = decoded.replace(" ##", "")
        else:
            decoded = decoded.replace(" ", "").replace("Ġ", " ").replace("▁", " ").strip()
        assert decoded.lower() == answer.lower()


def test_an_answer_of_one_character_that_is_several_tokens_has_all_of_them(byte_level):
    # Once labelled from its last token to its first: a start behind its end.
    context = "x 😀 y"
    [row], _ = slide(byte_level, make_table(("who", context, 2, 3)), Windows(64, 2, 8))
    tokens = list(zip(row["start_chars"], row["end_chars"], strict=True))
    pieces = [n + row["context_start"] for n, span in enumerate(tokens) if span == (2, 3)]
    assert len(pieces) > 1
    assert (row["start_token"], row["end_token"]) == (pieces[0], pieces[-1])


def test_the_first_of_several_answers_trains(tiny):
    table = make_table(("who", "the light was lit", 4, 9))
    record = table.to_pylist()[0]
    record["answers"] += [{"text": "lit", "start_char": 14}]
    two = pa.Table.from_pylist([record], schema=EXAMPLES)
    assert slide(tiny, two, Windows(64, 2, 8)) == slide(tiny, table, Windows(64, 2, 8))
    record["answers"] = record["answers"][::-1]
    turned = pa.Table.from_pylist([record], schema=EXAMPLES)
    assert slide(tiny, turned, Windows(64, 2, 8)) != slide(tiny, table, Windows(64, 2, 8))


def test_an_empty_context_gives_one_window_without_context_tokens(tiny):
    [row], counts = slide(tiny, make_table(("who built the tower?", "")), Windows(64, 2, 32))
    layout = tiny.layout
    question = tiny.tokenizer.encode("who built the tower?", add_special_tokens=False).ids
    assert row["input_ids"] == [*layout.before, *question, *layout.between, *layout.after]
    assert row["context_end"] == row["context_start"] - 1
    assert (row["start_token"], row["end_token"]) == (0, 0)
    assert counts == WindowCounts(1, 1, 0, 0)


def test_a_question_over_the_limit_is_cut_kept_and_counted(tiny):
    asked = "what is the answer to the question " * 30
    table = make_table((asked, "the light"), ("who?", "the light"), (asked, "the lens"))
    rows, counts = slide(tiny, table, Windows(40, 2, 7))
    assert counts == WindowCounts(3, 3, 2, 0)
    kept = tiny.tokenizer.encode(asked, add_special_tokens=False).ids[:7]
    assert rows[0]["input_ids"][1:8] == kept
    assert rows[0]["context_start"] == 1 + 7 + len(tiny.layout.between)


def test_a_question_of_exactly_the_limit_is_not_counted_as_cut(tiny):
    asked = text_of(tiny.tokenizer, 7)
    _, counts = slide(tiny, make_table((asked, "the light")), Windows(40, 2, 7))
    assert counts.cut_questions == 0


def test_no_examples_give_no_windows(tiny):
    rows, counts = slide(tiny, EXAMPLES.empty_table(), Windows())
    assert rows == []
    assert counts == WindowCounts(0, 0, 0, 0)


def test_a_stride_that_leaves_no_progress_is_refused_with_the_numbers(tiny):
    # Settings alone can't tell where a tokenizer has more than four special tokens.
    chosen = Windows(max_length=16, stride=6, max_question_length=5)
    layout = replace(tiny.layout, between=(3,) * 5)
    room = 16 - layout.special_count - 5
    table = make_table(("who?", "the light"), (text_of(tiny.tokenizer, 9), "the light"))
    with pytest.raises(InputError) as caught:
        slide_windows(table, tiny.tokenizer, layout, chosen)
    assert str(caught.value) == (
        f"windows -> stride: 6 leaves no progress with a question of 5 tokens: it must be below "
        f"{room}; lower stride or max_question_length, or raise max_length"
    )
    # A window of as many tokens as it shares with the next one never moves on, either.
    with pytest.raises(InputError, match=f"stride: {room} leaves no progress"):
        slide_windows(table, tiny.tokenizer, layout, replace(chosen, stride=room))
    slide_windows(table, tiny.tokenizer, layout, replace(chosen, stride=room - 1))


MANY = [
    ("who built the tower?", "the older light was too weak to be seen. " * 3, 4, 15),
    ("where?", "Désiré brought café crème to Zürich – 東京 😀", 41, 42),
    ("", "the light"),
    ("what is the answer? " * 9, "the older light was too weak to be seen. " * 3, 90, 95),
    ("when?", ""),
    ("when?", "was lit in July 1823, and its lens " * 4, 11, 20),
    ("who built the tower?", "the light"),
    ("which?", "the light", 4, 9),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 100])
def test_the_size_of_a_chunk_changes_nothing(tiny, size, monkeypatch):
    chosen = Windows(24, 4, 8)
    whole = slide(tiny, make_table(*MANY), chosen)
    assert whole[1].windows > len(MANY)
    assert 0 < whole[1].cut_questions < len(MANY)
    monkeypatch.setattr("squadron.data.tokens.CHARACTERS_PER_CHUNK", 10 * size)
    monkeypatch.setattr(window_table, "EXAMPLES_PER_CHUNK", size)
    assert slide(tiny, make_table(*MANY), chosen) == whole


@pytest.mark.parametrize("start", range(len(MANY)))
@pytest.mark.parametrize("length", [1, 2, 5, len(MANY)])
def test_a_slice_of_a_table_gives_the_windows_of_its_rows(tiny, start, length):
    chosen = Windows(24, 4, 8)
    part = make_table(*MANY).slice(start, length)
    fresh = pa.Table.from_pylist(part.to_pylist(), schema=EXAMPLES)
    assert slide(tiny, part, chosen) == slide(tiny, fresh, chosen)


def test_a_table_of_several_chunks_gives_the_same_windows(tiny, monkeypatch):
    chosen = Windows(24, 4, 8)
    table = make_table(*MANY)
    pieces = pa.concat_tables([table.slice(5), table.slice(0, 0), table.slice(0, 3), table[3:5]])
    assert pieces["context"].num_chunks > 2
    fresh = pa.Table.from_pylist(pieces.to_pylist(), schema=EXAMPLES)
    expected = slide(tiny, fresh, chosen)
    assert slide(tiny, pieces, chosen) == expected
    monkeypatch.setattr("squadron.data.tokens.CHARACTERS_PER_CHUNK", 30)
    assert slide(tiny, pieces, chosen) == expected


@settings(max_examples=draws(40), deadline=None)
@given(st.lists(st.tuples(TEXTS, TEXTS), max_size=6), window_settings())
def test_the_windows_of_many_examples_are_those_of_each(tiny, pairs, chosen):
    rows, counts = slide(tiny, make_table(*pairs), chosen)
    alone = []
    for number, pair in enumerate(pairs):
        own, _ = slide(tiny, make_table(pair), chosen)
        alone += [{**row, "example_id": f"q{number}"} for row in own]
    assert rows == alone
    assert counts.windows == len(rows)
    assert counts.examples == len(pairs)


def test_the_layout_of_a_bert_like_pair_is_read_from_the_tokenizer(wordpiece):
    assert asdict(wordpiece.layout) == {
        "before": (2,),
        "between": (3,),
        "after": (3,),
        "question_type": 0,
        "context_type": 1,
        "pad_id": 0,
    }
    assert wordpiece.layout.special_count == 3


def test_the_layout_of_a_roberta_like_pair_is_read_from_the_tokenizer(byte_level):
    assert asdict(byte_level.layout) == {
        "before": (0,),
        "between": (2, 2),
        "after": (2,),
        "question_type": 0,
        "context_type": 0,
        "pad_id": 1,
    }
    assert byte_level.layout.special_count == 4


def test_a_tokenizer_without_a_leading_special_token_is_refused(wordpiece):
    from tokenizers.processors import TemplateProcessing

    bare = Tokenizer.from_str(wordpiece.tokenizer.to_str())
    bare.post_processor = TemplateProcessing(
        single="$A [SEP]", pair="$A [SEP] $B [SEP]", special_tokens=[("[SEP]", 3)]
    )
    with pytest.raises(InputError, match="puts no special token first"):
        read_layout(bare, 0)


def test_a_tokenizer_that_puts_the_context_first_is_refused(wordpiece):
    from tokenizers.processors import TemplateProcessing

    turned = Tokenizer.from_str(wordpiece.tokenizer.to_str())
    turned.post_processor = TemplateProcessing(
        single="[CLS] $A", pair="[CLS] $B [SEP] $A", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    with pytest.raises(InputError, match="does not put the question before the context"):
        read_layout(turned, 0)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dev-v1.1.json", WindowCounts(10_784, 10_570, 0, 0)),
        ("train-20k.json", WindowCounts(20_417, 20_163, 1, 0)),
    ],
)
def test_squad_gives_the_known_number_of_windows(name, expected):
    folder = os.environ.get("SQUADRON_DATA")
    if not folder:
        pytest.skip("SQUADRON_DATA names no folder with squad/dev-v1.1.json and train-20k.json")
    from squadron.models import backbones, minilm

    path = Path(folder) / "squad" / name
    if not path.is_file():
        pytest.skip(f"SQUADRON_DATA has no squad/{name}")
    try:
        tokenizer = backbones.load_tokenizer(minilm.NAME)
    except InputError as error:
        pytest.skip(str(error))
    bare = backbones.bare_tokenizer(tokenizer)
    rows = [
        {
            "id": e.id,
            "title": e.title,
            "question": e.question,
            "context": e.context,
            "answers": [asdict(answer) for answer in e.answers],
            "reasoning_type": e.reasoning_type,
        }
        for e in validate_examples(squad.read_examples(path), Report())
    ]
    table = pa.Table.from_pylist(rows, schema=EXAMPLES)
    chosen = Windows(max_length=384, stride=128)
    layout = read_layout(bare, tokenizer.pad_token_id)
    _, counts = slide_windows(table, bare, layout, chosen)
    assert counts == expected


# Which windows train, and how long answers are


def make_windows(*examples):
    """A table of windows from (id, how many, {window: (first, last token of the answer)})."""
    some = [1] * 9
    tokens = {"input_ids": some, "start_chars": some, "end_chars": some}
    rows = [
        {
            "example_id": name,
            "question_ids": [7],
            "room": 1,
            "step": 1,
            "windows": count,
            "labels": [
                {"window": window, "start_token": start, "end_token": end}
                for window, (start, end) in sorted(labels.items())
            ],
            "reasoning_type": 0,
        }
        for name, count, labels in examples
    ]
    place = WINDOWS.get_field_index("context")
    context = pa.DictionaryArray.from_arrays(
        pa.array([0] * len(rows), pa.int32()),
        pa.array([tokens], WINDOWS.field("context").type.value_type),
    )
    table = pa.Table.from_pylist(rows, schema=WINDOWS.remove(place))
    layout = Layout((2,), (3,), (3,), question_type=0, context_type=1, pad_id=0)
    return WindowTable(table.add_column(place, WINDOWS.field("context"), context), layout)


@st.composite
def some_windows(draw):
    """A few windows of some examples, with and without answers."""
    examples = []
    for number in range(draw(st.integers(1, 6))):
        count = draw(st.integers(1, 9))
        sizes = {window: draw(st.integers(1, 7) | st.just(0)) for window in range(count)}
        labels = {window: (5, 4 + size) for window, size in sizes.items() if size}
        examples.append((f"q{number}", count, labels))
    return make_windows(*examples)


def starts_of(rows):
    return [row["start_token"] for row in rows]


def per_example(table, condition):
    rows = [row for row in table.to_pylist() if condition(row["start_token"])]
    return Counter(row["example_id"] for row in rows)


@given(some_windows(), st.integers(0, 5), st.integers(0, 99), st.integers(1, 20))
def test_training_keeps_every_positive_window_and_a_few_negative_ones(table, limit, seed, chunk):
    kept = limit_negatives(table, limit, seed)
    rows, left = table.to_pylist(), kept.to_pylist()
    assert left == [row for row in rows if row in left]
    assert per_example(kept, bool) == per_example(table, bool)
    negative = per_example(table, lambda token: not token)
    expected = {i: min(count, limit or count) for i, count in negative.items()}
    assert per_example(kept, lambda token: not token) == expected
    # The same windows as one draw for all of them, whatever the size of a chunk.
    numbers = np.random.default_rng(seed).random(len(rows) - sum(map(bool, starts_of(rows))))
    drawn = dict(
        zip([n for n, row in enumerate(rows) if not row["start_token"]], numbers, strict=True)
    )
    for name in negative:
        own = [n for n in drawn if rows[n]["example_id"] == name]
        lowest = sorted(own, key=drawn.get)[: limit or len(own)]
        assert all(rows[n] in left for n in lowest)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(window_table, "WINDOWS_PER_CHUNK", chunk)
        assert limit_negatives(table, limit, seed).to_pylist() == left


def test_another_seed_draws_other_negative_windows_and_all_of_them_in_turn():
    table = make_windows(("q", 9, {}))
    drawn = [tuple(limit_negatives(table, 2, s).cut.window_N.tolist()) for s in range(200)]
    assert len(set(drawn)) > 20
    assert {window for pair in drawn for window in pair} == set(range(9))


@given(some_windows(), st.integers(0, 4), st.sampled_from([0.5, 0.9, 0.95, 1.0]))
def test_the_covering_length_is_the_fewest_tokens_that_hold_the_share(table, unreachable, share):
    first = {}
    for row in table.to_pylist():
        if row["start_token"]:
            first.setdefault(row["example_id"], row["end_token"] - row["start_token"] + 1)
    found = covering_length(table, unreachable, share)
    if not first:
        assert found == 0
        return
    total = len(first) + unreachable
    fits = [n for n in range(1, 8) if sum(s <= n for s in first.values()) >= share * total - 1e-6]
    assert found == (fits[0] if fits else max(first.values()))


@pytest.mark.parametrize(
    ("count", "kept"), [(0, "aaabcc"), (1, "aaa"), (2, "aaab"), (3, "aaabcc"), (9, "aaabcc")]
)
def test_the_first_questions_come_with_all_their_windows(count, kept):
    windows = make_windows(("a", 3, {}), ("b", 1, {}), ("c", 2, {}))
    assert "".join(windows.first_examples(count).example_ids().to_pylist()) == kept
    # Of some windows, those that are there.
    some = windows.take([0, 2, 5])
    kept = {0: "aac", 1: "aa", 2: "aa", 3: "aac", 9: "aac"}[count]
    assert "".join(some.first_examples(count).example_ids().to_pylist()) == kept


# What is stored, and what a plain program cuts


def cut_plainly(tiny, number, question, context, answer, chosen):
    """The windows of one example, written as directly as possible."""
    expected, _ = encode_with_the_library(tiny, question, context, chosen)
    rows = []
    for window, (ids, offsets, places) in enumerate(expected):
        start = end = 0
        context_start = places[0] if places else len(ids) - len(tiny.layout.after)
        if answer and offsets:
            first, last = answer
            if offsets[0][0] <= first and offsets[-1][1] >= last:
                # The tokens that overlap the answer, or the nearest one where there are none.
                begun = sum(s <= first for s, _ in offsets)
                ended = sum(e <= first for _, e in offsets)
                start = context_start + min(begun - 1, ended)
                begun = sum(s < last for s, _ in offsets)
                ended = sum(e < last for _, e in offsets)
                end = context_start + max(begun - 1, ended)
        rows.append(
            {
                "example_id": f"q{number}",
                "window": window,
                "input_ids": ids,
                "start_chars": [s for s, _ in offsets],
                "end_chars": [e for _, e in offsets],
                "context_start": context_start,
                "context_end": context_start + len(offsets) - 1,
                "start_token": start,
                "end_token": end,
                "reasoning_type": -1,
            }
        )
    return rows


@st.composite
def shared_contexts(draw):
    """Questions over a few contexts, many of them over the same one; most have an answer."""
    contexts = draw(st.lists(answered_contexts(), min_size=1, max_size=3))
    examples = []
    for _ in range(draw(st.integers(1, 8))):
        context, first, last = draw(st.sampled_from(contexts))
        answer = draw(st.sampled_from([(first, last), (first, last), ()]))
        examples.append((draw(TEXTS), context, *answer))
    return examples


@settings(max_examples=draws(40), deadline=None)
@given(shared_contexts(), window_settings(), st.integers(1, 40), st.integers(1, 9))
@example([("who", "the light " * 9, 4, 9)] * 3 + [("", "")], Windows(16, 3, 2), 1, 2)
def test_the_stored_windows_expand_to_those_of_a_plain_program(
    tiny, tmp_path_factory, examples, chosen, characters, size
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("squadron.data.tokens.CHARACTERS_PER_CHUNK", characters)
        patch.setattr(window_table, "WINDOWS_PER_CHUNK", size)
        table, _ = slide_windows(make_table(*examples), tiny.tokenizer, tiny.layout, chosen)
        path = tmp_path_factory.mktemp("windows") / "train.arrow"
        write_windows(path, table.table, about={})
        found = WindowTable(read_windows(path), tiny.layout)
        expected = [
            row
            for number, (question, context, *answer) in enumerate(examples)
            for row in cut_plainly(tiny, number, question, context, answer, chosen)
        ]
        assert found.to_pylist() == expected
        assert [row for part in found.chunks() for row in part.to_pylist()] == expected
        places = list(range(0, len(expected), 2))
        assert found.take(places).to_pylist() == [expected[place] for place in places]
        assert found.slice(1, 2).to_pylist() == expected[1:3]
        assert found.lengths.tolist() == [len(row["input_ids"]) for row in expected]
    # However many examples share a context, its tokens are there once.
    contexts = found.table["context"].chunk(0)
    assert len(contexts.dictionary) == len({context for _, context, *_ in examples})


@settings(max_examples=draws(40), deadline=None)
@given(shared_contexts(), window_settings(), st.integers(1, 4))
def test_windows_that_are_cut_part_by_part_are_the_file_of_all_together(
    tiny, tmp_path_factory, examples, chosen, size
):
    table = make_table(*examples)
    whole, counts = slide_windows(table, tiny.tokenizer, tiny.layout, chosen)
    folder = tmp_path_factory.mktemp("windows")
    parts = [table.slice(first, size) for first in range(0, len(table), size)]
    found, found_counts = slide_parts(
        parts, tiny.tokenizer, tiny.layout, chosen, remembered={}, folder=folder
    )
    assert found_counts == counts
    for name, rows in (("whole", whole), ("parts", found)):
        write_windows(folder / name, rows.table, about={})
    assert (folder / "parts").read_bytes() == (folder / "whole").read_bytes()
    # The temporary files have no names.
    assert sorted(path.name for path in folder.iterdir()) == ["parts", "whole"]


def test_the_longest_question_of_all_parts_is_named_where_the_stride_leaves_no_progress(tiny):
    chosen = Windows(max_length=16, stride=6, max_question_length=5)
    layout = replace(tiny.layout, between=(3,) * 5)
    lengths = (1, 16 - layout.special_count - 6, 5)
    assert lengths[0] < lengths[1] < lengths[2], "the second question is refused, too"
    parts = [make_table((text_of(tiny.tokenizer, length), "the light")) for length in lengths]
    with pytest.raises(InputError, match="with a question of 5 tokens"):
        slide_parts(parts, tiny.tokenizer, layout, chosen)


def test_only_a_few_long_texts_are_remembered(tiny, monkeypatch):
    monkeypatch.setattr("squadron.data.tokens.CHARACTERS_PER_CHUNK", 40)
    monkeypatch.setattr("squadron.data.tokens.MOST_REMEMBERED", 2)
    long = [f"the light {number} " * 9 for number in range(3)]
    remembered = {}
    tokenize(tiny.tokenizer, ["the light"] * 30, with_offsets=True, remembered=remembered)
    assert remembered == {}, "parts of short texts may have a little more than a chunk"
    for text in long:
        found = tokenize(tiny.tokenizer, [text], with_offsets=True, remembered=remembered)
        again = tokenize(tiny.tokenizer, [text], with_offsets=True, remembered=remembered)
        assert again.ids.tolist() == found.ids.tolist()
    assert list(remembered) == [(text,) for text in long[:2]]


def test_the_size_on_disk_does_not_grow_with_the_questions_of_one_context(wordpiece, tmp_path):
    context = "the older light was too weak to be seen. " * 500
    sizes = []
    for count in (1, 200):
        questions = [("who built the tower?", context, 4, 9)] * count
        table, counts = slide_windows(
            make_table(*questions), wordpiece.tokenizer, wordpiece.layout, Windows(64, 32, 16)
        )
        assert counts.windows > 200 * count
        write_windows(tmp_path / "w.arrow", table.table, about={})
        sizes.append((tmp_path / "w.arrow").stat().st_size)
    assert sizes[1] - sizes[0] < 200 * 300
