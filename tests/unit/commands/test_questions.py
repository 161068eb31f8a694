"""Questions from a file and answers in a file, for `squadron ask`."""

import csv
import json

import pytest

from squadron.commands._questions import check_output, read_questions, write_answers
from squadron.errors import InputError

QUESTIONS = ["Who built it?", "Wann, und wo? Für wen?", 'What is "this"?']


def write_csv(path):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["id", "question"], *(["1", each] for each in QUESTIONS)])


def test_a_question_in_quotes_may_go_over_lines(tmp_path):
    (tmp_path / "q.csv").write_text('question,id\n"Who\nbuilt it?",1\nWhy?,2\n')
    assert read_questions(tmp_path / "q.csv") == ["Who\nbuilt it?", "Why?"]


def write_lines(path):
    path.write_text("".join(json.dumps({"question": q}) + "\n\n" for q in QUESTIONS))


def write_text(path):
    path.write_text("\ufeff" + "\r\n\n".join(QUESTIONS), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "write"),
    [("q.txt", write_text), ("q.csv", write_csv), ("q.JSONL", write_lines), ("none", write_text)],
)
def test_each_layout_gives_the_same_questions(tmp_path, name, write):
    write(tmp_path / name)
    assert read_questions(tmp_path / name) == QUESTIONS


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("q.txt", b"", "has no questions; write one per line"),
        ("q.txt", b" \n\n", "has no questions"),
        (
            "q.txt",
            "Wer? Für wen?".encode("latin-1"),
            "is not UTF-8 text (byte 6); save it as UTF-8",
        ),
        ("q.csv", b"id,text\n1,Who?\n", "has no column 'question'; there are: id, text"),
        ("q.csv", b"", "has no column 'question'; there are: none"),
        ("q.csv", b'question\n"Who?', "is not CSV: unexpected end"),
        ("q.jsonl", b'{"question": "Who?"}\n{', "line 2 is not JSON"),
        ("q.jsonl", b'{"question": 3}', "line 1 has no text 'question'"),
        ("q.jsonl", b"[1]", "line 1 has no text 'question'"),
        ("missing.txt", None, "can't be read: No such file"),
    ],
)
def test_what_is_no_file_of_questions_is_refused_in_one_sentence(tmp_path, name, content, words):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_questions(path)
    assert str(caught.value).startswith(f"--questions: {path}")
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


ROWS = [
    {"question": "Who?", "text": "Ann, of Ü", "score": 1.5, "alternatives": [{"text": "Bob"}]},
    {"question": "Why?", "text": "", "score": None, "alternatives": [], "page": 3},
]


def test_answers_are_written_as_json_lines(tmp_path):
    write_answers(tmp_path / "a.jsonl", ROWS)
    lines = (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == ROWS


def test_answers_are_written_as_csv(tmp_path):
    write_answers(tmp_path / "a.csv", ROWS)
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["text"] for row in rows] == ["Ann, of Ü", ""]
    assert [row["score"] for row in rows] == ["1.5", ""]
    assert [json.loads(row["alternatives"]) for row in rows] == [[{"text": "Bob"}], []]
    assert [row["page"] for row in rows] == ["", "3"]


def test_a_failure_leaves_the_file_as_it_was(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("before")
    with pytest.raises(TypeError):
        write_answers(path, [{"question": object()}])
    assert path.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["a.jsonl"]


def test_an_output_that_can_not_be_written_is_refused_before_any_work(tmp_path):
    with pytest.raises(InputError, match=r"a\.txt must end in \.csv or \.jsonl"):
        check_output(tmp_path / "a.txt")
    with pytest.raises(InputError, match=r"the folder .*/none does not exist; make it first"):
        check_output(tmp_path / "none" / "a.csv")
    check_output(tmp_path / "a.csv")
