import numpy as np
import pyarrow as pa
import pytest

from squadron.artifacts import OPEN_ANSWERS
from squadron.scores.evaluation import Questions
from squadron.scores.open_domain import (
    MethodFigures,
    OpenDomain,
    OpenSplit,
    Recall,
    SearchedIndex,
    SearchedSplit,
)
from squadron.scores.open_scores import measure_methods, measure_scores, score_answers

QUESTIONS = Questions(
    ids=["a", "b", "c"],
    contexts=["x", "x", "y"],
    titles=["T", "T", "U"],
    golds=[["1820"], ["Ann Lee", "Lee"], []],
    has_answer=np.array([True, True, False]),
    gold_spans=np.zeros((3, 2), np.int64),
    rule="v2",
)


def answers(method: str, *rows: tuple[str, str, bool]) -> list[dict[str, object]]:
    empty = dict.fromkeys(OPEN_ANSWERS.names)
    return [
        {**empty, "method": method, "id": name, "answer": text, "is_right": right}
        for name, text, right in rows
    ]


def table(rows: list[dict[str, object]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=OPEN_ANSWERS)


BM25 = answers("bm25", ("a", "in 1820", True), ("b", "the Lee", True), ("c", "", False))
HYBRID = answers("hybrid", ("a", "1820", True), ("b", "", False), ("c", "1820", False))
SCORED = score_answers(table([*BM25, *HYBRID]), QUESTIONS)


def test_answers_get_the_official_scores_of_their_own_question() -> None:
    assert SCORED.schema == OPEN_ANSWERS
    assert SCORED["exact_match"].to_pylist() == [0.0, 1.0, 1.0, 1.0, 0.0, 0.0]
    assert SCORED["f1"].to_pylist() == pytest.approx([2 / 3, 1.0, 1.0, 1.0, 0.0, 0.0])


def test_each_method_has_its_own_figures() -> None:
    measured = measure_methods(SCORED, QUESTIONS)
    assert list(measured) == ["bm25", "hybrid"]
    assert measured["bm25"].exact_match == pytest.approx(200 / 3)
    assert measured["hybrid"].f1 == pytest.approx(100 / 3)
    # The question without an answer has no right passage and does not count.
    assert [each.right_passage for each in measured.values()] == [100.0, 50.0]
    for each in measured.values():
        assert each.exact_match_low is not None
        assert each.exact_match_high is not None
        assert each.exact_match_low < each.exact_match < each.exact_match_high


def test_scores_of_other_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="not of these questions"):
        measure_scores(SCORED.slice(1, 3), QUESTIONS)


def test_mlflow_gets_every_known_figure_under_its_split_and_search() -> None:
    searched = SearchedSplit(3, 2, 2, {"hybrid": Recall(50.0, 100.0, None)})
    split = OpenSplit(searched, MethodFigures(60.0, 70.0), {"hybrid": MethodFigures(1.0, 2.0, 3.0)})
    known = OpenDomain(SearchedIndex("d", 1, 2, "e"), {"test": split}).flat()
    assert known == {
        "test_open_given_exact_match": 60.0,
        "test_open_given_f1": 70.0,
        "test_open_hybrid_exact_match": 1.0,
        "test_open_hybrid_f1": 2.0,
        "test_open_hybrid_right_passage": 3.0,
        "test_open_hybrid_recall_at_1": 50.0,
        "test_open_hybrid_recall_at_5": 100.0,
    }
