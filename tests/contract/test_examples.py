"""Checks the data in examples/: there are enough of every kind, and every label is exact."""

import csv
import importlib.util
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from squadron.config import load_experiment
from squadron.data.sources.squad import read_examples
from squadron.data.split import assign_titles
from squadron.data.validation import validate_examples
from squadron.data.validation_report import Report

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
CORPUS = EXAMPLES / "corpus.json"
REASONING_TYPES = {"factual", "causal", "comparative"}


@pytest.fixture(scope="module")
def articles() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(CORPUS.read_text(encoding="utf-8"))["data"]
    return found


@pytest.fixture(scope="module")
def questions(articles: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """(context, question) pairs."""
    return [
        (paragraph["context"], question)
        for article in articles
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    ]


def plain(text: str) -> str:
    """Returns the letters and digits of a question, for comparisons."""
    return " ".join(re.findall(r"\w+", text.lower()))


def test_the_corpus_has_enough_titles_passages_and_questions(
    articles: list[dict[str, Any]], questions: list[tuple[str, dict[str, Any]]]
) -> None:
    titles = [article["title"] for article in articles]
    contexts = [p["context"] for article in articles for p in article["paragraphs"]]
    assert len(titles) == len(set(titles)) >= 30
    assert len(contexts) == len(set(contexts)) >= 80
    assert len(questions) >= 900
    assert all(p["qas"] for article in articles for p in article["paragraphs"])


def test_a_fifth_to_three_tenths_of_the_questions_have_no_answer(
    questions: list[tuple[str, dict[str, Any]]],
) -> None:
    share = sum(question["is_impossible"] for _, question in questions) / len(questions)
    assert 0.20 <= share <= 0.30
    for _, question in questions:
        assert bool(question["answers"]) != question["is_impossible"], question["id"]


def test_every_question_has_a_reasoning_type_and_each_type_occurs_often(
    questions: list[tuple[str, dict[str, Any]]],
) -> None:
    counts = Counter(question["reasoning_type"] for _, question in questions)
    assert set(counts) == REASONING_TYPES
    assert counts["causal"] >= 150
    assert counts["comparative"] >= 150


def test_every_answer_stands_exactly_where_it_says(
    questions: list[tuple[str, dict[str, Any]]],
) -> None:
    checked = Counter[str]()
    for context, question in questions:
        for kind in ("answers", "plausible_answers"):
            for answer in question.get(kind, []):
                start, text = answer["answer_start"], answer["text"]
                assert text
                assert text == text.strip()
                assert context[start : start + len(text)] == text, question["id"]
                checked[kind] += 1
    assert checked["answers"] >= 900
    assert checked["plausible_answers"] > 0


def test_no_id_and_no_question_occurs_twice(
    questions: list[tuple[str, dict[str, Any]]],
) -> None:
    ids = [question["id"] for _, question in questions]
    assert len(set(ids)) == len(ids)
    counts = Counter(plain(question["question"]) for _, question in questions)
    assert [text for text, count in counts.items() if count > 1] == []


def test_the_corpus_passes_validation_untouched() -> None:
    report = Report()
    validate_examples(read_examples(CORPUS), report)
    assert report.accepted == report.total >= 900
    assert not report.repaired


def test_the_text_to_ask_about_has_ten_questions_of_every_kind() -> None:
    report = Report()
    asked = validate_examples(read_examples(EXAMPLES / "moon_landing.json"), report)
    assert not report.repaired
    text = (EXAMPLES / "moon_landing.txt").read_text(encoding="utf-8").strip()
    assert {example.context for example in asked} == {text}
    assert len(asked) == 10
    assert sum(example.is_impossible for example in asked) == 2
    counts = Counter(example.reasoning_type for example in asked)
    assert counts["causal"] == 3
    assert counts["comparative"] == 1
    # No contender of the example race has trained on it.
    assert "Moon_landing" not in {example.title for example in read_examples(CORPUS)}


def test_every_split_of_the_example_race_has_both_kinds_of_questions() -> None:
    data = load_experiment(ROOT / "experiments" / "example.yaml").data
    examples = list(read_examples(CORPUS))
    split_of = assign_titles((e.title for e in examples), data.splits, data.seed)
    for split in ("train", "tune", "select", "test"):
        part = [e for e in examples if split_of[e.title] == split]
        assert len(part) >= 50, split
        assert 0.1 <= sum(e.is_impossible for e in part) / len(part) <= 0.4, split


def test_the_faq_has_enough_rows_of_its_own_text() -> None:
    with (EXAMPLES / "finance_faq.csv").open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, strict=True)
        rows = list(reader)
    assert reader.fieldnames == ["question", "answer"]
    assert len(rows) >= 80
    for row in rows:
        assert set(row) == {"question", "answer"}  # no row has a column too many or too few
        assert all(value and value.strip() for value in row.values())
    for column in ("question", "answer"):
        assert len({plain(row[column]) for row in rows}) == len(rows), column


def test_the_handbook_has_pages_of_text() -> None:
    pypdf = pytest.importorskip("pypdf")
    pages = pypdf.PdfReader(EXAMPLES / "handbook.pdf").pages
    assert len(pages) >= 6
    for number, page in enumerate(pages, start=1):
        assert len(page.extract_text().split()) > 50, number
    assert "Harrow Point" in pages[0].extract_text()


@pytest.fixture
def handbook_script(tmp_path: Path) -> Any:
    """Copies the script, because it writes beside itself."""
    pytest.importorskip("reportlab")
    copy = tmp_path / "make_handbook_pdf.py"
    copy.write_bytes((EXAMPLES / copy.name).read_bytes())
    spec = importlib.util.spec_from_file_location(copy.stem, copy)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_script_makes_the_committed_handbook_byte_by_byte(
    handbook_script: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    handbook_script.main()
    made = (tmp_path / "handbook.pdf").read_bytes()
    committed = (EXAMPLES / "handbook.pdf").read_bytes()
    assert made == committed, "the script, or the reportlab it runs on, is another one"
    assert "pages" in capsys.readouterr().out
