"""What each window of a question gave: ties, windows without spans, and rows for JSON."""

import json
import math

import pyarrow as pa
import pytest

from squadron.answers.explanation import AttendedWord, WindowReading, as_rows, explain_windows
from squadron.answers.ranking import rank_candidates
from squadron.artifacts import CANDIDATES, EXTENTS
from squadron.config import ANSWER_RULES

CONTEXT = "abcdefghij"


def make_extents(*rows):
    return pa.table(list(zip(*rows, strict=True)), schema=EXTENTS)


def make_candidates(*rows):
    columns = [list(column) for column in zip(*rows, strict=True)]
    columns.insert(2, [0] * len(rows))
    return pa.table(columns, schema=CANDIDATES)


EXTENT_ROWS = make_extents(("a", 0, 0, 6), ("a", 1, 3, 9), ("a", 2, 8, 10), ("b", 0, 0, 10))


@pytest.mark.parametrize("rule", ANSWER_RULES)
def test_of_windows_with_the_same_best_span_the_first_is_marked_as_ranking_does(rule):
    candidates = make_candidates(
        ("a", 0, 4, 6, 2.0, 1.0),
        ("a", 0, 0, 2, 1.0, 1.0),
        ("a", 1, 5, 6, 2.0, 1.0),
        ("a", 1, 4, 6, 2.0, 1.0),
    )
    first, second = explain_windows(
        EXTENT_ROWS, [candidates], [CONTEXT, CONTEXT], ["a", "b"], rule, None
    )
    assert [window.is_best for window in first] == [True, False, False]
    assert [window.text for window in first] == ["ef", "ef", ""]
    assert [(window.start_char, window.end_char) for window in first] == [(0, 6), (3, 9), (8, 10)]
    ranked = rank_candidates(candidates, ["a", "b"], rule)
    assert ranked.best_span()[0].tolist() == [4, 6]
    (empty,) = second
    assert (empty.text, empty.score, empty.null_score, empty.is_best) == (
        "",
        -math.inf,
        None,
        False,
    )


def test_the_rule_decides_which_window_is_best():
    candidates = make_candidates(("a", 0, 0, 2, 3.0, -5.0), ("a", 1, 4, 6, 1.0, 2.0))
    for rule, best, scores in (("window", 0, [3.0, 1.0]), ("lowest_null", 1, [3.0, 8.0])):
        windows, _ = explain_windows(
            EXTENT_ROWS, [candidates], [CONTEXT, CONTEXT], ["a", "b"], rule, None
        )
        assert [window.score for window in windows[:2]] == scores
        assert windows[best].is_best
        assert [window.null_score for window in windows] == [-5.0, 2.0, None]


def test_rows_count_characters_of_the_document():
    word = AttendedWord("ef", 4, 6, 0.5)
    windows = (
        WindowReading(3, 9, "ef", 4, 6, 2.0, 0.5, 1.0, True, (word,)),
        WindowReading(8, 10, "", -1, -1, -math.inf, 0.0, None, False),
    )
    rows = json.loads(json.dumps(as_rows(windows, 100), allow_nan=False))
    assert [rows[0][name] for name in ("start_char", "end_char")] == [103, 109]
    assert [rows[0][name] for name in ("text_start_char", "text_end_char")] == [104, 106]
    assert rows[0]["attended"] == [
        {"text": "ef", "start_char": 104, "end_char": 106, "weight": 0.5}
    ]
    assert [rows[1][name] for name in ("text_start_char", "score", "attended")] == [-1, None, []]
