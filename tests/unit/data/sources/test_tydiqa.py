import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from squadron.data.sources import Answer, read_file
from squadron.data.sources.tydiqa import read_examples
from squadron.data.validation import Report, validate_examples
from squadron.errors import InputError

TEXT = "도라에몽은 1979년에 시작했다."


def annotate(start=-1, end=-1, yes_no="NONE", passage=-1):
    span = {"plaintext_start_byte": start, "plaintext_end_byte": end}
    return {
        "minimal_answer": span,
        "passage_answer": {"candidate_index": passage},
        "yes_no_answer": yes_no,
    }


def make_record(*annotations, **fields):
    return {
        "annotations": list(annotations),
        "document_plaintext": TEXT,
        "document_title": "도라에몽",
        "example_id": -2226525965842375672,
        "question_text": "언제 시작했나?",
        "language": "korean",
        **fields,
    }


def read(folder, *records):
    path = folder / "tydi.jsonl"
    path.write_text("\n".join(map(json.dumps, records)))
    return list(read_examples(path))


def test_minimal_answers_are_spans_of_characters(tmp_path):
    start = len("도라에몽은 ".encode())
    (example,) = read(tmp_path, make_record(annotate(start, start + 7, passage=0), annotate()))
    assert example.answers == [Answer("1979년", 6)]
    assert example.id == "-2226525965842375672"
    assert (example.title, example.context) == ("도라에몽", TEXT)


def test_yes_no_and_passages_are_rejected_and_no_answer_is_unanswerable(tmp_path):
    examples = read(
        tmp_path,
        make_record(annotate(), annotate(), example_id=1),
        make_record(annotate(yes_no="NO", passage=1), example_id=2),
        make_record(annotate(passage=1), annotate(), example_id=3),
    )
    assert [example.is_impossible for example in examples] == [True, False, False]
    report = Report()
    assert [e.id for e in validate_examples(examples, report)] == ["1"]
    assert report.rejected == {"no answer and not marked unanswerable": 2}


@pytest.mark.parametrize(("start", "end"), [(1, 6), (0, 2), (3, 999), (-1, 3), (6, 3), (3, 3)])
def test_a_span_that_cuts_a_character_or_is_outside_is_rejected(tmp_path, start, end):
    report = Report()
    assert validate_examples(read(tmp_path, make_record(annotate(start, end))), report) == []
    assert report.rejected == {"empty answer": 1}


@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1), data=st.data())
def test_every_span_of_bytes_becomes_its_characters(tmp_path_factory, text, data):
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    span = (len(text[:start].encode()), len(text[:end].encode()))
    record = make_record(annotate(*span), document_plaintext=text)
    (example,) = read(tmp_path_factory.mktemp("tydi"), record)
    assert example.answers == [Answer(text[start:end], start)]


def test_the_gold_passage_task_is_squad(tmp_path):
    # The fields of the official files; the ids begin with the language.
    answer = {"text": "1979년", "answer_start": 6}
    qas = [{"id": "korean-1-0", "question": "언제?", "answers": [answer]}]
    data = [{"title": "도라에몽", "paragraphs": [{"context": TEXT, "qas": qas}]}]
    path = tmp_path / "tydiqa-goldp-v1.1-dev.json"
    path.write_text(json.dumps({"version": "TyDiQA-GoldP-1.1-for-SQuAD-1.1", "data": data}))
    (example,) = read_file("auto", path)
    assert example.answers == [Answer("1979년", 6)]
    with pytest.raises(InputError, match="it looks like a file of the source 'squad'"):
        list(read_file("tydiqa", path))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"document_plaintext": None}, "line 1.document_plaintext is NoneType, str is needed"),
        ({"document_title": 3}, "line 1.document_title is int, str is needed"),
        ({"annotations": [{}]}, "line 1.annotations[0] has no field 'minimal_answer'"),
        ({"annotations": [{"minimal_answer": {}}]}, "has no field 'plaintext_start_byte'"),
        ({"annotations": []}, "no question has an answer"),
    ],
)
def test_a_malformed_record_is_refused_with_line_and_field(tmp_path, fields, message):
    with pytest.raises(InputError) as caught:
        read(tmp_path, make_record(**fields))
    assert str(tmp_path / "tydi.jsonl") in str(caught.value)
    assert message in str(caught.value)
