"""Kinds of wrong answers: a case of each, and by brute force that each has exactly one."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from squadron.answers.merging import find_by_hash
from squadron.artifacts import ERRORS, write_table
from squadron.config import Windows
from squadron.data.layout import read_layout
from squadron.data.windows import slide_windows
from squadron.scores.error_kinds import (
    EXCERPT_CHARACTERS,
    KINDS,
    cut_excerpt,
    errors_table,
    find_reached,
    loosely,
    sample_file,
    sample_rows,
    sort_errors,
)
from squadron.scores.evaluation import Questions
from squadron.scores.metrics import exact_match
from tests import tiny_models

CONTEXT = (
    "The old well\u2011known café cost €5. Ann Lee of the old town sold it to Mr Roy in 1906! "
    "Later the well known cafe burned down."
)


def place(text, after=0):
    start = CONTEXT.index(text, after)
    return start, start + len(text)


def kind(answer, *golds, reached=None):
    span = place(answer) if isinstance(answer, str) else answer
    wrong = not any(exact_match(CONTEXT[slice(*span)], CONTEXT[slice(*gold)]) for gold in golds)
    given = None if reached is None else [reached]
    (found,) = sort_errors([CONTEXT], [golds], [span], [wrong], given)
    return found


NONE = (-1, -1)


@pytest.mark.parametrize(
    ("answer", "golds", "expected"),
    [
        ("Ann", [], "should_have_abstained"),
        (NONE, ["Ann"], "should_have_answered"),
        ("well known cafe", ["well\u2011known café"], "normalisation_only"),
        ("€5.", ["€5"], ""),
        ("5", ["€5"], "normalisation_only"),
        ("the old town", ["old town"], ""),
        ("Ann Lee", ["Ann"], "boundary"),
        ("nn", ["Ann"], "boundary"),
        ("Lee of the old", ["Ann Lee"], "right_sentence"),
        ("Lee of the", ["Ann Lee"], "boundary"),
        ("Mr Roy", ["Ann"], "right_sentence"),
        ("€5", ["Ann"], "wrong_place"),
        ("burned", ["1906"], "wrong_place"),
        ("burned", ["1906", "down"], "right_sentence"),
    ],
)
def test_each_kind(answer, golds, expected):
    assert kind(answer, *(place(gold) for gold in golds)) == expected


def test_a_window_that_missed_the_answer_comes_before_what_was_answered():
    assert kind(NONE, place("Ann"), reached=False) == "window_missed_the_answer"
    assert kind("Ann Lee", place("Ann"), reached=False) == "window_missed_the_answer"
    assert kind("Ann", reached=False) == "should_have_abstained"
    assert kind("Ann", place("Ann"), reached=False) == ""


def test_letters_and_digits_are_what_is_compared_loosely():
    assert loosely("The ﬁrst — Ｅuro-zone’s €1,000") == loosely("first eurozones 1000")
    assert loosely("a an the") == loosely("…") == ""
    assert loosely("Anna") != loosely("Ann")


spans = st.tuples(st.integers(0, 39), st.integers(1, 12)).map(lambda p: (p[0], p[0] + p[1]))


@given(
    context=st.text("ab. \né-", min_size=52, max_size=52),
    golds=st.lists(spans, max_size=3),
    answer=st.none() | spans,
    reached=st.none() | st.booleans(),
)
def test_each_wrong_answer_has_exactly_one_kind_and_right_ones_none(
    context, golds, answer, reached
):
    span = answer or NONE
    text = context[slice(*span)] if answer else ""
    texts = [context[slice(*gold)] for gold in golds] or [""]
    wrong = not any(exact_match(text, gold) for gold in texts)
    (found,) = sort_errors(
        [context], [golds], [span], [wrong], None if reached is None else [reached]
    )
    assert (found in KINDS) == wrong
    if not wrong:
        assert found == ""
        return
    # The definitions once more, each by itself and in the slowest way.
    ends = [0]
    for n, letter in enumerate(context):
        if letter == "\n" or (letter == "." and context[n + 1 : n + 2].isspace()):
            ends.append(n + 1)
    ends.append(len(context))

    def shares(one, other):
        return bool(set(range(*one)) & set(range(*other)))

    def sentence(gold):
        return max(e for e in ends if e <= gold[0]), min(e for e in ends if e >= gold[1])

    def off(gold):
        pieces = [context[slice(*sorted(edges))] for edges in zip(span, gold, strict=True)]
        return sum(len(piece.split()) for piece in pieces)

    fits = {
        "should_have_abstained": not golds and bool(answer),
        "window_missed_the_answer": bool(golds) and reached is False,
        "should_have_answered": bool(golds) and not answer,
        "normalisation_only": bool(golds and loosely(text))
        and loosely(text) in map(loosely, texts),
        "boundary": any(shares(span, gold) and off(gold) <= 3 for gold in golds),
        "right_sentence": any(shares(span, sentence(gold)) for gold in golds),
        "wrong_place": True,
    }
    assert list(fits) == list(KINDS)
    assert found == next(name for name, fit in fits.items() if fit)


@given(
    length=st.integers(1, 900),
    answer=st.none() | st.tuples(st.integers(0, 899), st.integers(1, 40)),
    gold=st.none() | st.tuples(st.integers(0, 899), st.integers(1, 40)),
)
def test_an_excerpt_holds_both_answers_and_what_is_around_them(length, answer, gold):
    context = "".join(chr(0x4E00 + n) for n in range(length))
    chosen = [
        (min(s[0], length - 1), min(s[0] + s[1], length)) if s else NONE for s in (answer, gold)
    ]
    text, *moved = cut_excerpt(context, *chosen)
    for span, (start, end) in zip(chosen, moved, strict=True):
        if span == NONE:
            assert (start, end) == NONE
            continue
        assert text[start:end] == context[slice(*span)]
        before = context[max(0, span[0] - EXCERPT_CHARACTERS) : span[0]]
        assert text[:start].endswith(before)
        assert text[end:].startswith(context[span[1] : span[1] + EXCERPT_CHARACTERS])
    assert len(text) <= 4 * EXCERPT_CHARACTERS + 2 * 40 + 3
    assert all(piece in context for piece in text.split(" … "))


def test_what_windows_reach_is_where_windowing_found_the_answer(tmp_path):
    from squadron.models import backbones

    questions = [*tiny_models.EIGHT_QUESTIONS, *tiny_models.UNANSWERED]
    # One answer longer than any window.
    questions.append(("What of the tram?", tiny_models.TRAM, tiny_models.TRAM[8:]))
    table = tiny_models.make_examples(questions)
    tokenizer = backbones.load_tokenizer(tiny_models.write_backbone(tmp_path / "backbone"))
    bare = backbones.bare_tokenizer(tokenizer)
    layout = read_layout(bare, tokenizer.pad_token_id)
    rows, _ = slide_windows(table, bare, layout, Windows(32, 8, max_question_length=12))
    found = Questions.read(table)
    counts = np.array([len(some) for some in found.golds])
    order = np.random.default_rng(0).permutation(len(rows))
    extents = rows.extents().take(order)
    find_numbers = find_by_hash(found.ids)
    reached = find_reached([extents], find_numbers, found.gold_spans, counts)
    parts = [extents.slice(0, 5), extents.slice(5)]
    again = find_reached(parts, find_numbers, found.gold_spans, counts)
    assert again.tolist() == reached.tolist()
    held = {r["example_id"] for r in rows.to_pylist() if r["start_token"]}
    assert reached.tolist() == [name in held for name in found.ids]
    assert 0 < reached.sum() < (counts > 0).sum()
    for row, extent in zip(rows.to_pylist(), rows.extents().to_pylist(), strict=True):
        assert (extent["start_char"], extent["end_char"]) == (
            row["start_chars"][0],
            row["end_chars"][-1],
        )
    # A second gold answer that a window holds is enough.
    both = np.concatenate([found.gold_spans[-1:], [[0, 4]]])
    last = find_by_hash(found.ids[-1:])
    assert not find_reached([extents], last, both[:1], np.array([1]))[0]
    assert find_reached([extents], last, both, np.array([2]))[0]


def test_the_table_has_a_row_per_wrong_answer_with_the_nearest_gold_answer():
    table = tiny_models.make_examples(
        [("Who?", CONTEXT, "Ann"), ("Who sold?", CONTEXT, "Ann"), ("When?", CONTEXT, "")]
    )
    spans = [place("Ann"), place("Mr Roy"), NONE]
    kinds = sort_errors([CONTEXT] * 3, [[place("Ann")], [place("Ann")], []], spans, [0, 1, 0])
    (row,) = errors_table(table, spans, np.array([1.0, 2.5, -np.inf]), kinds).to_pylist()
    assert row["id"] == "q1"
    assert (row["answer"], row["golds"], row["score"]) == ("Mr Roy", ["Ann"], 2.5)
    assert row["excerpt"][row["answer_start"] : row["answer_end"]] == "Mr Roy"
    assert row["excerpt"][row["gold_start"] : row["gold_end"]] == "Ann"


def test_where_all_is_right_the_table_is_empty():
    table = tiny_models.make_examples(tiny_models.EIGHT_QUESTIONS[:2])
    found = errors_table(table, [(-1, -1)] * 2, np.ones(2), ["", ""])
    assert (found.num_rows, found.schema) == (0, ERRORS)
    assert sample_rows(found, 5) == []


@pytest.mark.parametrize("count", [0, 1, 7, 30])
def test_a_sample_of_a_file_is_that_of_its_table(tmp_path, monkeypatch, count):
    monkeypatch.setattr("squadron.artifacts.tables.PART_ROWS", 4)
    row = dict.fromkeys(ERRORS.names) | {"golds": [], "kind": "boundary"}
    table = pa.Table.from_pylist([{**row, "id": f"q{n}"} for n in range(count)], schema=ERRORS)
    write_table(tmp_path / "e.parquet", table, schema="errors/1", made_from="m")
    assert sample_file(tmp_path / "e.parquet", 10) == sample_rows(table, 10)


@given(count=st.integers(0, 40), limit=st.integers(1, 20))
def test_a_sample_is_spread_and_has_no_row_twice(count, limit):
    rows = sample_rows(pa.table({"n": pa.array(range(count), pa.int64())}), limit)
    numbers = [row["n"] for row in rows]
    assert len(numbers) == min(count, limit)
    assert numbers == sorted(set(numbers))
    if count > 1 and limit > 1:
        assert (numbers[0], numbers[-1]) == (0, count - 1)
