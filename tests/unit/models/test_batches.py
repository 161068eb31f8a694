import itertools

import numpy as np
import pyarrow as pa
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from squadron.artifacts import WINDOWS, read_windows, write_windows
from squadron.data.layout import Layout
from squadron.data.window_table import WindowTable
from squadron.models.backbones import bare_tokenizer, load_tokenizer
from squadron.models.batches import (
    FIELDS,
    LENGTH_MULTIPLE,
    POOL_BATCHES,
    SMALL_POOLS,
    WindowSet,
    group_by_length,
)
from tests import tiny_models
from tests.effort import draws

LAYOUT = Layout((101,), (102,), (102,), question_type=3, context_type=5, pad_id=7)


def make_window(number, question_length, context_length):
    ids = 1_000 * (number + 1) + np.arange(3 + question_length + context_length)
    start = 2 + question_length
    ids[[0, start - 1, -1]] = [101, 102, 102]  # the special tokens of LAYOUT
    return {
        "example_id": f"q{number}",
        "window": 0,
        "input_ids": ids.tolist(),
        "start_chars": list(range(context_length)),
        "end_chars": list(range(1, context_length + 1)),
        "context_start": start,
        "context_end": start + context_length - 1,
        "start_token": start if number % 2 and context_length else 0,
        "end_token": start + context_length - 1 if number % 2 and context_length else 0,
        "reasoning_type": number % 4 - 1,
    }


def make_table(sizes):
    """One window per (question tokens, context tokens), each with a context of its own."""
    rows = [make_window(number, *size) for number, size in enumerate(sizes)]
    examples, contexts = [], []
    for row, (question_length, context_length) in zip(rows, sizes, strict=True):
        first = row["context_start"]
        labels = {name: row[name] for name in ("window", "start_token", "end_token")}
        examples.append(
            {
                "example_id": row["example_id"],
                "question_ids": row["input_ids"][1 : 1 + question_length],
                "room": 100,
                "step": 10,
                "windows": 1,
                "labels": [labels] if row["start_token"] else [],
                "reasoning_type": row["reasoning_type"],
            }
        )
        tokens = {name: row[name] for name in ("start_chars", "end_chars")}
        contexts.append({"input_ids": row["input_ids"][first : first + context_length], **tokens})
    place = WINDOWS.get_field_index("context")
    context = pa.DictionaryArray.from_arrays(
        pa.array(range(len(rows)), pa.int32()),
        pa.array(contexts, WINDOWS.field("context").type.value_type),
    )
    table = pa.Table.from_pylist(examples, schema=WINDOWS.remove(place))
    return WindowTable(table.add_column(place, WINDOWS.field("context"), context), LAYOUT)


window_sizes = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 70)), min_size=1, max_size=12)


@settings(deadline=None, max_examples=draws(60))
@given(window_sizes, st.data())
def test_a_batch_holds_the_windows_asked_for_padded_to_the_rounded_longest(sizes, data):
    table = make_table(sizes)
    rows = data.draw(st.lists(st.integers(0, len(sizes) - 1), min_size=1, max_size=8))
    skipped = data.draw(st.integers(0, min(rows)))

    batch = WindowSet(table.slice(skipped), LAYOUT).collate([row - skipped for row in rows])

    wanted = [make_window(row, *sizes[row]) for row in rows]
    width = max(len(row["input_ids"]) for row in wanted)
    width = LENGTH_MULTIPLE * ((width + LENGTH_MULTIPLE - 1) // LENGTH_MULTIPLE)
    for place, row in enumerate(wanted):
        length, start = len(row["input_ids"]), row["context_start"]
        padding = width - length
        assert batch.input_ids_BT[place].tolist() == row["input_ids"] + [7] * padding
        assert batch.attention_mask_BT[place].tolist() == [1] * length + [0] * padding
        types = [3] * start + [5] * (length - start) + [0] * padding
        assert batch.token_type_ids_BT[place].tolist() == types
        inside = [
            position == 0 or start <= position <= row["context_end"] for position in range(width)
        ]
        assert batch.answer_mask_BT()[place].tolist() == inside
        for name in FIELDS:
            assert int(getattr(batch, f"{name}_B")[place]) == row[name]
    assert {tensor.dtype for tensor in vars(batch).values()} == {torch.int64}


def test_a_batch_equals_what_the_tokenizer_gives_for_the_pair(tmp_path):
    backbone = tiny_models.write_backbone(tmp_path / "backbone")
    examples = tiny_models.make_examples(tiny_models.EIGHT_QUESTIONS)
    windows, layout = tiny_models.cut_windows(backbone, examples)
    tokenizer = bare_tokenizer(load_tokenizer(backbone))

    batch = WindowSet(windows, layout).collate(range(8))

    for row, (question, context, answer) in enumerate(tiny_models.EIGHT_QUESTIONS):
        pair = tokenizer.encode(question, context)
        length = len(pair.ids)
        assert batch.input_ids_BT[row, :length].tolist() == pair.ids
        assert batch.token_type_ids_BT[row, :length].tolist() == pair.type_ids
        padding = batch.input_ids_BT.shape[1] - length
        assert batch.attention_mask_BT[row].tolist() == [1] * length + [0] * padding
        first, last = int(batch.start_token_B[row]), int(batch.end_token_B[row])
        assert context[pair.offsets[first][0] : pair.offsets[last][1]] == answer


def test_windows_of_a_memory_mapped_file_give_the_same_batches(tmp_path):
    table = make_table([(n % 4, 3 * n) for n in range(20)])
    write_windows(tmp_path / "windows.arrow", table.table, about={})
    mapped = WindowTable(read_windows(tmp_path / "windows.arrow"), LAYOUT)

    ours, theirs = WindowSet(table, LAYOUT), WindowSet(mapped, LAYOUT)

    assert len(theirs) == 20
    assert theirs.lengths.tolist() == [3 + n % 4 + 3 * n for n in range(20)]
    rows = [19, 0, 7, 5, 6]
    for name, tensor in vars(ours.collate(rows)).items():
        assert torch.equal(tensor, getattr(theirs.collate(rows), name)), name


def test_no_windows_are_a_set_of_length_zero():
    windows = WindowSet(WindowTable(WINDOWS.empty_table(), LAYOUT), LAYOUT)
    assert len(windows) == 0
    assert windows.lengths.tolist() == []


@settings(deadline=None)
@given(window_sizes, st.integers(1, 600))
def test_parts_keep_the_order_and_respect_the_token_limit(sizes, token_limit):
    windows = WindowSet(make_table(sizes), LAYOUT)
    rows = list(range(len(sizes)))[::-1]

    parts = windows.parts(rows, token_limit)

    assert [row for part in parts for row in part] == rows
    for part in parts:
        assert len(part) == 1 or windows.collate(part).input_ids_BT.numel() <= token_limit
    assert max(map(len, parts)) - min(map(len, parts)) <= len(parts)
    fitting = max(1, token_limit // windows.collate(rows).input_ids_BT.shape[1])
    assert len(parts) == -(-len(rows) // fitting), "no more parts than needed"


def test_sixteen_windows_of_which_ten_fit_make_eight_and_eight():
    windows = WindowSet(make_table([(2, 20)] * 16), LAYOUT)
    assert [len(part) for part in windows.parts(range(16), 10 * 32)] == [8, 8]


@given(st.lists(st.integers(1, 400), max_size=300), st.integers(1, 16), st.integers(0, 2**63 - 1))
def test_groups_hold_every_window_once_and_only_one_group_is_smaller(lengths, batch_size, seed):
    groups = group_by_length(lengths, batch_size, seed)

    assert sorted(row for group in groups for row in group) == list(range(len(lengths)))
    smaller = [group for group in groups if len(group) != batch_size]
    assert len(groups) == -(-len(lengths) // batch_size)
    assert len(smaller) <= 1
    assert groups == group_by_length(np.array(lengths), batch_size, seed)


def test_groups_differ_from_seed_to_seed_and_come_in_no_order_of_length():
    lengths = np.random.default_rng(0).integers(20, 384, 5_000)
    groups = group_by_length(lengths, 16, seed=1)

    assert groups != group_by_length(lengths, 16, seed=2)
    assert {frozenset(g) for g in groups} != {
        frozenset(g) for g in group_by_length(lengths, 16, seed=2)
    }
    one_pool = group_by_length(lengths[: 16 * POOL_BATCHES], 16, seed=1)
    means = [lengths[group].mean() for group in one_pool]
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.3


def share_of_mates_that_meet_again(lengths, batch_size):
    def pairs(seed):
        groups = group_by_length(lengths, batch_size, seed)
        return {frozenset(p) for group in groups for p in itertools.combinations(group, 2)}

    first, second = pairs(1), pairs(2)
    return len(first & second) / len(first)


@pytest.mark.parametrize(("count", "limit"), [(1_000, 0.25), (200, 0.6)])
def test_windows_of_small_data_meet_others_in_every_epoch(count, limit):
    # Most lengths are between 100 and 250 tokens, as in SQuAD.
    lengths = np.random.default_rng(0).normal(170, 55, count).clip(40, 384).astype(int)
    assert share_of_mates_that_meet_again(lengths, 16) < limit


def test_mixing_costs_no_padding_beside_a_strict_sort_by_length():
    lengths = np.random.default_rng(0).integers(20, 384, 16 * POOL_BATCHES * SMALL_POOLS)

    def padded_tokens(group):
        return len(group) * -(-lengths[group].max() // LENGTH_MULTIPLE) * LENGTH_MULTIPLE

    groups = group_by_length(lengths, 16, seed=1)
    drawn = np.random.default_rng(1).permutation(len(lengths))
    pools = [drawn[i : i + 16 * POOL_BATCHES] for i in range(0, len(drawn), 16 * POOL_BATCHES)]
    rows = [row for pool in pools for row in pool[np.argsort(-lengths[pool])]]
    strict = [rows[i : i + 16] for i in range(0, len(rows), 16)]
    assert sum(map(padded_tokens, groups)) == sum(map(padded_tokens, strict))


@pytest.mark.parametrize("count", [0, 1])
def test_groups_of_next_to_nothing_are_next_to_nothing(count):
    assert group_by_length([5] * count, 4, seed=0) == [[0]] * count
