import csv
import inspect
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from squadron.data.sources import choose_source, pairs, read_file
from squadron.data.sources.pairs import read_examples
from squadron.data.validation import Report, validate_examples
from squadron.errors import InputError
from tests.layouts import QUESTIONS, without_places, write_text


def write(folder, text, name="faq.txt"):
    path = folder / name
    write_text(path, text)
    return path


def test_the_example_of_the_docstring(tmp_path):
    text = textwrap.dedent(inspect.getdoc(pairs).split("\n\n", 1)[1].split("\n\n- ")[0])
    path = write(tmp_path, text)
    first, second = read_examples(path)
    assert first.question == "What is a bond?"
    assert [answer.text for answer in first.answers] == ["A loan to a state,\nor to a firm."]
    assert [answer.text for answer in second.answers] == [
        *("To borrow without a bank.", "Because it is cheaper.")
    ]
    assert second.reasoning_type == "causal"
    assert first.context == second.context
    assert first.context.startswith(f"{first.answers[0].text}\n{second.answers[0].text}\n")
    assert second.where == f"{path}: line 6"
    assert choose_source(path) == "pairs"


@pytest.mark.parametrize("name", ["faq.txt", "faq.txt.gz"])
def test_the_same_pairs_give_the_same_examples_as_a_table(tmp_path, name):
    asked = [each for each in QUESTIONS if each.answers]
    rows = [(each, answer.text) for each in asked for answer in each.answers]
    blocks = "".join(
        f"Q: {each.question}\n"
        + "".join(f"A: {answer.text}\n" for answer in each.answers)
        + (f"Reasoning type: {each.reasoning_type}\n\n" if each.reasoning_type else "\n")
        for each in asked
    )
    with (tmp_path / "faq.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [
                ("question", "answer", "reasoning_type"),
                *((each.question, answer, each.reasoning_type) for each, answer in rows),
            ]
        )
    found = without_places(read_file("auto", write(tmp_path, blocks, name)))
    assert found == without_places(read_file("auto", tmp_path / "faq.csv"))
    assert [example.question for example in found] == [each.question for each in asked]
    assert {example.title for example in found} == {"faq"}


@pytest.mark.parametrize("line", ["q:", "Question 12:", " QUESTION:", "Q1:", "Q :", "Q\uff1a"])
def test_words_at_the_beginning_may_be_written_in_several_ways(tmp_path, line):
    (example,) = read_examples(write(tmp_path, f"{line}Who?\r\nANSWER: Ann: the first\r\n"))
    assert (example.question, example.context) == ("Who?", "Ann: the first")


def test_a_question_without_an_answer_is_rejected_and_counted(tmp_path):
    report = Report()
    path = write(tmp_path, "Q: Who?\n\nQ: Why?\nA: So.\nQ:\nA: And?\n")
    kept = validate_examples(read_examples(path), report)
    assert [example.question for example in kept] == ["Why?"]
    assert report.rejected == {"empty answer": 1, "empty question": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no rows; give question/answer pairs"),
        ("# Only\n", "has no rows; give question/answer pairs"),
        ("A: Ann\n", 'line 1 has no question before it; begin a line with "Q:"'),
        ("Who?\n", "line 1 'Who?' belongs to no question or answer; begin it with"),
        ("Q: Who?\nA: Ann\n\nand Bob\n", "line 4 'and Bob' belongs to no question or answer"),
    ],
)
def test_a_line_without_its_place_is_refused(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(InputError) as caught:
        list(read_examples(path))
    assert str(path) in str(caught.value)
    assert message in str(caught.value)


LINES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)


@given(rows=st.lists(st.tuples(LINES, LINES), min_size=1))
def test_every_answer_is_the_slice_of_the_context_where_it_says_to_be(tmp_path_factory, rows):
    text = "\n\n".join(f"Q: {question}\nA: {answer}" for question, answer in rows)
    report = Report()
    path = write(tmp_path_factory.mktemp("pairs"), text)
    examples = validate_examples(read_examples(path), report)
    expected = {}
    for question, answer in rows:
        if question.strip() and answer.strip():
            expected.setdefault(question.strip(), {})[answer.strip()] = None
    assert {e.question: [a.text for a in e.answers] for e in examples} == {
        question: list(answers) for question, answers in expected.items()
    }
    assert not report.repaired
