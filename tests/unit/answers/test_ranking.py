import itertools
import random
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from squadron.answers.merging import find_by_hash
from squadron.answers.ranking import (
    RankedFile,
    all_texts,
    apply_threshold,
    best_texts,
    find_threshold,
    list_best,
    null_odds,
    rank_candidates,
    rank_parts,
)
from squadron.artifacts import CANDIDATES
from squadron.config import ANSWER_RULES
from tests.effort import draws

pytestmark = pytest.mark.filterwarnings("error")
THOROUGH = settings(max_examples=draws(100), deadline=None)

# Few values, so that ties are common; and scores close to each other.
SCORES = st.one_of(
    st.integers(-3, 3).map(float),
    st.floats(-50, 50, width=32),
    st.sampled_from([1.0, float(np.nextafter(np.float32(1), np.float32(2)))]),
)
QUESTIONS = ["a", "b", "c", "d"]
ROWS = st.lists(
    st.tuples(
        st.sampled_from([*QUESTIONS, "unknown"]), st.integers(0, 5), st.integers(1, 4), SCORES
    ).map(lambda row: (row[0], row[1], row[1] + row[2], row[3])),
    max_size=25,
)
CONTEXT = "naïve 😀 text"


def make_candidates(rows):
    """From (example id, start_char, end_char, score)."""
    records = [
        {
            "example_id": name,
            "window": number,
            "rank": 0,
            "start_char": start,
            "end_char": end,
            "score": score,
            "null_score": 0.0,
        }
        for number, (name, start, end, score) in enumerate(rows)
    ]
    return pa.Table.from_pylist(records, schema=CANDIDATES)


def plain_ranking(rows, ids):
    """Merged and sorted one by one."""
    lists = []
    for name in ids:
        best = {}
        for owner, start, end, score in rows:
            if owner == name:
                best[start, end] = max(score, best.get((start, end), score))
        lists.append(sorted((-score, start, end) for (start, end), score in best.items()))
    return [[(start, end, -score) for score, start, end in ranked] for ranked in lists]


def as_lists(ranked):
    rows = list(
        zip(
            ranked.start_char.tolist(), ranked.end_char.tolist(), ranked.score.tolist(), strict=True
        )
    )
    return [rows[a:b] for a, b in zip(ranked.edges[:-1], ranked.edges[1:], strict=True)]


@THOROUGH
@given(ROWS, st.permutations(QUESTIONS))
@example([], QUESTIONS)
@example([("unknown", 0, 1, 1.0)], QUESTIONS)
@example([("a", 0, 1, 1.0), ("a", 0, 1, 2.0), ("a", 0, 2, 2.0), ("b", 0, 1, 1.0)], QUESTIONS)
def test_ranking_equals_merging_and_sorting_one_by_one(rows, ids):
    ranked = rank_candidates(make_candidates(rows), ids)
    assert as_lists(ranked) == plain_ranking(rows, ids)
    best = [some[0][2] if some else -np.inf for some in plain_ranking(rows, ids)]
    assert ranked.best_score().tolist() == best


@THOROUGH
@given(ROWS)
def test_no_span_stands_twice_in_a_ranking(rows):
    for some in as_lists(rank_candidates(make_candidates(rows), QUESTIONS)):
        spans = [(start, end) for start, end, _ in some]
        assert len(spans) == len(set(spans))


@THOROUGH
@given(ROWS, st.lists(st.integers(0, 25)), st.sampled_from(ANSWER_RULES), st.booleans())
def test_parts_give_what_all_together_give(rows, cuts, rule, encoded):
    rows.sort(key=lambda row: QUESTIONS.index(row[0]) if row[0] in QUESTIONS else 2.5)
    table = make_candidates(rows)
    nulls = pa.array([(7 * number) % 5 for number in range(len(rows))], pa.float32())
    table = table.set_column(6, "null_score", nulls)
    expected = as_lists(rank_candidates(table, QUESTIONS, rule))
    if encoded:
        ids = table["example_id"].combine_chunks().dictionary_encode()
        table = table.set_column(0, "example_id", ids)
    edges = [0, *sorted(min(cut, len(rows)) for cut in cuts), len(rows)]
    parts = [table.slice(a, b - a) for a, b in itertools.pairwise(edges)]
    assert as_lists(rank_parts(iter(parts), QUESTIONS, rule)) == expected
    # And questions in another order than the parts.
    assert as_lists(rank_parts(parts, QUESTIONS[::-1], rule)) == expected[::-1]


@settings(max_examples=draws(60), deadline=None)
@given(ROWS, st.lists(st.integers(0, 40), max_size=4), st.integers(1, 3))
def test_a_file_of_ranked_candidates_has_those_of_any_questions(rows, cuts, size):
    table = make_candidates(sorted(rows, key=lambda row: row[0]))
    bounds = [0, *sorted(min(cut, len(table)) for cut in cuts), len(table)]
    parts = [table.slice(a, b - a) for a, b in itertools.pairwise(bounds)]
    expected = as_lists(rank_candidates(table, QUESTIONS))
    with tempfile.TemporaryDirectory() as folder:
        # The questions are in another order than their candidates, too.
        for ids, wanted in ((QUESTIONS, expected), (QUESTIONS[::-1], expected[::-1])):
            ranked = RankedFile(parts, find_by_hash(ids), len(ids), "window", Path(folder))
            found = [
                some
                for first in range(0, len(ids), size)
                for some in as_lists(ranked.read(first, first + size))
            ]
            assert found == wanted
        assert list(Path(folder).iterdir()) == []


def test_an_id_that_is_there_twice_is_refused():
    assert find_by_hash(["a", "b"])(["b", "else", "a"]).tolist() == [1, -1, 0]
    assert find_by_hash([])(["b"]).tolist() == [-1]
    with pytest.raises(ValueError, match="twice"):
        find_by_hash(["a", "b", "a"])


def test_a_question_that_comes_back_after_others_is_refused():
    table = make_candidates([(name, 0, 1, 1.0) for name in "aaba"])
    parts = [table.slice(row, 1) for row in range(4)]
    assert as_lists(rank_parts(parts[:3], QUESTIONS))[0] == [(0, 1, 1.0)]
    with pytest.raises(ValueError, match="no neighbours"):
        rank_parts(parts, QUESTIONS)


def test_spans_at_the_end_of_the_longest_possible_context_are_told_apart():
    far = 2**31 - 10
    rows = [(name, far + n % 3, far + 5, float(n)) for n in range(6) for name in QUESTIONS]
    expected = [[(far + 2, far + 5, 5.0), (far + 1, far + 5, 4.0), (far, far + 5, 3.0)]] * 4
    assert as_lists(rank_candidates(make_candidates(rows), QUESTIONS)) == expected


@THOROUGH
@given(ROWS, st.randoms(use_true_random=False), st.integers(0, 25))
def test_the_order_of_windows_and_the_chunks_of_the_table_change_nothing(rows, shuffler, cut):
    table = make_candidates(rows)
    expected = as_lists(rank_candidates(table, QUESTIONS))
    shuffled = list(rows)
    shuffler.shuffle(shuffled)
    assert as_lists(rank_candidates(make_candidates(shuffled), QUESTIONS)) == expected
    pieces = pa.concat_tables([table.slice(cut), table.slice(0, cut)])
    assert as_lists(rank_candidates(pieces, QUESTIONS)) == expected


def test_ties_go_to_the_earlier_and_then_to_the_shorter_span():
    rows = [("a", 4, 5, 1.0), ("a", 2, 9, 1.0), ("a", 2, 3, 1.0), ("a", 0, 1, 0.5)]
    ranked = rank_candidates(make_candidates(rows), ["a"])
    assert as_lists(ranked) == [[(2, 3, 1.0), (2, 9, 1.0), (4, 5, 1.0), (0, 1, 0.5)]]


def test_equal_spans_of_overlapping_windows_leave_room_for_others():
    # Ten windows that agree on the best span once gave ten copies of one answer.
    rows = [("a", 0, 2, float(n)) for n in range(10)] + [("a", 3, 5, -1.0)]
    ranked = rank_candidates(make_candidates(rows), ["a"])
    assert [r["text"] for r in next(list_best(ranked, [CONTEXT], n_best=2))] == ["na", "ve"]


def test_no_questions_have_an_empty_ranking():
    ranked = rank_candidates(make_candidates([("a", 0, 1, 1.0)]), [])
    assert ranked.edges.tolist() == [0]
    assert best_texts(ranked, []) == []
    assert ranked.best_score().tolist() == []


def test_the_best_text_is_cut_by_characters_and_empty_without_candidates():
    rows = [("c", 6, 7, 1.0), ("a", 0, 5, -3.0), ("a", 0, 2, -4.0)]
    ranked = rank_candidates(make_candidates(rows), ["a", "b", "c"])
    assert best_texts(ranked, [CONTEXT] * 3) == ["naïve", "", "😀"]


@THOROUGH
@given(ROWS, st.integers(1, 6))
def test_the_n_best_are_the_first_of_the_ranking(rows, n_best):
    ranked = rank_candidates(make_candidates(rows), QUESTIONS)
    found = list(list_best(ranked, [CONTEXT] * len(QUESTIONS), n_best))
    assert found == [
        [
            {"text": CONTEXT[start:end], "start_char": start, "end_char": end, "score": score}
            for start, end, score in some[:n_best]
        ]
        for some in plain_ranking(rows, QUESTIONS)
    ]
    texts = best_texts(ranked, [CONTEXT] * len(QUESTIONS))
    assert texts == [some[0]["text"] if some else "" for some in found]
    everything = list_best(ranked, [CONTEXT] * len(QUESTIONS), len(rows))
    texts = all_texts(ranked, [CONTEXT] * len(QUESTIONS))
    assert list(texts) == [[row["text"] for row in some] for some in everything]


@st.composite
def judged_questions(draw):
    """best_score, exact and has_answer, as evaluation makes them."""
    size = draw(st.integers(1, 12))
    has_answer = np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)))
    score = np.array(
        draw(st.lists(SCORES | st.just(-np.inf), min_size=size, max_size=size)), np.float64
    )
    right = np.array(draw(st.lists(st.booleans(), min_size=size, max_size=size)))
    # Without a candidate the answer is "", which is right where there is no answer; a text is
    # wrong there.
    exact = np.where(np.isinf(score), ~has_answer, right & has_answer).astype(np.float64)
    return score, exact, has_answer


def exact_match_at(threshold, score, exact, has_answer):
    """EM and the number of answered questions, by the code that applies a threshold."""
    texts = ["" if np.isinf(s) else "text" for s in score]
    chosen = apply_threshold(texts, score, threshold)
    right = [e if text else float(not h) for text, e, h in zip(chosen, exact, has_answer, strict=1)]
    return sum(right), sum(map(bool, chosen))


@settings(max_examples=draws(250), deadline=None)
@given(judged_questions())
@example((np.array([-5.0, -np.inf]), np.array([1.0, 1.0]), np.array([True, False])))
@example((np.array([-np.inf]), np.array([1.0]), np.array([False])))
def test_no_threshold_is_better_than_the_one_found(judged):
    score, exact, has_answer = judged
    found = find_threshold(score, exact, has_answer)
    if has_answer.all():
        assert found is None
        return
    finite = np.unique(score[np.isfinite(score)])
    everything = [*finite, -1e9, 1e9]  # a question is answered above the threshold only
    results = [exact_match_at(t, *judged) for t in everything]
    assert isinstance(found, float)
    assert np.isfinite(found)
    # The highest EM, and of those the most answers.
    assert exact_match_at(found, *judged) == max(results)


def test_a_threshold_lies_half_way_between_two_scores():
    score = np.array([3.0, 1.0, 2.0])
    exact = np.array([1.0, 0.0, 0.0])
    assert find_threshold(score, exact, np.array([True, False, False])) == 2.5


def test_neighbouring_scores_are_told_apart():
    low = 0.1
    high = float(np.nextafter(low, 1))
    judged = np.array([high, low]), np.array([1.0, 0.0]), np.array([True, False])
    threshold = find_threshold(*judged)
    assert apply_threshold(["yes", "no"], judged[0], threshold) == ["yes", ""]


def test_the_threshold_of_a_model_that_knows_nothing_answers_nothing():
    score = np.array([3.0, 1.0])
    threshold = find_threshold(score, np.zeros(2), np.array([False, True]))
    assert apply_threshold(["x", "y"], score, threshold) == ["", ""]


def test_a_question_without_candidates_does_not_move_the_threshold():
    # It once set the threshold to -1, above the score of a right answer.
    score = np.array([-5.0, -np.inf])
    threshold = find_threshold(score, np.array([1.0, 1.0]), np.array([True, False]))
    assert apply_threshold(["right", ""], score, threshold) == ["right", ""]


def test_every_question_is_answered_where_all_have_an_answer():
    score = np.array([1.0, -4.0])
    assert find_threshold(score, np.array([1.0, 0.0]), np.array([True, True])) is None
    assert apply_threshold(["x", "y"], score, None) == ["x", "y"]


def test_a_score_equal_to_the_threshold_is_not_an_answer():
    assert apply_threshold(["x", "y"], np.array([1.0, 1.5]), 1.0) == ["", "y"]


@THOROUGH
@given(st.lists(SCORES, max_size=10), SCORES, SCORES)
def test_raising_the_threshold_only_turns_answers_into_nothing(scores, one, other):
    texts = [f"text {n}" for n in range(len(scores))]
    low = apply_threshold(texts, np.array(scores), min(one, other))
    high = apply_threshold(texts, np.array(scores), max(one, other))
    for text, before, after in zip(texts, low, high, strict=True):
        assert before in (text, "")
        assert after in (before, "")


@THOROUGH
@given(st.lists(SCORES | st.just(-np.inf), min_size=1, max_size=10), SCORES)
def test_null_odds_below_minus_the_threshold_are_answered(scores, threshold):
    scores = np.array(scores)
    odds = null_odds(scores)
    assert np.isfinite(odds).all()
    chosen = apply_threshold(["text"] * len(scores), scores, threshold)
    assert ["text" if each < -threshold else "" for each in odds] == chosen


@settings(max_examples=draws(250), deadline=None)
@given(judged_questions(), st.data())
def test_the_threshold_of_f1_is_the_best_of_all(judged, data):
    score, exact, has_answer = judged
    parts = data.draw(st.lists(st.floats(0, 1), min_size=len(score), max_size=len(score)))
    f1 = np.where(has_answer & np.isfinite(score), parts, exact)
    found = find_threshold(score, f1, has_answer)
    if has_answer.all():
        assert found is None
        return
    everything = [*np.unique(score[np.isfinite(score)]), -1e9, 1e9]
    best = max(exact_match_at(t, score, f1, has_answer)[0] for t in everything)
    assert exact_match_at(found, score, f1, has_answer)[0] == pytest.approx(best)


@THOROUGH
@given(
    st.lists(
        st.tuples(
            st.sampled_from([*QUESTIONS, "unknown"]),
            st.integers(0, 2),
            st.integers(0, 5),
            st.integers(1, 4),
            st.integers(-3, 3),
        ),
        max_size=25,
    ),
    st.lists(st.integers(-9, 9), min_size=15, max_size=15),
)
def test_by_the_lowest_null_windows_compare_by_their_summed_logits(rows, nulls):
    null = {(name, w): nulls[3 * n + w] for n, name in enumerate([*QUESTIONS, "unknown"])
            for w in range(3)}  # fmt: skip
    records, plain = [], []
    for name, window, start, length, score in rows:
        record = {"example_id": name, "window": window, "rank": 0, "score": score}
        record |= {"start_char": start, "end_char": start + length}
        records.append(record | {"null_score": null[name, window]})
        lowest = min(null[name, w] for other, w, *_ in rows if other == name)
        plain.append((name, start, start + length, score + null[name, window] - lowest))
    # A window has a span once.
    unique = {(r["example_id"], r["window"], r["start_char"], r["end_char"]) for r in records}
    if len(unique) < len(records):
        return
    table = pa.Table.from_pylist(records, schema=CANDIDATES)
    ranked = rank_candidates(table, QUESTIONS, "lowest_null")
    assert as_lists(ranked) == plain_ranking(plain, QUESTIONS)


def test_a_confident_window_cannot_hide_behind_a_weak_null_of_its_own():
    # Window 0 has the higher log-odds, window 1 the higher logits.
    rows = [
        {"window": 0, "start_char": 0, "end_char": 1, "score": 3.0, "null_score": -4.0},
        {"window": 1, "start_char": 2, "end_char": 3, "score": 1.0, "null_score": 2.0},
    ]
    rows = [{"example_id": "a", "rank": 0, **row} for row in rows]
    table = pa.Table.from_pylist(rows, schema=CANDIDATES)
    assert as_lists(rank_candidates(table, ["a"])) == [[(0, 1, 3.0), (2, 3, 1.0)]]
    found = rank_candidates(table, ["a"], "lowest_null")
    assert as_lists(found) == [[(2, 3, 7.0), (0, 1, 3.0)]]
    with pytest.raises(ValueError, match="rule is 'both'; it must be one of"):
        rank_candidates(table, ["a"], "both")


def test_a_large_ranking_equals_the_plain_one():
    draw = random.Random(7)
    ids = [f"q{n}" for n in range(300)]
    rows = []
    for _ in range(5_000):
        start = draw.randrange(40)
        score = float(np.float32(draw.uniform(-9, 9)))
        rows.append((draw.choice(ids), start, start + draw.randrange(1, 9), score))
    assert as_lists(rank_candidates(make_candidates(rows), ids)) == plain_ranking(rows, ids)
