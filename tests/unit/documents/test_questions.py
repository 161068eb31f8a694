from dataclasses import replace

import pytest

from squadron.data.validation import Report, validate_examples
from squadron.documents.cutting import CutSettings, cut_passages
from squadron.documents.questions import (
    MAIN_IDEA,
    METHODS,
    is_synthetic,
    make_cloze_questions,
    make_lead_sentences,
)
from tests.unit.documents.test_cutting import make_document

TEXT = (
    "Rainfall has been measured here since 14 May 1931. The first gauge was bought by Désiré "
    "Kallan with his own money. The battery holds 48 kWh and feeds the house for days. It is a "
    "nice place. Nothing else is known about the people who lived here. Most visitors come on the "
    "ferry Petrel."
)


def cut(text: str, **settings: int):
    return cut_passages(make_document(text), CutSettings(**settings))


def test_the_main_idea_of_a_passage_is_its_first_sentence():
    first, second = make_lead_sentences(cut(TEXT, sentences=3, overlap=0))
    assert first.question == second.question == MAIN_IDEA
    assert first.answers[0].text == "Rainfall has been measured here since 14 May 1931."
    assert first.answers[0].start_char == 0
    assert second.answers[0].text == "It is a nice place."
    assert first.title == "a.txt"
    assert first.where == "lead_sentence question from a.txt, page 1"


def test_a_passage_of_one_sentence_and_one_that_begins_with_a_label_have_no_main_idea():
    assert list(make_lead_sentences(cut("Only one sentence stands here alone."))) == []
    label = "Values:\n\nWe are kind to all people. And we say so."
    assert list(make_lead_sentences(cut(f"A list of all\nmany {'rows ' * 9}\n\n{label}"))) == []


def test_dates_names_and_numbers_become_gaps():
    examples = list(make_cloze_questions(cut(TEXT, sentences=6, overlap=0)))
    assert [(e.answers[0].text, e.question) for e in examples] == [
        (
            "14 May 1931",
            "Which date belongs in the gap? Rainfall has been measured here since ____.",
        ),
        (
            "Désiré Kallan",
            "Which name belongs in the gap? The first gauge was bought by ____ with his own money.",
        ),
        (
            "48 kWh",
            "Which number belongs in the gap? The battery holds ____ and feeds the house for days.",
        ),
    ]


@pytest.mark.parametrize(
    ("sentence", "answer"),
    [
        ("The office of the station opened on March 3, 2009 at noon.", "March 3, 2009"),
        ("All of the people there came in the year 1987 by boat.", "1987"),
        ("A tower in the north of the Isle of Man is old.", "Isle of Man"),
        ("The efforts of the Department’s people are well known there.", "Department"),
        ("• Go outside and look at the sea for a full minute.", None),
        ("Table 3 has all of the figures that people want.", None),
        ("The train goes at 11:15 and there is no other one.", None),
        ("The price of the ferry has risen by 2.5 million since then.", "2.5 million"),
        ("In winter it is cold, and on Monday it is very cold.", None),
        ("A gap is not made of 5 and 5 because both are there.", None),
        ("Reports are sent at a frequency near 403 MHz and read there.", "403 MHz"),
    ],
)
def test_what_a_gap_is_made_of(sentence, answer):
    found = [e.answers[0].text for e in make_cloze_questions(cut(sentence))]
    assert found == ([answer] if answer else [])


def test_a_sentence_that_two_passages_share_is_asked_about_once():
    passages = cut(TEXT, sentences=3, overlap=2)
    questions = [e.question for e in make_cloze_questions(passages)]
    assert len(passages) > 2
    assert len(questions) == len(set(questions)) == 4


@pytest.mark.parametrize("method", METHODS)
def test_examples_are_valid_and_marked_as_synthetic(method):
    examples = list(METHODS[method](cut(TEXT, sentences=3, overlap=1), "en"))
    assert examples
    report = Report()
    assert len(validate_examples(examples, report)) == len(examples)
    assert report.accepted == len(examples)
    for example in examples:
        assert is_synthetic(example)
        assert not is_synthetic(type(example)("1", "a", "b?", "c"))
        answer = example.answers[0]
        assert example.context.startswith(answer.text, answer.start_char)


def test_an_answer_is_asked_for_a_few_times_in_a_document_and_then_the_next_one():
    years = ["first", "second", "third", "fourth", "fifth", "sixth", "seventh"]
    sentences = [
        f"In its {year} year the agency Kallan opened {n} new offices abroad."
        for n, year in enumerate(years, start=2)
    ]
    passages = cut(" ".join(sentences), sentences=2, overlap=0)
    found = [example.answers[0].text for example in make_cloze_questions(passages)]
    assert found == ["Kallan", "Kallan", "Kallan", "5", "6", "7", "8"]
    other = [replace(passage, document="b.txt") for passage in passages]
    found = [example.answers[0].text for example in make_cloze_questions([*passages, *other])]
    assert found[7:] == found[:7]
