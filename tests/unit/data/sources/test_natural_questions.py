import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from squadron.data.sources import Answer
from squadron.data.sources.natural_questions import read_examples
from squadron.data.validation import Report, validate_examples
from squadron.errors import InputError

# The toy document of the README of google-research-datasets/natural-questions, as its function
# `simplify_nq_example` writes it.
TEXT = "<H1> Google Inc. </H1> <P> Google was founded in 1998 by <Ul> <Li> Larry </Li> <Li> Sergey"
LARRY = {"start_token": 13, "end_token": 14}
SERGEY = {"start_token": 16, "end_token": 17}
NO_SPAN = {"start_token": -1, "end_token": -1, "candidate_index": -1}


def annotate(*spans, yes_no="NONE", long_answer=NO_SPAN):
    return {"short_answers": list(spans), "yes_no_answer": yes_no, "long_answer": long_answer}


def make_record(*annotations, **fields):
    return {
        "document_text": TEXT,
        "question_text": "who founded google",
        "document_url": "https://en.wikipedia.org//w/index.php?title=Google_Inc.&amp;oldid=8",
        "example_id": 5655493461695504401,
        "annotations": list(annotations),
        **fields,
    }


def read(folder, *records):
    path = folder / "nq.jsonl"
    path.write_text("\n".join(map(json.dumps, records)))
    return list(read_examples(path))


def test_the_context_has_no_tags_and_short_answers_are_spans_of_its_characters(tmp_path):
    (example,) = read(tmp_path, make_record(annotate(LARRY, SERGEY)))
    assert example.context == "Google Inc. Google was founded in 1998 by Larry Sergey"
    assert example.answers == [Answer("Larry", 42), Answer("Sergey", 48)]
    assert (example.id, example.title) == ("5655493461695504401", "Google Inc.")
    assert example.question == "who founded google"


def test_every_different_span_of_all_annotators_is_an_answer(tmp_path):
    both = {"start_token": 13, "end_token": 17}
    given = (annotate(LARRY), annotate(), annotate(LARRY, both))
    (example,) = read(tmp_path, make_record(*given))
    assert [answer.text for answer in example.answers] == ["Larry", "Larry Sergey"]


def test_yes_no_and_long_answers_are_rejected_and_no_answer_is_unanswerable(tmp_path):
    paragraph = {"start_token": 4, "end_token": 17, "candidate_index": 0}
    examples = read(
        tmp_path,
        make_record(annotate(), example_id=1),
        make_record(annotate(yes_no="YES", long_answer=paragraph), example_id=2),
        make_record(annotate(long_answer=paragraph), example_id=3),
        make_record(annotate(), annotate(LARRY, long_answer=paragraph), example_id=4),
    )
    assert [example.is_impossible for example in examples] == [True, False, False, False]
    report = Report()
    assert [e.id for e in validate_examples(examples, report)] == ["1", "4"]
    assert report.rejected == {"no answer and not marked unanswerable": 2}


@pytest.mark.parametrize(("start", "end"), [(14, 99), (-2, 3), (15, 15), (16, 14), (0, 1)])
def test_a_span_outside_the_words_is_rejected(tmp_path, start, end):
    span = {"start_token": start, "end_token": end}
    examples = read(tmp_path, make_record(annotate(span)))
    report = Report()
    assert validate_examples(examples, report) == []
    assert report.rejected == {"empty answer": 1}


WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
TOKENS = st.lists(
    st.sampled_from(["<P>", "</Table>", '<Td_colspan="2">', "<", "a<b>", "<3>"]) | WORDS,
    min_size=1,
)


@given(tokens=TOKENS, data=st.data())
def test_an_answer_is_what_its_tokens_say_without_the_tags(tmp_path_factory, tokens, data):
    tokens = " ".join(tokens).split(" ")
    start = data.draw(st.integers(0, len(tokens) - 1))
    end = data.draw(st.integers(start + 1, len(tokens)))
    span = {"start_token": start, "end_token": end}
    record = make_record(annotate(span), document_text=" ".join(tokens))
    (example,) = read(tmp_path_factory.mktemp("nq"), record)
    (answer,) = example.answers
    assert example.context.startswith(answer.text, answer.start_char)
    tags = {"<P>", "</Table>", '<Td_colspan="2">'}
    words = [token for token in tokens[start:end] if token not in tags]
    assert answer.text.split() == " ".join(words).split()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"document_text": 3}, "line 1.document_text is int, str is needed"),
        ({"question_text": None}, "line 1.question_text is NoneType, str is needed"),
        ({"example_id": 1.5}, "line 1.example_id is float, str is needed"),
        ({"annotations": {}}, "line 1.annotations is dict, list is needed"),
        ({"annotations": []}, "no question has an answer"),
        (
            {"annotations": [{"short_answers": [{"start_token": "1"}]}]},
            "line 1.annotations[0].short_answers[0].start_token is str, int is needed",
        ),
        ({"annotations": [{}]}, "line 1.annotations[0] has no field 'short_answers'"),
    ],
)
def test_a_malformed_record_is_refused_with_line_and_field(tmp_path, fields, message):
    with pytest.raises(InputError) as caught:
        read(tmp_path, make_record(**fields))
    assert str(tmp_path / "nq.jsonl") in str(caught.value)
    assert message in str(caught.value)


def test_a_title_comes_from_the_address_or_else_from_the_context(tmp_path):
    titles = [
        read(tmp_path, make_record(annotate(LARRY), document_url=address))[0].title
        for address in ("https://en.wikipedia.org/wiki/Caf%C3%A9_%26_Bar", None, "http://[", "x")
    ]
    assert titles[0] == "Café & Bar"
    assert titles[1].startswith("context ")
    assert titles[2:] == ["http://[", "x"]
