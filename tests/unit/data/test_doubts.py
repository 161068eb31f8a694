"""Doubts are counted, shown as samples, and change nothing."""

import copy

import pytest

from squadron.data import doubts
from squadron.data.sources import Answer, Example
from squadron.data.validation import validate_examples
from squadron.data.validation_report import Report


def make_example(number=0, context="Ann sang a song.", question="", answer="Ann", start=None):
    """A valid example; with the answer None, an unanswerable one."""
    start = context.find(answer or "") if start is None else start
    answers = [] if answer is None else [Answer(answer, start)]
    question = question or f"Who {number}?"
    return Example(
        f"q{number}",
        "T",
        question,
        context,
        answers,
        is_impossible=not answers,
        where=f"f: {number}",
    )


def find_doubts(*examples):
    """(reason -> count, the text of the last sample); checks that the examples stay as they are."""
    report, before = Report(), copy.deepcopy(examples)
    assert validate_examples(examples, report) == [*before]
    assert (report.repaired, report.rejected) == ({}, {})
    samples = report.summarise().samples
    return dict(report.noted), samples[-1].text if samples else ""


def test_a_plain_example_has_no_doubts():
    assert find_doubts(make_example()) == ({}, "")


@pytest.mark.parametrize(
    ("sign", "kind"),
    [
        ("\x00", doubts.CONTROL),
        ("\x1b", doubts.CONTROL),
        ("\x0c", doubts.CONTROL),
        ("\x85", doubts.CONTROL),
        ("\ufeff", doubts.INVISIBLE),
        ("\u200b", doubts.INVISIBLE),
        ("\u00ad", doubts.INVISIBLE),
        ("\u202e", doubts.INVISIBLE),
        ("\ufffd", doubts.LOST),
    ],
)
def test_doubtful_characters_are_noted_in_contexts_and_questions(sign, kind):
    context = f"Ann sang{sign} a{sign} song."
    escaped = sign if sign.isprintable() else sign.encode("unicode_escape").decode()
    found, sample = find_doubts(make_example(1, context), make_example(2, context))
    # A context counts once, however many questions share it.
    assert found == {f"context has {kind}": 1}
    assert sample == f"Ann sang[{escaped}] a{escaped} song."
    found, sample = find_doubts(make_example(question=f"Who{sign} sang?"))
    assert (found, sample) == ({f"question has {kind}": 1}, f"Who{escaped} sang?")


@pytest.mark.parametrize("sign", ["\t", "\n", "\r\n", "\u200d", "\u200e", "\u00a0", "é", "😀"])
def test_characters_that_texts_need_are_no_doubt(sign):
    assert find_doubts(make_example(1, f"Ann {sign} sang.", f"Who{sign} sang?")) == ({}, "")


def test_texts_beyond_the_limits_are_noted():
    limit = doubts.CONTEXT_CHARS
    for length, found, shown in (
        (limit, {}, ""),
        (limit + 1, {doubts.LONG_CONTEXT: 1}, "100,001 characters: Ann ...."),
    ):
        context = "Ann " + "." * (length - 4)
        noted, sample = find_doubts(make_example(1, context), make_example(2, context))
        assert (noted, sample[: len(shown)]) == (found, shown)
    for length, found in (
        (doubts.QUESTION_CHARS, {}),
        (doubts.QUESTION_CHARS + 1, {doubts.LONG_QUESTION: 1}),
    ):
        assert find_doubts(make_example(question="?" * length))[0] == found
    for length, found in (
        (doubts.ANSWER_CHARS, {}),
        (doubts.ANSWER_CHARS + 1, {doubts.LONG_ANSWER: 1}),
    ):
        answer = "." * length
        assert find_doubts(make_example(context=f"A {answer}", answer=answer))[0] == found


@pytest.mark.parametrize(
    ("context", "answer"),
    [
        ("the golden years", "gold"),
        ("1562 to 1598", "562 to"),
        ("Ärzte", "rzte"),
        ("in 1999.", "19"),
    ],
)
def test_an_answer_that_cuts_a_word_is_noted(context, answer):
    found, sample = find_doubts(make_example(context=context, answer=answer))
    assert found == {doubts.CUT_WORD: 1}
    assert f"[{answer}]" in sample


@pytest.mark.parametrize(
    ("context", "answer"),
    [
        ("about 5km away", "5"),
        ("東京は大きい", "京"),
        ("well-known", "well"),
        ("Ann's", "Ann"),
        ("a", "a"),
    ],
)
def test_an_answer_at_the_edge_of_a_word_is_no_doubt(context, answer):
    assert find_doubts(make_example(context=context, answer=answer)) == ({}, "")


def test_a_start_that_fits_in_two_ways_of_counting_is_noted():
    found, sample = find_doubts(make_example(context="ééé Ann Ann", answer="Ann", start=8))
    assert found == {}
    found, sample = find_doubts(make_example(context="éééé Ann Ann", answer="Ann", start=9))
    assert (found, sample) == ({doubts.TWO_PLACES: 1}, "éééé Ann [Ann]")


WHO, AGAIN = "Who sang?", " who  SANG?"


def test_a_question_under_two_ids_is_noted_with_both_answers():
    first = make_example(1, question=WHO)
    for second, reason, sample in (
        (make_example(2, question=AGAIN), doubts.REPEATED, "who  SANG? [Ann]; question q1: [Ann]"),
        (
            make_example(2, question=AGAIN, answer="a song"),
            doubts.CONTRADICTED,
            "who  SANG? [a song]; question q1: [Ann]",
        ),
        (
            make_example(2, question=AGAIN, answer=None),
            doubts.HALF_ANSWERED,
            "who  SANG? [no answer]; question q1: [Ann]",
        ),
    ):
        assert find_doubts(first, second) == ({reason: 1}, sample)


def test_two_unanswerable_copies_only_repeat_and_answers_are_compared_as_words():
    pair = [make_example(n, question=WHO, answer=None) for n in (1, 2)]
    assert find_doubts(*pair)[0] == {doubts.REPEATED: 1}
    context = "Ann sang. ANN slept."
    pair = [make_example(n, context, WHO, answer) for n, answer in ((1, "Ann"), (2, "ANN"))]
    assert find_doubts(*pair)[0] == {doubts.REPEATED: 1}


def test_answers_that_overlap_are_no_contradiction():
    context = "Here Ann Lee sang."
    for answer in ("Ann", "Ann Lee", "Lee sang."):
        pair = make_example(1, context, WHO, "Ann Lee"), make_example(2, context, WHO, answer)
        assert find_doubts(*pair)[0] == {doubts.REPEATED: 1}
    pair = make_example(1, context, WHO, "Ann Lee"), make_example(2, context, WHO, "sang.")
    assert find_doubts(*pair)[0] == {doubts.CONTRADICTED: 1}


def test_the_same_question_about_another_context_is_no_doubt():
    pair = make_example(1, question=WHO), make_example(2, "Ann slept.", WHO)
    assert find_doubts(*pair) == ({}, "")


def test_a_rejected_question_is_repeated_by_none():
    report = Report()
    bad = make_example(1, question=WHO, answer="Bob", start=0)
    assert validate_examples([bad, make_example(2, question=WHO)], report)
    assert report.noted == {}
