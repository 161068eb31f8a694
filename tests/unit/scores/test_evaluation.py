"""A split judged from its candidates: every figure on a case made by hand."""

import json

import pyarrow as pa
import pytest

from squadron.artifacts import CANDIDATES, EXAMPLES, SCORES
from squadron.scores import scoring
from squadron.scores.evaluation import Questions, judge, measure_intervals
from squadron.scores.leads import compare_with_winner

CONTEXT = "Ann saw Ann Lee in the old town of Évora."


def make_examples(*golds, contexts=None, titles=None):
    """One question per list of (text, start_char)."""
    rows = [
        {
            "id": f"q{number}",
            "title": titles[number] if titles else "",
            "question": "Who?",
            "context": contexts[number] if contexts else CONTEXT,
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


def test_the_figures_have_span_accuracy_precision_and_recall():
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
    assert judged.answers.chosen == ["Ann", "Ann Lee", "old town", "", "Ann", ""]
    assert judged.figures.exact_match == pytest.approx(100 * 3 / 6)
    assert judged.figures.span_accuracy == pytest.approx(100 * 2 / 6)
    assert judged.figures.precision == pytest.approx(100 * (1 + 1 + 1 + 1 + 0 + 0) / 6)
    assert judged.figures.recall == pytest.approx(100 * (1 + 1 + 2 / 4 + 1 + 0 + 0) / 6)
    assert judged.figures.f1 == pytest.approx(100 * (1 + 1 + 2 / 3 + 1 + 0 + 0) / 6)


def test_a_split_where_every_question_has_an_answer_is_judged_by_the_first_rule():
    judged = judge(
        Questions.read(make_examples([("Ann", 0)], [("Évora", 35)])),
        [make_candidates((0, 3, -9.0), (35, 40, 1.0))],
        None,
        search=True,
    )
    assert judged.null_threshold is None
    for name in ("exact_match", "span_accuracy", "precision", "recall"):
        assert getattr(judged.figures, name) == 100.0


def test_the_threshold_of_em_is_applied_and_that_of_f1_is_told_beside_it():
    # From the top: right, unanswerable, half right twice. EM stops after the first.
    examples = make_examples([("Ann", 0)], [], [("Ann Lee", 8)], [("Ann Lee", 8)])
    half = (8, 11, 1.0)
    candidates = make_candidates((0, 3, 4.0), (0, 3, 2.0), half, half)
    judged = judge(Questions.read(examples), [candidates], None, search=True)
    assert judged.null_thresholds == {"exact_match": 3.0, "f1": 0.0}
    assert judged.null_threshold == 3.0
    assert judged.answers.chosen == ["Ann", "", "", ""]
    assert judged.answers.best == ["Ann", "Ann", "Ann", "Ann"]
    fixed = judge(Questions.read(examples), [candidates], 0.0, search=False)
    assert (fixed.null_threshold, fixed.null_thresholds) == (0.0, {})


def test_where_nothing_is_answered_the_best_answers_have_an_f1_all_the_same():
    examples = make_examples([("Ann", 0)], [("old town of Évora", 23)], [], [], [])
    weak = make_candidates((0, 3, -2.0), (23, 31, -2.0), (0, 3, 2.0), (0, 3, 2.0), (0, 3, 2.0))
    judged = judge(Questions.read(examples), [weak], None, search=True)
    assert judged.answers.chosen == [""] * 5
    assert judged.figures.answerable_f1 == pytest.approx(100 * (1 + 2 / 3) / 2)
    again = judge(Questions.read(examples), [weak], judged.null_threshold, search=False)
    assert again.figures.answerable_f1 == judged.figures.answerable_f1


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


def test_a_lead_is_compared_question_by_question():
    winner = scores([1.0] * 60 + [0.0] * 40)
    weak = scores([0.0] * 60 + [0.0] * 40)
    near = scores([0.0, *[1.0] * 59] + [0.0] * 40)
    found = {lead.label: lead for lead in compare_with_winner(winner, {"weak": weak, "near": near})}
    assert found["weak"].difference == pytest.approx(60.0)
    assert found["weak"].significant
    assert found["weak"].low > 0
    assert found["near"].difference == pytest.approx(1.0)
    assert not found["near"].significant
    assert found["near"].low < 0
    assert compare_with_winner(winner, {}) == []
    with pytest.raises(ValueError, match="other was judged on other questions"):
        compare_with_winner(winner, {"other": scores([1.0] * 100, ids=["x"] * 100)})


def test_a_lead_is_corrected_for_all_pairs_of_the_race():
    # Right where the other is wrong on 7 of 100 questions: of 2^7 sign patterns two are as one-
    # sided, so p is 0.016 with two contenders. Ten further contenders are wrong on questions of
    # their own, as often: chance makes one of these 66 pairs as one-sided much more often.
    def wrong_on(*places):
        return scores([0.0 if n in places else 1.0 for n in range(100)])

    winner, rival = wrong_on(), wrong_on(*range(7))
    (alone,) = compare_with_winner(winner, {"rival": rival})
    assert alone.p == pytest.approx(2 / 2**7, abs=0.004)
    assert alone.significant
    others = {f"c{n}": wrong_on(*range(7 * n, 7 * n + 7)) for n in range(1, 11)}
    among, *_ = compare_with_winner(winner, {"rival": rival, **others})
    assert (among.label, among.difference) == ("rival", alone.difference)
    assert among.p > 0.05
    assert not among.significant
    assert among.low < 0 < alone.low


def test_a_lead_on_one_paragraph_of_many_questions_is_one_observation():
    # 10 paragraphs of 10 questions: the winner is ahead by 10 questions, all of one paragraph.
    behind = [0.0] * 10 + [1.0] * 90
    by_paragraph = [n // 10 for n in range(100)]
    (found,) = compare_with_winner(
        scores([1.0] * 100, paragraphs=by_paragraph), {"b": scores(behind, paragraphs=by_paragraph)}
    )
    assert (found.difference, found.p) == (10.0, 1.0)
    (found,) = compare_with_winner(scores([1.0] * 100), {"b": scores(behind)})
    assert found.p < 0.01  # had each question a paragraph of its own


def test_leads_have_an_interval_by_title_where_titles_are_enough():
    winner, other = [1.0] * 96, [1.0, 1.0, 0.0] * 32
    for count in (7, 8):
        titles = [n % count for n in range(96)]
        (found,) = compare_with_winner(
            scores(winner, titles=titles), {"b": scores(other, titles=titles)}
        )
        assert (found.title_low is None) == (found.title_high is None) == (count < 8)
    assert found.title_low < found.difference < found.title_high


def test_intervals_are_by_paragraph_and_by_title_where_titles_are_enough():
    # 24 questions in 12 paragraphs and 8 titles; none has a candidate, so all are wrong.
    contexts = [f"{CONTEXT} {n // 2}" for n in range(24)]
    for count in (7, 8):
        titles = [f"t{n // 2 % count}" for n in range(24)]
        examples = make_examples(*[[("Ann", 0)]] * 24, contexts=contexts, titles=titles)
        judged = judge(Questions.read(examples), [CANDIDATES.empty_table()], None, search=False)
        assert judged.scores["paragraph"].to_pylist()[:5] == [0, 0, 1, 1, 4]
        figures = measure_intervals(judged)
        assert (figures.paragraphs, figures.titles) == (12, count)
        for name in ("exact_match", "f1"):
            # t for 11 degrees of freedom is 2.200985; 12 paragraphs count as 12 questions.
            expected = 100 * 2.200985**2 / (12 + 2.200985**2)
            assert figures.estimate(name) == pytest.approx((0.0, 0.0, expected), abs=1e-3)
            assert (figures.estimate(name, "title").low is None) == (count < 8)
            assert (figures.estimate(name, "title").high is None) == (count < 8)
    # And for 7 degrees of freedom 2.364624.
    expected = 100 * 2.364624**2 / (8 + 2.364624**2)
    assert figures.exact_match_title_high == pytest.approx(expected, abs=1e-3)


def test_where_all_questions_share_one_context_each_is_its_own_paragraph():
    examples = make_examples([("Ann", 0)], [("Ann Lee", 8)])
    judged = judge(Questions.read(examples), [CANDIDATES.empty_table()], None, search=False)
    assert judged.scores["id"].to_pylist() == ["q0", "q1"]
    figures = measure_intervals(judged)
    assert (figures.paragraphs, figures.titles) == (2, 1)
