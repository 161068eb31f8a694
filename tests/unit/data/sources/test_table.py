import csv
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from squadron.data.sources import list_sources, load_source
from squadron.data.sources.table import read_examples
from squadron.data.validation import Report, validate_examples
from squadron.errors import InputError

FINANCE = Path(__file__).resolve().parents[4] / "examples" / "finance_faq.csv"
PAIRS = [
    ("What is a bond?", "A loan to a state,\nor to a firm."),
    ("What is a share?", 'A "slice" of a firm.'),
    ("Is a bond a loan?", "Yes."),
    ("Is a share a slice?", "Yes."),
    ("What is a bond?", "A promise to pay."),
    ("What is a bond?", "A promise to pay."),
]
CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
TABLES = st.lists(st.tuples(CELLS, CELLS | st.sampled_from(["Yes.", "es", " a\n"])), min_size=1)


def write_csv(path, rows, header=("question", "answer"), encoding="utf-8"):
    with path.open("w", encoding=encoding, newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def write_lines(path, records):
    path.write_text("\n".join(map(json.dumps, records)) + "\n\n", encoding="utf-8")
    return path


def test_table_is_a_source():
    assert "table" in list_sources()
    assert load_source("table").read_examples is read_examples


def test_all_answers_are_one_context_and_equal_ones_share_a_position(tmp_path):
    examples = list(read_examples(write_csv(tmp_path / "faq.csv", PAIRS)))
    context = 'A loan to a state,\nor to a firm.\nA "slice" of a firm.\nYes.\nA promise to pay.'
    assert {example.context for example in examples} == {context}
    assert {example.title for example in examples} == {"faq"}
    assert [example.question for example in examples] == [
        *("What is a bond?", "What is a share?", "Is a bond a loan?", "Is a share a slice?")
    ]
    bond, _, loan, part = examples
    # Asked three times: two different answers, the first of which trains.
    assert [answer.text for answer in bond.answers] == [PAIRS[0][1], PAIRS[4][1]]
    assert loan.answers == part.answers
    assert loan.answers[0].start_char == context.index("Yes.")
    assert bond.where == f"{tmp_path / 'faq.csv'}: line 3"  # where the record ends


@pytest.mark.parametrize("ending", ["csv", "jsonl"])
@given(rows=TABLES)
def test_every_answer_is_the_slice_of_the_context_where_it_says_to_be(
    tmp_path_factory, ending, rows
):
    path = tmp_path_factory.mktemp("any") / f"table.{ending}"
    if ending == "csv":
        write_csv(path, rows)
    else:
        write_lines(path, [{"question": q, "answer": a} for q, a in rows])
    report = Report()
    examples = validate_examples(read_examples(path), report)
    expected = {}
    for question, answer in rows:
        if question.strip() and answer.strip():
            expected.setdefault(question.strip(), {})[answer.strip()] = None
    found = {e.question: [answer.text for answer in e.answers] for e in examples}
    assert found == {question: list(answers) for question, answers in expected.items()}
    assert not report.repaired
    for example in examples:
        for answer in example.answers:
            start = answer.start_char
            assert example.context[start : start + len(answer.text)] == answer.text
            # A whole line or lines: nothing stands before or behind on it.
            assert start == 0 or example.context[start - 1] == "\n"
            assert example.context[start + len(answer.text) :][:1] in ("", "\n")
    assert set(report.rejected) <= {"empty question", "empty answer", "empty context"}


def test_a_questions_id_stays_when_rows_are_added_or_moved(tmp_path):
    before = read_examples(write_csv(tmp_path / "a.csv", PAIRS))
    after = read_examples(write_csv(tmp_path / "b.csv", [("New?", "New."), *PAIRS[::-1]]))
    ids = {example.question: example.id for example in before}
    assert ids.items() < {example.question: example.id for example in after}.items()
    assert len(set(ids.values())) == len(ids)


@pytest.mark.parametrize(
    "header", [("Question", "Source", "ANSWER"), ("q", "x", "a"), (" query ", "q", "Response")]
)
def test_columns_have_synonyms_in_any_case_and_others_are_ignored(tmp_path, header):
    path = write_csv(tmp_path / "t.csv", [("Who?", "else", "Ann.")], header, "utf-8-sig")
    (example,) = read_examples(path)
    assert (example.question, example.answers[0].text) == ("Who?", "Ann.")


def test_what_can_not_be_an_example_is_rejected_with_its_reason_and_harms_no_other(tmp_path):
    records = [
        {"question": "Who?", "answer": "Ann."},
        {"question": " ", "answer": "Bob."},
        {"question": "Where?", "answer": ""},
        {"question": "Which?", "answer": "half \ud800 a pair"},
        {"question": "half \ud800?", "answer": "Eve."},
    ]
    report = Report()
    kept = validate_examples(read_examples(write_lines(tmp_path / "t.jsonl", records)), report)
    assert [example.question for example in kept] == ["Who?"]
    assert report.rejected == {
        "empty question": 1,
        "empty answer": 1,
        "half a surrogate pair in the text": 2,
    }


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("t.csv", "", "{} has no column 'question' (or questions, query, q); there are: none"),
        (
            "t.csv",
            "question;answer\nWho?;Ann\n",
            "{} has no column 'question' (or questions, query, q); there are: 'question;answer'",
        ),
        (
            "t.csv",
            "Question,Reply\nWho?,Ann\n",
            "{} has no column 'answer' (or answers, response, a); there are: 'Question', 'Reply'",
        ),
        ("t.csv", "question,answer\n", "The data file {} has no rows; give question/answer pairs"),
        ("t.jsonl", "\n", "The data file {} has no rows; give question/answer pairs"),
        (
            "t.csv",
            "question,answer\nWho?,Ann\n\nWho?,Ann, and Bob\n",
            "{}: line 4 has 3 cells, the header 2; put quotes around a cell that has commas",
        ),
        (
            "t.csv",
            "question,answer\nWho?\n",
            "{}: line 2 has 1 cells, the header 2; put quotes around a cell that has commas",
        ),
        ("t.csv", 'question,answer\nWho?,"Ann\n', "{}: line 2 is not CSV: unexpected end of data"),
        ("t.jsonl", '["Who?"]\n', "{}: line 1 is no object; one per line is needed"),
        ("t.jsonl", "{\n", "{}: line 1 is not JSON: "),
        (
            "t.jsonl",
            '{"q": "Who?", "a": "Ann"}\n{"q": "Who?"}\n',
            "line 2 of {} has no column 'answer' (or answers, response, a); there are: 'q'",
        ),
        ("t.jsonl", '{"q": "?", "a": 5}\n', "{}: line 1: 'a' is int, str is needed"),
    ],
)
def test_what_is_no_table_is_refused_with_its_place(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        list(read_examples(path))
    assert str(caught.value).startswith(message.format(path))


def test_a_file_that_is_not_there_or_no_text_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"does not exist; check data -> train"):
        list(read_examples(tmp_path / "none.csv"))
    (tmp_path / "bytes.csv").write_bytes(b"question,answer\n\xff\xfe,x\n")
    with pytest.raises(InputError, match="can't be read"):
        list(read_examples(tmp_path / "bytes.csv"))


def test_a_long_cell_is_read_whole(tmp_path):
    (example,) = read_examples(write_csv(tmp_path / "t.csv", [("Who?", "x " * 200_000 + "y")]))
    assert example.context == "x " * 200_000 + "y"


def test_the_finance_questions_are_read_and_nothing_is_rejected():
    report = Report()
    examples = validate_examples(read_examples(FINANCE), report)
    assert (len(examples), report.rejected.total(), report.repaired.total()) == (90, 0, 0)
    assert len({example.context for example in examples}) == 1


def test_a_line_that_is_nested_deeply_is_refused(tmp_path):
    path = tmp_path / "deep.jsonl"
    path.write_text('{"q": "a", "a": "b"}\n{"q": ' + "[" * 5000 + "]" * 5000 + "}\n")
    with pytest.raises(InputError, match="line 2 is not JSON: it is nested too deeply"):
        list(read_examples(path))


@pytest.mark.parametrize("name", ["a\ud800.csv", "a\0.csv"])
def test_a_name_that_no_file_can_have_is_refused(name):
    with pytest.raises(InputError, match="can't be read") as caught:
        list(read_examples(Path(name)))
    str(caught.value).encode()
