import copy
import json
import re
from pathlib import Path

import pytest

from squadron.data.sources import Answer, Example, list_sources, load_source, read_file
from squadron.data.sources.squad import read_examples
from squadron.data.validation import Report, validate_examples
from squadron.errors import InputError

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures"


def write(folder, content):
    path = folder / "data.json"
    text = content if isinstance(content, str) else json.dumps(content)
    path.write_text(text, encoding="utf-8")
    return path


def make_content(**question):
    """One question, with fields changed, or left out where None."""
    fields = {"id": "q", "question": "Who?", "answers": [{"text": "Ann", "answer_start": 0}]}
    fields = {k: v for k, v in {**fields, **question}.items() if v is not None}
    return {"data": [{"title": "T", "paragraphs": [{"context": "Ann sang.", "qas": [fields]}]}]}


def read(folder, content):
    return list(read_examples(write(folder, content)))


def test_version_1_gives_every_question_in_file_order():
    path = FIXTURES / "squad1.json"
    examples = list(read_examples(path))
    assert [example.id for example in examples] == ["l1", "l2", "l3", "t1"]
    assert examples[0] == Example(
        id="l1",
        title="Lighthouses",
        question="When was the first lens lit?",
        context="The first lens was lit in July 1823 at Cordouan. Augustin Fresnel died in 1827.",
        answers=[Answer("July 1823", 26), Answer("1823", 31)],
        reasoning_type="",
        is_impossible=False,
        where=f"{path}: data[0].paragraphs[0].qas[0]",
    )
    assert examples[2].where == f"{path}: data[0].paragraphs[1].qas[0]"
    assert examples[3].title == "東京"


def test_characters_are_counted_as_python_counts_them():
    examples = list(read_examples(FIXTURES / "squad1.json"))
    assert "\r\n" in examples[2].context
    assert "  " in examples[2].context
    for example in examples:
        for answer in example.answers:
            assert example.context.startswith(answer.text, answer.start_char)


def test_version_2_gives_unanswerable_questions_and_ignores_plausible_answers():
    answerable, unanswerable = read_examples(FIXTURES / "squad2.json")
    assert not answerable.is_impossible
    assert answerable.reasoning_type == "causal"
    assert unanswerable.is_impossible
    assert unanswerable.answers == []
    assert unanswerable.reasoning_type == ""


@pytest.mark.parametrize("name", ["squad1.json", "squad2.json"])
def test_whole_files_pass_validation_untouched(name):
    report = Report()
    examples = list(read_examples(FIXTURES / name))
    expected = copy.deepcopy(examples)
    assert validate_examples(examples, report) == expected
    assert report == Report(accepted=len(expected))
    assert report.total == len(expected)


def test_a_byte_order_mark_is_no_fault(tmp_path):
    path = tmp_path / "data.json"
    path.write_text("\ufeff" + json.dumps(make_content()), encoding="utf-8")
    assert [example.id for example in read_examples(path)] == ["q"]


def test_a_reasoning_type_of_null_is_none(tmp_path):
    content = make_content()
    content["data"][0]["paragraphs"][0]["qas"][0]["reasoning_type"] = None
    assert read(tmp_path, content)[0].reasoning_type == ""


@pytest.mark.parametrize("text", ["[" * 993 + "]" * 993, '{"data":' * 5000 + "1" + "}" * 5000])
def test_a_file_that_is_nested_deeply_is_refused(tmp_path, text):
    with pytest.raises(InputError, match=r"data\.json is not JSON: it is nested too deeply"):
        read(tmp_path, text)


def test_a_deep_value_in_the_wrong_place_is_shown_short(tmp_path):
    deep = json.loads("[" * 900 + "]" * 900)
    with pytest.raises(InputError, match=r"is_impossible is \[+\.\.\.\]+; true or false is needed"):
        read(tmp_path, make_content(is_impossible=deep))


@pytest.mark.parametrize("name", ["a\ud800.json", "a\0.json"])
def test_a_name_that_no_file_can_have_is_refused(name):
    with pytest.raises(InputError, match="can't be read") as caught:
        list(read_examples(Path(name)))
    str(caught.value).encode()


def test_an_empty_data_list_has_no_examples(tmp_path):
    assert read(tmp_path, {"data": []}) == []


PARAGRAPH = "data[0].paragraphs[0]"
QUESTION = f"{PARAGRAPH}.qas[0]"
ANSWER = f"{QUESTION}.answers[0]"
LAYOUT = 'is not in SQuAD layout: an object with the list "data" is needed at the top'

MALFORMED = [
    ([], LAYOUT),
    ({}, LAYOUT),
    ({"data": {}}, LAYOUT),
    ("[{]", "is not JSON: "),
    ("", "is not JSON: "),
    ({"data": ["T"]}, "data[0] is str, not an object with 'title'"),
    ({"data": [{}]}, "data[0] has no field 'title'"),
    ({"data": [{"title": 3}]}, "data[0].title is int, str is needed"),
    ({"data": [{"title": "T"}]}, "data[0] has no field 'paragraphs'"),
    ({"data": [{"title": "T", "paragraphs": {}}]}, "data[0].paragraphs is dict, list is needed"),
    (
        {"data": [{"title": "T", "paragraphs": [None]}]},
        f"{PARAGRAPH} is NoneType, not an object with 'context'",
    ),
    (
        {"data": [{"title": "T", "paragraphs": [{"qas": []}]}]},
        f"{PARAGRAPH} has no field 'context'",
    ),
    (
        {"data": [{"title": "T", "paragraphs": [{"context": "c"}]}]},
        f"{PARAGRAPH} has no field 'qas'",
    ),
    (
        {"data": [{"title": "T", "paragraphs": [{"context": "c", "qas": ["q"]}]}]},
        f"{QUESTION} is str, not an object with 'answers'",
    ),
    # The flat layout of the Hugging Face data sets.
    ({"data": [make_content()["data"][0]["paragraphs"][0]]}, "data[0] has no field 'title'"),
    (make_content(id=None), f"{QUESTION} has no field 'id'"),
    (make_content(id=7), f"{QUESTION}.id is int, str is needed"),
    (make_content(question=None), f"{QUESTION} has no field 'question'"),
    (make_content(question=["Who?"]), f"{QUESTION}.question is list, str is needed"),
    (make_content(answers=None), f"{QUESTION} has no field 'answers'"),
    (make_content(answers="Ann"), f"{QUESTION}.answers is str, list is needed"),
    (
        make_content(answers={"text": ["Ann"], "answer_start": [0]}),
        f"{QUESTION}.answers is dict, list is needed",
    ),
    (make_content(answers=["Ann"]), f"{ANSWER} is str, not an object with 'text'"),
    (make_content(answers=[{"answer_start": 0}]), f"{ANSWER} has no field 'text'"),
    (make_content(answers=[{"text": "Ann"}]), f"{ANSWER} has no field 'answer_start'"),
    (
        make_content(answers=[{"text": "Ann", "answer_start": "0"}]),
        f"{ANSWER}.answer_start is str, int is needed",
    ),
    (
        make_content(answers=[{"text": "Ann", "answer_start": True}]),
        f"{ANSWER}.answer_start is bool, int is needed",
    ),
    (
        make_content(answers=[{"text": "Ann", "answer_start": 0}, {"text": 3}]),
        f"{QUESTION}.answers[1].text is int, str is needed",
    ),
    (
        make_content(answers=[{"text": "Ann", "answer_start": 0}, {"text": "Ann"}]),
        f"{QUESTION}.answers[1] has no field 'answer_start'",
    ),
    (
        make_content(is_impossible="false"),
        f"{QUESTION}.is_impossible is 'false'; true or false is needed",
    ),
    (make_content(reasoning_type=3), f"{QUESTION}.reasoning_type is 3; text is needed"),
]


@pytest.mark.parametrize(("content", "message"), MALFORMED)
def test_a_malformed_file_is_refused_with_file_record_and_field(content, message, tmp_path):
    with pytest.raises(InputError) as caught:
        read(tmp_path, content)
    assert str(tmp_path / "data.json") in str(caught.value)
    assert message in str(caught.value)


def test_the_number_of_the_bad_record_is_its_own(tmp_path):
    content = make_content()
    good = content["data"][0]["paragraphs"][0]
    bad = {**good, "qas": [good["qas"][0], {**good["qas"][0], "question": None}]}
    content["data"] = [content["data"][0], {"title": "U", "paragraphs": [good, good, bad]}]
    with pytest.raises(InputError, match=re.escape("data[1].paragraphs[2].qas[1].question")):
        read(tmp_path, content)


def test_examples_before_a_bad_record_are_given(tmp_path):
    content = make_content()
    content["data"].append({"title": "U"})
    examples = read_examples(write(tmp_path, content))
    assert next(examples).id == "q"
    with pytest.raises(InputError):
        next(examples)


def test_a_file_that_does_not_exist_is_named(tmp_path):
    with pytest.raises(InputError) as caught:
        list(read_examples(tmp_path / "no.json"))
    assert str(caught.value) == (
        f"The data file {tmp_path / 'no.json'} does not exist; "
        "check data -> train, train_only and test"
    )


def test_a_folder_and_a_file_that_is_no_text_can_not_be_read(tmp_path):
    with pytest.raises(InputError, match="can't be read"):
        list(read_examples(tmp_path))
    (tmp_path / "data.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="can't be read"):
        list(read_examples(tmp_path / "data.json"))


def test_sources_are_the_files_of_the_folder():
    assert "squad" in list_sources()
    for name in list_sources():
        assert callable(load_source(name).read_examples)


def test_an_unknown_source_is_refused_with_those_there_are():
    with pytest.raises(InputError) as caught:
        load_source("squad2")
    assert str(caught.value) == (
        f"data -> source: 'squad2' is not a source; known: {['auto', *list_sources()]}"
    )


def test_all_faults_of_a_file_are_told_at_once_with_their_count_and_first_place(tmp_path):
    content = {"data": []}
    for number in range(3):
        article = make_content(id=number)["data"][0]
        del article["title"]
        content["data"].append(article)
    content["data"][2]["paragraphs"][0]["qas"][0]["answers"] = None
    path = write(tmp_path, content)
    with pytest.raises(InputError) as caught:
        list(read_examples(path))
    assert str(caught.value) == (
        f"{path}: data[0] has no field 'title' (the first of 3); "
        "data[0].paragraphs[0].qas[0].id is int, str is needed (the first of 3); "
        "data[2].paragraphs[0].qas[0].answers is NoneType, list is needed; "
        "SQuAD layout needs these fields, of these types"
    )


@pytest.mark.parametrize(
    ("name", "text", "other"),
    [
        ("t.csv", "Question,Source,Answer\nWho?,x,Ann\n", "table"),
        ("t.jsonl", '{"q": "Who?", "a": "Ann"}\n{"q": "Why?", "a": "So"}\n', "table"),
        ("t.json", json.dumps(make_content()), "squad"),
    ],
)
def test_a_file_of_another_source_is_told_which_one(tmp_path, name, text, other):
    (tmp_path / name).write_text(text)
    wrong = next(source for source in ("squad", "table") if source != other)
    with pytest.raises(InputError) as caught:
        list(read_file(wrong, tmp_path / name))
    settings = load_source(other).SETTINGS
    assert settings.startswith(f"data.source: {other}")
    assert str(caught.value).endswith(
        f"; it looks like a file of the source {other!r}: set {settings}"
    )
    assert len(str(caught.value)) < 1000
    assert list(read_file(other, tmp_path / name))


@pytest.mark.parametrize("name", list_sources())
@pytest.mark.parametrize("text", ["", "\n", "[]", "7", '"q,a"', "{", "\0", 'x,y\n"', "\ufeff"])
def test_what_no_source_knows_is_told_no_source(tmp_path, name, text):
    for ending in ("csv", "jsonl", "json"):
        path = tmp_path / f"x.{ending}"
        path.write_text(text, encoding="utf-8")
        assert not any(load_source(each).recognizes(path) for each in list_sources())
        with pytest.raises(InputError) as caught:
            list(read_file(name, path))
        assert "looks like" not in str(caught.value)


def test_a_file_that_can_not_be_opened_is_one_sentence(tmp_path, monkeypatch):
    path = write(tmp_path, make_content())

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    for name in list_sources():
        with pytest.raises(InputError, match=r"can't be read: .*Permission denied$"):
            list(read_file(name, path))
    with pytest.raises(InputError, match=r"can't be read: .*Permission denied$"):
        list(read_file("auto", path))
