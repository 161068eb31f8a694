import copy
import json
from dataclasses import asdict

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from squadron.data.answer_finder import INSIDE, MOVED, REPAIR_REACH, TRIMMED
from squadron.data.sources import Answer, Example
from squadron.data.validation import validate_examples
from squadron.data.validation_file import Sample
from squadron.data.validation_report import SAMPLES_PER_REASON, Report, check_rejected_share
from squadron.errors import InputError
from tests.effort import draws


def make_example(context="Ann sang a song.", *answers, **fields):
    """An example from a context and (text, start_char) pairs."""
    given = {"id": "q", "title": "T", "question": "Who?", "where": "f.json: data[0]", **fields}
    return Example(context=context, answers=[Answer(*answer) for answer in answers], **given)


def judge(context, *answers, **fields):
    """(answers that are left, report) of one example."""
    report = Report()
    kept = validate_examples([make_example(context, *answers, **fields)], report)
    left = [(answer.text, answer.start_char) for e in kept for answer in e.answers]
    return left, report


def test_a_right_answer_stays_as_it_is():
    left, report = judge("Ann sang a song.", ("Ann", 0), ("a song", 9))
    assert left == [("Ann", 0), ("a song", 9)]
    assert not report.repaired
    assert not report.rejected


def test_a_right_answer_is_not_moved_where_its_text_occurs_twice():
    left, _ = judge("a song, a song", ("a song", 8))
    assert left == [("a song", 8)]


@pytest.mark.parametrize("start", [-3, 3, 4, 6, 7, 5 + REPAIR_REACH, 10_000])
def test_a_start_that_is_off_is_moved_to_the_only_occurrence(start):
    left, report = judge("Here Ann sang a song, then slept.", ("Ann", start))
    assert left == [("Ann", 5)]
    assert report.repaired == {MOVED: 1}


def test_of_several_occurrences_the_only_one_near_is_taken():
    context = "Ann sang." + " " * 40 + "Then Ann slept."
    at = context.rindex("Ann")
    left, _ = judge(context, ("Ann", at - 1))
    assert left == [("Ann", at)]
    left, _ = judge(context, ("Ann", 1))
    assert left == [("Ann", 0)]


@pytest.mark.parametrize("start", [4, 200])
def test_an_answer_that_could_stand_in_two_places_is_rejected(start):
    left, report = judge("Ann and Ann sang.", ("Ann", start))
    assert left == []
    assert report.rejected == {"answer occurs more than once": 1}
    assert report.accepted == 0


def test_overlapping_occurrences_are_two():
    _, report = judge("xaaay", ("aa", 4))
    assert report.rejected == {"answer occurs more than once": 1}


def test_an_answer_that_is_not_in_the_context_is_rejected():
    _, report = judge("Ann sang.", ("Bob", 0))
    assert report.rejected == {"answer not in the context": 1}


def test_an_answer_in_other_letters_is_not_taken_for_the_same():
    _, report = judge("Ann sang.", ("ann", 0))
    assert report.rejected == {"answer not in the context": 1}


def test_byte_offsets_become_characters():
    context = "Désiré’s lamp – 15 m above the sea"
    at = len("Désiré’s lamp – ".encode())
    assert judge(context, ("15 m", at))[0] == [("15 m", context.index("15 m"))]


def test_carriage_returns_and_double_spaces_shift_nothing():
    context = "One.\r\nTwo  words.\r\nThree."
    left, report = judge(context, ("Two  words", 6), ("Three", 19))
    assert left == [("Two  words", 6), ("Three", 19)]
    assert not report.repaired


@pytest.mark.parametrize(
    ("text", "start"), [("sang a\nsong", 4), ("sang a song", 5), (" sang  a song ", 0)]
)
def test_an_answer_that_differs_in_blanks_takes_those_of_the_context(text, start):
    left, report = judge("Ann sang  a\r\nsong.", (text, start))
    assert left == [("sang  a\r\nsong", 4)]
    assert report.repaired == {INSIDE: 1}


def test_an_answer_that_differs_in_blanks_and_could_stand_in_two_places_is_rejected():
    _, report = judge("a  b, a\nb", ("a b", 1))
    assert report.rejected == {"answer occurs more than once": 1}


def test_a_text_with_signs_of_a_pattern_is_only_text():
    left, _ = judge("It cost $5.40 (about 5+40).", ("$5.40 (about", 9))
    assert left == [("$5.40 (about", 8)]


@pytest.mark.parametrize(("text", "start"), [(" Ann ", 4), ("Ann ", 5), (" Ann", 4), ("\tAnn", 9)])
def test_blanks_around_an_answer_are_stripped(text, start):
    left, report = judge("Here Ann sang.", (text, start))
    assert left == [("Ann", 5)]
    assert report.repaired.total() == 1


def test_stripping_an_answer_that_stands_where_it_says_is_counted_as_that():
    assert judge("Here Ann sang.", (" Ann ", 4))[1].repaired == {TRIMMED: 1}


@pytest.mark.parametrize(("text", "start"), [("", 0), (" ", 3), ("\n", 0), ("", 99)])
def test_an_empty_answer_is_rejected(text, start):
    _, report = judge("Ann sang.", (text, start))
    assert report.rejected == {"empty answer": 1}


def test_of_several_answers_only_the_bad_one_is_dropped():
    left, report = judge("Ann sang.", ("Bob", 0), ("Ann", 1), ("sang", 4))
    assert left == [("Ann", 0), ("sang", 4)]
    assert report.accepted == 1
    assert report.repaired == {MOVED: 1, "one of several answers dropped": 1}
    assert not report.rejected


def test_an_example_whose_answers_are_all_bad_is_rejected_once():
    _, report = judge("Ann sang.", ("Bob", 0), ("", 1))
    assert report.rejected.total() == 1
    assert report.total == 1


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"id": ""}, "no id"),
        ({"question": " \n"}, "empty question"),
        ({"context": "\t "}, "empty context"),
        ({"title": "\ud800"}, "half a surrogate pair in the text"),
        ({"question": "Who \udc00?"}, "half a surrogate pair in the text"),
        ({"context": "Ann \ud83d sang."}, "half a surrogate pair in the text"),
        ({"id": "\ud83d"}, "half a surrogate pair in the text"),
        ({"reasoning_type": "\ud83d"}, "half a surrogate pair in the text"),
    ],
)
def test_an_example_that_is_no_question_about_a_text_is_rejected(fields, reason):
    context = fields.get("context", "Ann sang.")
    rest = {k: v for k, v in fields.items() if k != "context"}
    _, report = judge(context, ("Ann", 0), **rest)
    assert report.rejected == {reason: 1}
    json.dumps(asdict(report.summarise()), ensure_ascii=False).encode()  # can be written


def test_no_answers_without_the_mark_are_a_fault():
    _, report = judge("Ann sang.")
    assert report.rejected == {"no answer and not marked unanswerable": 1}


def test_an_unanswerable_question_is_kept():
    report = Report()
    [kept] = validate_examples([make_example("Ann sang.", is_impossible=True)], report)
    assert kept.answers == []
    assert report.repaired == {}


def test_answers_of_an_unanswerable_question_are_dropped_and_counted():
    report = Report()
    [kept] = validate_examples([make_example("Ann.", ("Bob", 7), is_impossible=True)], report)
    assert kept.answers == []
    assert report.repaired == {"answers of an unanswerable question dropped": 1}


def test_the_first_of_two_examples_with_one_id_wins():
    report = Report()
    first, second = make_example("Ann sang.", ("Ann", 0)), make_example("Bob.", ("Bob", 0))
    assert validate_examples([first, second], report) == [first]
    assert report.rejected == {"id used twice": 1}


def test_a_rejected_example_does_not_use_up_its_id():
    report = Report()
    bad, good = make_example("Ann.", ("Bob", 0)), make_example("Ann.", ("Ann", 0))
    assert validate_examples([bad, good], report) == [good]
    assert report.rejected == {"answer not in the context": 1}


def test_the_report_counts_every_case_and_keeps_the_first_few_as_samples():
    report, absent = Report(), "answer not in the context"
    many = [
        make_example("Ann.", ("Bob", 0), id=f"bad{n}", where=f"f.json: data[{n}]")
        for n in range(SAMPLES_PER_REASON + 3)
    ]
    moved = make_example("Ann.", ("Ann", 1), id="moved", where="", question="Whose?")
    validate_examples([*many, moved, make_example("Ann.", ("Ann", 0))], report)
    assert (report.total, report.accepted) == (len(many) + 2, 2)
    assert report.repaired == {MOVED: 1}
    assert report.rejected == {"answer not in the context": len(many)}
    assert report.samples == {
        absent: [
            Sample(absent, f"f.json: data[{n}]", f"bad{n}", '"Bob" at 0: []Ann.')
            for n in range(SAMPLES_PER_REASON)
        ],
        MOVED: [Sample(MOVED, "moved", "moved", "[Ann].")],
    }
    assert report.samples[absent][1].place == "f.json: data[1] (question bad1)"


def test_one_report_counts_several_files():
    report = Report()
    validate_examples([make_example("Ann.", ("Ann", 0))], report)
    validate_examples([make_example("Ann.", ("Bob", 0))], report)
    assert (report.accepted, report.total) == (1, 2)


def make_report(accepted, rejected):
    report = Report()
    validate_examples(
        [make_example("Ann.", ("Ann", 0), id=f"a{n}") for n in range(accepted)]
        + [make_example("Ann.", ("Bob", 0), id=f"r{n}") for n in range(rejected)],
        report,
    )
    return report


def test_more_rejected_examples_than_allowed_stop_the_run():
    with pytest.raises(InputError) as caught:
        check_rejected_share(make_report(97, 3), 0.02)
    assert str(caught.value) == (
        "3 of 100 examples were rejected (3.0%, at most 2.0% is allowed): "
        "3 x 'answer not in the context', such as f.json: data[0] (question r0). "
        "Mend the data or raise data -> max_rejected_share"
    )


@pytest.mark.parametrize(
    ("accepted", "rejected", "share"), [(98, 2, 0.02), (10, 0, 0), (0, 0, 0), (0, 5, 1)]
)
def test_exactly_the_allowed_share_may_be_rejected(accepted, rejected, share):
    check_rejected_share(make_report(accepted, rejected), share)


def test_nothing_may_be_rejected_at_a_share_of_0():
    with pytest.raises(InputError):
        check_rejected_share(make_report(10_000, 1), 0)


WORDS = st.lists(
    st.sampled_from(["Ann", "sang", " ", "  ", "\n", "\r\n", "é", "😀", ".", "a", "(", "\u00a0"]),
    max_size=14,
).map("".join)
TEXTS = WORDS | st.text(max_size=8)


@st.composite
def broken_examples(draw):
    context = draw(TEXTS)
    answers = []
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, max(len(context) - 1, 0)))
        text = draw(st.just(context[start : start + draw(st.integers(0, 6))]) | TEXTS)
        answers.append((text, start + draw(st.integers(-20, 20))))
    name, question = draw(st.sampled_from(["q1", "q2", "q3", ""])), draw(TEXTS)
    impossible = draw(st.booleans())
    return make_example(context, *answers, id=name, question=question, is_impossible=impossible)


@settings(max_examples=draws(150), deadline=None)
@given(st.lists(broken_examples(), max_size=6))
@example([make_example("Ann.", ("Bob", 0), is_impossible=True)])
def test_every_accepted_answer_stands_where_it_says(examples):
    report = Report()
    before = copy.deepcopy(examples)
    kept = validate_examples(examples, report)
    for e in kept:
        for answer in e.answers:
            end = answer.start_char + len(answer.text)
            assert 0 <= answer.start_char < end <= len(e.context)
            assert e.context[answer.start_char : end] == answer.text
            assert answer.text == answer.text.strip()
        assert bool(e.answers) != e.is_impossible
    assert len({e.id for e in kept}) == len(kept) == report.accepted
    assert report.total == len(before)
    # Nothing but answers is changed, and the order stays.
    places = [next(n for n, e in enumerate(examples) if e is one) for one in kept]
    assert places == sorted(places)
    for place in places:
        after = copy.copy(examples[place])
        after.answers = before[place].answers
        assert after == before[place]


@settings(max_examples=draws(100), deadline=None)
@given(st.lists(broken_examples(), max_size=6))
def test_what_was_accepted_is_accepted_again_untouched(examples):
    kept = validate_examples(examples, Report())
    report, again = Report(), copy.deepcopy(kept)
    assert validate_examples(again, report) == kept
    assert not report.repaired
    assert not report.rejected


def test_what_was_repaired_and_rejected_is_said_with_counts_and_reasons():
    report = Report()
    assert report.describe() == []
    examples = [
        make_example("Here Ann sang.", ("Ann", 4), id="1"),
        make_example("Here Ann sang.", (" Ann ", 4), id="2"),
        make_example("Here Ann sang.", ("Ann", 3), id="3"),
        make_example("Here Ann sang.", ("Bob", 3), id="4"),
        make_example("Here Ann sang.", ("Bob", 3), id="5"),
        make_example("Here Ann sang.", ("Ann", 5), id="6", question=" "),
    ]
    validate_examples(examples, report)
    assert report.describe() == [
        "repaired: 2 x start moved to the only occurrence, 1 x blanks around the answer removed",
        "rejected: 2 x answer not in the context, 1 x empty question",
        "noted: 2 x question repeated under another id",
    ]
    with pytest.raises(InputError) as caught:
        check_rejected_share(report, 0.1)
    assert (
        "): 2 x 'answer not in the context', such as f.json: data[0] (question 4); "
        "1 x 'empty question', such as f.json: data[0] (question 6). Mend"
    ) in str(caught.value)
