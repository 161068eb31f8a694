import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from squadron.data.sources import Answer, load_source
from squadron.data.sources.flat import read_examples
from squadron.data.validation import Report, validate_examples
from squadron.errors import InputError


def make_record(**fields):
    """A record with fields changed, or left out where None."""
    answers = {"text": ["Ann"], "answer_start": [0]}
    given = {"id": "q", "title": "T", "context": "Ann sang.", "question": "Who?"}
    given = {**given, "answers": answers, **fields}
    return {name: value for name, value in given.items() if value is not None}


def write(folder, content, name="data.json"):
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def read(folder, *records):
    return list(read_examples(write(folder, list(records))))


def test_flat_is_a_source():
    assert load_source("flat").read_examples is read_examples


def test_a_record_without_answers_is_unanswerable_unless_it_says_otherwise(tmp_path):
    none = {"text": [], "answer_start": []}
    examples = read(
        tmp_path,
        make_record(),
        make_record(id="r", answers=none),
        make_record(id="s", answers=[]),
        make_record(id="t", answers=none, is_impossible=False),
        {**make_record(id="u", is_impossible=True), "answers": None},
    )
    assert [example.is_impossible for example in examples] == [False, True, True, False, True]
    report = Report()
    assert len(validate_examples(examples, report)) == 4
    assert report.rejected == {"no answer and not marked unanswerable": 1}


def test_without_id_and_title_they_are_made_from_question_and_context(tmp_path):
    first, second, other = read(
        tmp_path,
        make_record(id=None, title=None),
        make_record(id=None, title=" ", question="Why?") | {"title": None},
        make_record(id=None, title=None, context="Ann and Bob."),
    )
    assert first.title == second.title != other.title
    assert len({first.id, second.id, other.id}) == 3
    assert first.title.startswith("context ")
    again = read(tmp_path, make_record(id=None, title=None))
    assert again[0].id == first.id


def test_a_number_is_an_id(tmp_path):
    assert [e.id for e in read(tmp_path, make_record(id=7), make_record(id=-3))] == ["7", "-3"]


def test_a_column_of_a_table_is_null_where_a_record_has_no_such_field(tmp_path):
    rows = [
        make_record() | {"is_impossible": None, "reasoning_type": None},
        make_record(id="r") | {"title": None, "is_impossible": True, "reasoning_type": "causal"},
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet")
    first, second = read_examples(tmp_path / "x.parquet")
    assert (first.is_impossible, first.reasoning_type) == (False, "")
    assert (second.is_impossible, second.reasoning_type) == (True, "causal")
    assert second.title.startswith("context ")


def test_a_single_record_and_blank_lines_are_read(tmp_path):
    (example,) = read_examples(write(tmp_path, make_record()))
    assert example.answers == [Answer("Ann", 0)]
    line = json.dumps(make_record())
    assert len(list(read_examples(write(tmp_path, f"\n{line}\n\n{line}\n", "x.jsonl")))) == 2


def test_the_same_context_is_in_memory_once(tmp_path):
    first, second = read(tmp_path, make_record(), make_record(id="r"))
    assert first.context is second.context


def test_other_columns_of_parquet_are_not_read(tmp_path):
    rows = [make_record() | {"embedding": [1.0] * 10}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "x.parquet")
    assert len(list(read_examples(tmp_path / "x.parquet"))) == 1


MALFORMED = [
    ([], "can't be used: it has no records"),
    ({}, "is not in the flat layout: a list of records"),
    ("7", "is not in the flat layout: a list of records"),
    ("", "is not JSON: "),
    ("{]", "is not JSON: "),
    (["x"], "[0] is str, not an object with 'question'"),
    ({"data": [make_record(question=None)]}, "data[0] has no field 'question'"),
    ([make_record(context=None)], "[0] has no field 'context'"),
    ([make_record(context=3)], "[0].context is int, str is needed"),
    ([make_record(id=True)], "[0].id is bool, str is needed"),
    ([make_record(id=10**100)], "[0].id is int, str is needed"),
    ([make_record(title=[])], "[0].title is list, str is needed"),
    ([make_record(answers=None)], "[0] has no field 'answers'"),
    ([make_record() | {"answers": None}], "[0].answers is NoneType, list is needed"),
    ([make_record(answers="Ann")], "[0].answers is str, list is needed"),
    ([make_record(answers={"text": ["Ann"]})], "[0].answers has no field 'answer_start'"),
    (
        [make_record(answers={"text": ["Ann"], "answer_start": []})],
        "[0].answers has 1 texts and 0 starts",
    ),
    (
        [make_record(answers={"text": [3], "answer_start": ["0"]})],
        "[0].answers.text[0] is int, str is needed; [0].answers.answer_start[0] is str, int is",
    ),
    ([make_record(answers=[{"text": "Ann"}])], "[0].answers[0] has no field 'answer_start'"),
    ([make_record(is_impossible="no")], "[0].is_impossible is 'no'; true or false is needed"),
    ([make_record(reasoning_type=3)], "[0].reasoning_type is 3; text is needed"),
    ([make_record(), make_record(question=None), {}], "[1] has no field 'question' (the first of"),
    ([make_record(answers=[])], "can't be used: no question has an answer; give records with"),
    (f"{json.dumps(make_record())}\n{{", "line 2 is not JSON: "),
]


@pytest.mark.parametrize(("content", "message"), MALFORMED)
def test_a_malformed_file_is_refused_with_file_record_and_field(content, message, tmp_path):
    with pytest.raises(InputError) as caught:
        list(read_examples(write(tmp_path, content)))
    assert str(tmp_path / "data.json") in str(caught.value)
    assert message in str(caught.value)


def test_all_questions_may_be_unanswerable_if_they_say_so(tmp_path):
    (example,) = read(tmp_path, make_record(answers=[], is_impossible=True))
    assert example.is_impossible


def test_a_file_that_is_no_parquet_is_refused(tmp_path):
    path = tmp_path / "x.parquet"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(InputError, match=r"x\.parquet is not Parquet: "):
        list(read_examples(path))
    assert not load_source("flat").recognizes(path)
    with pytest.raises(InputError, match="does not exist; check data"):
        list(read_examples(tmp_path / "none.parquet"))
