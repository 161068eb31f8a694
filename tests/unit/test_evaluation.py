"""A split judged from its candidates: every figure of the summary on a case made by hand."""

import json

import pyarrow as pa
import pytest

from squadron import scoring
from squadron.artifacts import CANDIDATES, EXAMPLES, SCORES
from squadron.evaluation import Questions, add_intervals, compare_with_winner, judge

CONTEXT = "Ann saw Ann Lee in the old town of Évora."


def make_examples(*golds):
    """One question per list of (text, start_char)."""
    rows = [
        {
            "id": f"q{number}",
            "title": "",
            "question": "Who?",
            "context": CONTEXT,
            "answers": [{"text": text, "start_char": start} for text, start in some],
            "reasoning_type": "",
        }
        for number, some in enumerate(golds)
    ]
    return pa.Table.from_pylist(rows, schema=EXAMPLES)


def make_candidates(*spans):
    """One candidate per question: (start_char, end_char, score), or None for no candidate."""
    rows = [
        {
            "example_id": f"q{number}",
            "window": 0,
            "rank": 0,
            "start_char": span[0],
            "end_char": span[1],
            "score": span[2],
            "null_score": 0.0,
        }
        for number, span in enumerate(spans)
        if span
    ]
    return pa.Table.from_pylist(rows, schema=CANDIDATES)


def test_the_summary_has_span_accuracy_precision_and_recall():
    examples = make_examples(
        [("Ann", 0)],  # the right text at the wrong place: exact, but no right span
        [("Lee", 12), ("Ann Lee", 8)],  # the second gold answer's edges
        [("old town of Évora", 23)],  # half of it
        [],  # rightly not answered
        [],  # wrongly answered
        [("Évora", 35)],  # wrongly not answered
    )
    candidates = make_candidates(
        (8, 11, 2.0), (8, 15, 2.0), (23, 31, 2.0), (0, 3, -1.0), (0, 3, 2.0), None
    )
    judged = judge(Questions.read(examples), [candidates], 0.0, search=False)
    assert judged.chosen == ["Ann", "Ann Lee", "old town", "", "Ann", ""]
    assert judged.summary["exact"] == pytest.approx(100 * 3 / 6)
    assert judged.summary["span_accuracy"] == pytest.approx(100 * 2 / 6)
    assert judged.summary["precision"] == pytest.approx(100 * (1 + 1 + 1 + 1 + 0 + 0) / 6)
    assert judged.summary["recall"] == pytest.approx(100 * (1 + 1 + 2 / 4 + 1 + 0 + 0) / 6)
    assert judged.summary["f1"] == pytest.approx(100 * (1 + 1 + 2 / 3 + 1 + 0 + 0) / 6)


def test_a_split_where_every_question_has_an_answer_is_judged_by_the_first_rule():
    judged = judge(
        Questions.read(make_examples([("Ann", 0)], [("Évora", 35)])),
        [make_candidates((0, 3, -9.0), (35, 40, 1.0))],
        None,
        search=True,
    )
    assert judged.null_threshold is None
    for name in ("exact", "span_accuracy", "precision", "recall"):
        assert judged.summary[name] == 100.0


def test_the_threshold_of_em_is_applied_and_that_of_f1_is_told_beside_it():
    # From the top: right, unanswerable, half right twice. EM stops after the first.
    examples = make_examples([("Ann", 0)], [], [("Ann Lee", 8)], [("Ann Lee", 8)])
    half = (8, 11, 1.0)
    candidates = make_candidates((0, 3, 4.0), (0, 3, 2.0), half, half)
    judged = judge(Questions.read(examples), [candidates], None, search=True)
    assert judged.null_thresholds == {"exact": 3.0, "f1": 0.0}
    assert judged.null_threshold == 3.0
    assert judged.chosen == ["Ann", "", "", ""]
    assert judged.best == ["Ann", "Ann", "Ann", "Ann"]
    fixed = judge(Questions.read(examples), [candidates], 0.0, search=False)
    assert (fixed.null_threshold, fixed.null_thresholds) == (0.0, {})


def test_where_nothing_is_answered_the_best_answers_have_an_f1_all_the_same():
    examples = make_examples([("Ann", 0)], [("old town of Évora", 23)], [], [], [])
    weak = make_candidates((0, 3, -2.0), (23, 31, -2.0), (0, 3, 2.0), (0, 3, 2.0), (0, 3, 2.0))
    judged = judge(Questions.read(examples), [weak], None, search=True)
    assert judged.chosen == [""] * 5
    assert judged.summary["answerable_f1"] == pytest.approx(100 * (1 + 2 / 3) / 2)
    again = judge(Questions.read(examples), [weak], judged.null_threshold, search=False)
    assert again.summary["answerable_f1"] == judged.summary["answerable_f1"]


def test_squadron_score_prints_the_official_figures_only(tmp_path):
    qas = [{"id": "q", "question": "Who?", "answers": [{"text": "Ann", "answer_start": 0}]}]
    data = {"data": [{"title": "T", "paragraphs": [{"context": CONTEXT, "qas": qas}]}]}
    score = scoring.score_parsed(data, {"q": "Ann"})
    assert list(json.loads(json.dumps(score.summary))) == [
        *("exact", "f1", "total", "HasAns_exact", "HasAns_f1", "HasAns_total")
    ]


def scores(exact, ids=None, paragraphs=None, titles=None):
    count = len(exact)
    one_each = list(range(count))
    ids = ids or [str(n) for n in one_each]
    rows = [ids, paragraphs or one_each, titles or one_each, exact, exact]
    return pa.Table.from_arrays([pa.array(column) for column in rows], schema=SCORES)


def test_a_lead_is_compared_question_by_question_and_corrected_for_their_number():
    winner = scores([1.0] * 60 + [0.0] * 40)
    weak = scores([0.0] * 60 + [0.0] * 40)
    near = scores([0.0, *[1.0] * 59] + [0.0] * 40)
    found = {row["label"]: row for row in compare_with_winner(winner, {"weak": weak, "near": near})}
    assert found["weak"]["difference"] == pytest.approx(60.0)
    assert found["weak"]["significant"]
    assert found["near"]["difference"] == pytest.approx(1.0)
    assert not found["near"]["significant"]
    assert compare_with_winner(winner, {}) == []
    with pytest.raises(ValueError, match="other was judged on other questions"):
        compare_with_winner(winner, {"other": scores([1.0] * 100, ids=["x"] * 100)})


def test_intervals_stand_beside_the_figures_they_belong_to():
    questions = Questions.read(make_examples([("Ann", 0)], [("Ann Lee", 8)]))
    judged = judge(questions, [CANDIDATES.empty_table()], None, search=False)
    assert judged.scores["id"].to_pylist() == ["q0", "q1"]
    add_intervals(judged)
    # 0 of 2, which share one paragraph: nothing is known but that it is between 0 and 100.
    questions.contexts[1] += " Again."
    (judged.summary["paragraphs"], judged.summary["titles"])
