"""Answers with faulty starts or texts: repaired to the intended place, rejected or noted."""

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from squadron.data.answer_finder import (
    ABSENT,
    AMBIGUOUS,
    FORM,
    INSIDE,
    MOVED,
    NEARBY,
    REPAIR_REACH,
    SEARCHED_CHARS,
    TRIMMED,
    AnswerFinder,
    Verdict,
)
from squadron.data.offset_counts import BLANKS, BYTES, FORMS, LINE_ENDS, MARK, SPACES, UNITS
from squadron.data.sources import Answer
from tests.effort import draws

FAR = "." * 20 * REPAIR_REACH


def repair(context, text, start):
    """(text and start after the repair, verdict)."""
    answer = Answer(text, start)
    verdict = AnswerFinder(context).repair(answer)
    return (answer.text, answer.start_char), verdict


def in_bytes(text):
    return len(text.encode())


def in_units(text):
    return len(text.encode("utf-16-le")) // 2


def in_form(form):
    return lambda text: len(unicodedata.normalize(form, text))


def with_crlf(text):
    return len(text.replace("\r\n", "\n").replace("\n", "\r\n"))


def with_lf(text):
    return len(text.replace("\r\n", "\n"))


@pytest.mark.parametrize(
    ("before", "count", "how"),
    [
        ("é" * 50, in_bytes, BYTES),
        ("東" * 30, in_bytes, BYTES),
        ("😀" * 40, in_units, UNITS),
        ("가" * 50, in_form("NFD"), FORMS),
        ("e\u0301" * 50, in_form("NFC"), FORMS),
        ("a\r\nb" * 40, with_lf, LINE_ENDS),
        ("a\nb" * 40, with_crlf, LINE_ENDS),
        ("a  b" * 40, lambda text: len(" ".join(text.split())), SPACES),
        (" " * 40 + "a", lambda text: len(text.lstrip()), SPACES),
        ("\ufeff" + "a" * 9, lambda text: len(text.lstrip("\ufeff")), MARK),
    ],
    ids=["é", "東", "😀", "NFD", "NFC", "LF", "CRLF", "runs", "in front", "mark"],
)
def test_a_start_that_was_counted_in_another_way_is_converted(before, count, how):
    # The text occurs twice, far apart, so that only the right way of counting finds it.
    context = f"{before}Ann{FAR}Ann"
    for place in (len(before), len(context) - 3):
        start = count(context[:place])
        found, verdict = repair(context, "Ann", start)
        assert start != place
        assert (found, verdict) == (("Ann", place), Verdict(repair=how))


def test_a_start_that_fits_two_ways_of_counting_is_rejected():
    # 8 bytes are "😀é" and "Ann" follows; 8 UTF-16 units end before the second "Ann".
    context = "😀éébAnn Ann"
    at = context.index("Ann")
    start = in_bytes(context[:at])
    assert in_units(context[: context.rindex("Ann")]) == start
    assert repair(context, "Ann", start)[1] == Verdict(fault=AMBIGUOUS)


def test_a_converted_start_does_not_win_over_an_occurrence_near_the_written_one():
    context = f"{'é' * 40}Ann{'.' * 30}Ann"
    start = in_bytes(context[:40])
    assert abs(context.rindex("Ann") - start) < REPAIR_REACH
    assert repair(context, "Ann", start)[1] == Verdict(fault=AMBIGUOUS)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
@pytest.mark.parametrize("other", ["NFC", "NFD"])
def test_an_answer_in_another_unicode_form_takes_the_characters_of_its_context(form, other):
    context = unicodedata.normalize(form, "Here André Čapek sang, 한국.")
    for words in ("André", "Čapek sang", "한국"):
        text = unicodedata.normalize(form, words)
        start = context.index(text)
        found, verdict = repair(context, unicodedata.normalize(other, words), start)
        assert found == (text, start)
        assert verdict == Verdict(repair="" if form == other else FORM)


def test_a_letter_with_other_accents_is_not_the_same():
    _, verdict = repair("cafe\u0301 caf\u00e9", "caf\u00e8", 0)
    assert verdict == Verdict(fault=ABSENT)
    _, verdict = repair("the cafe\u0301\u0323s", "cafe\u0301", 4)
    assert verdict == Verdict()
    _, verdict = repair("the cafe\u0301\u0323s", "caf\u00e9", 4)
    assert verdict == Verdict(fault=ABSENT)


@pytest.mark.parametrize(
    ("context", "text", "start", "found", "how"),
    [
        ("Here \ufeffAnn sang", "\ufeffAnn", 5, ("Ann", 6), TRIMMED),
        ("Here Ann sang", "\ufeffAnn", 5, ("Ann", 5), MOVED),
        ("Ann sang\r\na song.", "sang\na song", 4, ("sang\r\na song", 4), INSIDE),
        ("Ann sang\na song.", "sang\r\na song", 4, ("sang\na song", 4), INSIDE),
        ("Ann\ufeff sang.", "Ann sang", 0, ("Ann\ufeff sang", 0), INSIDE),
        ("Ann\u00a0sang.", "Ann sang", 0, ("Ann\u00a0sang", 0), INSIDE),
        (f"Ann {FAR}Ann", "Ann", 2, ("Ann", 0), NEARBY),
        ("Ann" + " " * SEARCHED_CHARS, "Ann", 2, ("Ann", 0), NEARBY),
        ("Ann" + " " * SEARCHED_CHARS, "Ann", 99, ("Ann", 0), MOVED),
    ],
)
def test_blanks_and_marks_are_repaired(context, text, start, found, how):
    assert repair(context, text, start) == (found, Verdict(repair=how))


@pytest.mark.parametrize("start", [-(10**30), -1, 10**6, 2**31, 2**63, 10**30])
def test_a_start_far_outside_of_the_context_is_no_error(start):
    context = f"\ufeff é 😀\r\n Ann{FAR}\n  Bob e\u0301 Bob"
    assert repair(context, "Ann", start)[0] == ("Ann", context.index("Ann"))
    assert repair(context, "Bob", start)[1] == Verdict(fault=AMBIGUOUS)


def test_a_right_start_decides_between_two_places_that_differ_in_blanks():
    context = "a\nb, a\tb"
    for start in (0, 5):
        found, verdict = repair(context, "a b", start)
        assert (found, verdict) == ((context[start : start + 3], start), Verdict(repair=INSIDE))


def test_a_text_that_stands_elsewhere_as_written_is_not_taken_for_the_one_meant():
    # The label meant "a\nb" at 0 and lost its line end; "a b" stands further on.
    context = f"a\nb{FAR}a b"
    found, verdict = repair(context, "a b", 1)
    assert (found, verdict) == (("a\nb", 0), Verdict(repair=INSIDE))
    assert repair(context, "a b", REPAIR_REACH + 5)[1] == Verdict(fault=AMBIGUOUS)


def test_where_a_right_answer_would_stand_if_its_start_was_counted_otherwise():
    finder = AnswerFinder("ééAnn" + "." * 10 + "Ann")
    assert finder.find_other(Answer("Ann", 2)) is None
    finder = AnswerFinder("éééAnnAnn")
    assert finder.find_other(Answer("Ann", 6)) == 3
    assert finder.find_other(Answer("Ann", 3)) is None


# Few different characters, so that texts repeat and faults meet other occurrences.
CHARS = st.sampled_from([*"aab. \n", "\r\n", "é", "e\u0301", "\u0301", "東", "😀", "각", "\u00a0"])
CONTEXTS = st.lists(CHARS, min_size=1, max_size=60).map("".join) | st.text(min_size=1, max_size=40)


def swap_blanks(text):
    return " ".join(text.split())


FAULTS = {
    "bytes": lambda context, start, text: (in_bytes(context[:start]), text),
    "UTF-16 units": lambda context, start, text: (in_units(context[:start]), text),
    "CRLF": lambda context, start, text: (with_crlf(context[:start]), text),
    "LF": lambda context, start, text: (with_lf(context[:start]), text),
    "start in NFC": lambda context, start, text: (in_form("NFC")(context[:start]), text),
    "start in NFD": lambda context, start, text: (in_form("NFD")(context[:start]), text),
    "a mark too many": lambda context, start, text: (start + 1, text),
    "a mark too few": lambda context, start, text: (start - 1, text),
    "blanks in front not counted": lambda context, start, text: (
        start - len(context) + len(context.lstrip(BLANKS)),
        text,
    ),
    "text in NFC": lambda context, start, text: (start, unicodedata.normalize("NFC", text)),
    "text in NFD": lambda context, start, text: (start, unicodedata.normalize("NFD", text)),
    "blanks in the text": lambda context, start, text: (start, swap_blanks(text)),
    "CRLF in the text": lambda context, start, text: (start, text.replace("\n", "\r\n")),
    "blanks around": lambda context, start, text: (start, f" {text}\n"),
    "all in CRLF": lambda context, start, text: (
        with_crlf(context[:start]),
        text.replace("\r\n", "\n").replace("\n", "\r\n"),
    ),
    "all in NFD": lambda context, start, text: (
        in_form("NFD")(context[:start]),
        unicodedata.normalize("NFD", text),
    ),
    "all in NFC": lambda context, start, text: (
        in_form("NFC")(context[:start]),
        unicodedata.normalize("NFC", text),
    ),
}


@st.composite
def right_answers(draw):
    """(context, start, end) of an answer that has no blank and no half of a character at its edges.

    It is empty where there is none.
    """
    context = draw(CONTEXTS)
    start = draw(st.integers(0, len(context) - 1))
    end = draw(st.integers(start + 1, min(len(context), start + 6)))
    text = context[start:end]
    start += len(text) - len(text.lstrip(BLANKS))
    end -= len(text) - len(text.rstrip(BLANKS))
    cuts = any(unicodedata.combining(context[edge : edge + 1] or "a") for edge in (start, end))
    return context, start, start if cuts else max(start, end)


@pytest.mark.parametrize("fault", FAULTS)
@settings(max_examples=draws(300), deadline=None)
@given(right=right_answers())
@example(right=("éééAnnAnn", 3, 6))
@example(right=("😀😀 Ann, Ann", 3, 6))
def test_a_faulty_answer_is_the_intended_one_rejected_or_noted(fault, right):
    context, start, end = right
    if start == end:
        return
    given_start, given_text = FAULTS[fault](context, start, context[start:end])
    finder, answer = AnswerFinder(context), Answer(given_text, given_start)
    verdict = finder.repair(answer)
    if verdict.fault:
        return
    assert context.startswith(answer.text, answer.start_char)
    is_intended = (answer.start_char, answer.text) == (start, context[start:end])
    if verdict.repair:
        assert is_intended
    elif "mark too" not in fault:
        # Where the very text stands at both starts, nothing tells which is meant: it is noted. A
        # start that is off by one character is not, because every "aa" would be doubtful then.
        assert is_intended or finder.find_other(Answer(given_text, given_start)) is not None


@settings(max_examples=draws(300), deadline=None)
@given(right=right_answers())
def test_a_right_answer_stays_as_it_is(right):
    context, start, end = right
    if start < end:
        found, verdict = repair(context, context[start:end], start)
        assert (found, verdict) == ((context[start:end], start), Verdict())


def test_every_way_of_counting_is_repaired_often():
    """The property above holds for code that rejects everything; this one does not."""
    context = "né à 東京 😀\r\n" * 10 + "Ann sang"
    for fault in ("bytes", "UTF-16 units", "LF", "start in NFD", "CRLF in the text"):
        start = context.index("Ann")
        faulty = FAULTS[fault](context, start, "Ann")
        assert repair(context, faulty[1], faulty[0])[0] == ("Ann", start)
