import csv
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from squadron.data.sources import Answer, list_sources, load_source
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


def read_rows(folder, *rows):
    return list(read_examples(write_lines(folder / "t.jsonl", rows)))


def make_row(**fields):
    return {"question": "Who?", "answer": "Ann", "context": "Ann sang. Bob slept.", **fields}


def test_with_a_context_every_row_has_its_own_and_equal_questions_are_one_example(tmp_path):
    first, second = read_rows(
        tmp_path,
        make_row(),
        make_row(answer="Bob"),
        make_row(answer="Ann "),
        make_row(context="Ann. Eve."),
    )
    assert first.answers == [Answer("Ann", 0), Answer("Bob", 10)]
    assert second.answers == [Answer("Ann", 0)]
    assert first.id != second.id
    assert first.title != second.title
    assert first.title.startswith("context ")


@pytest.mark.parametrize("context", ["A then A.", "A" + " b" * 20 + " A", "AAA"])
def test_an_answer_that_stands_twice_in_its_context_needs_its_place(tmp_path, context):
    answer = "A" if context != "AAA" else "AA"
    (example,) = read_rows(tmp_path, make_row(answer=answer, context=context))
    report = Report()
    assert validate_examples([example], report) == []
    assert report.rejected == {"answer occurs more than once": 1}
    start = context.rindex(answer)
    (example,) = read_rows(tmp_path, make_row(answer=answer, context=context, answer_start=start))
    assert validate_examples([example], report)[0].answers == [Answer(answer, start)]


def test_an_empty_answer_about_a_context_is_none_and_contradictions_are_counted(tmp_path):
    examples = read_rows(
        tmp_path,
        make_row(answer=" "),
        make_row(question="Which?", answer="Bob"),
        make_row(question="Which?", answer=""),
    )
    assert [example.is_impossible for example in examples] == [True, False, True]
    report = Report()
    assert len(validate_examples(examples, report)) == 2
    assert report.rejected == {"id used twice": 1}


def test_an_id_that_two_questions_have_is_rejected(tmp_path):
    examples = read_rows(tmp_path, make_row(id=7), make_row(id="7", question="Why?"))
    report = Report()
    assert [example.id for example in validate_examples(examples, report)] == ["7"]
    assert report.rejected == {"id used twice": 1}


def test_a_table_of_contexts_without_any_answer_is_refused(tmp_path):
    with pytest.raises(InputError, match="no question has an answer"):
        read_rows(tmp_path, make_row(answer=""))


@pytest.mark.parametrize("start", ["x", "1.0", "９", "1" * 30])
def test_a_start_that_is_no_whole_number_is_refused(tmp_path, start):
    with pytest.raises(InputError, match=r"line 1: answer_start is .*; a whole number is needed"):
        read_rows(tmp_path, make_row(answer_start=start))


def test_reasoning_types_of_pairs_without_a_context_are_read(tmp_path):
    rows = [("Why?", "So.", "causal"), ("Who?", "Ann.", "")]
    path = write_csv(tmp_path / "t.csv", rows, ("question", "answer", "Reasoning Type"))
    assert [example.reasoning_type for example in read_examples(path)] == ["causal", ""]


def test_tabs_are_between_the_cells_of_a_file_that_says_so(tmp_path):
    for name in ("t.tsv", "t.tab"):
        (tmp_path / name).write_text('q\ta\nWho, me?\t"Ann\tand Bob"\n')
        (example,) = read_examples(tmp_path / name)
        assert (example.question, example.context) == ("Who, me?", "Ann\tand Bob")
    (tmp_path / "t.tsv").write_text("q\ta\nWho?\tAnn\tand Bob\n")
    with pytest.raises(InputError, match="put quotes around a cell that has tabs"):
        list(read_examples(tmp_path / "t.tsv"))


def test_the_title_of_a_packed_table_has_no_ending(tmp_path):
    (tmp_path / "faq.csv.gz").write_bytes(gzip.compress(b"q,a\nWho?,Ann\n"))
    assert next(read_examples(tmp_path / "faq.csv.gz")).title == "faq"
