"""Rows of answers from an index have the place in the document and the sentence as a citation."""

from squadron.documents.passages import Passage
from squadron.reader import Reader
from squadron.retrieval import Found
from tests import tiny_models

BEFORE = 1_000
"""The characters of the document before each passage."""


def search(questions):
    """Finds two passages for every question."""
    texts = {"porto.pdf": tiny_models.LIBRARY, "tagus.md": tiny_models.RIVER}
    passages = [
        Passage(name, name, 3, "History", BEFORE, BEFORE + len(text), text, ())
        for name, text in texts.items()
    ]
    found = [Found(each, rank, {"hybrid": 1 / rank}) for rank, each in enumerate(passages, 1)]
    return [found for _ in questions]


def find_text(row):
    """Returns the characters of a row in the text of its document."""
    document = row["evidence"]["document"]
    text = tiny_models.LIBRARY if document == "porto.pdf" else tiny_models.RIVER
    return text[row["start_char"] - BEFORE : row["end_char"] - BEFORE]


def test_an_answer_has_its_place_and_its_citation(serve):
    server = serve(search=search)
    assert server.get("/about").json["has_index"] is True
    body = {"question": "Who built the staircase?", "index": True, "top_k": 3}
    row = server.post("/answer", body).json["answer"]
    assert row["answered"]
    assert find_text(row) == row["text"] == row["best_text"]
    evidence = row["evidence"]
    assert evidence["document"] == ("porto.pdf", "tagus.md")[row["context"]]
    assert (evidence["page"], evidence["section"]) == (3, "History")
    assert row["text"] in evidence["text"]
    assert evidence["start_char"] <= row["start_char"] < row["end_char"] <= evidence["end_char"]
    (other,) = row["alternatives"]
    assert {row["context"], other["context"]} == {0, 1}
    assert other["citation"]["document"] != evidence["document"]
    assert "windows" not in row


def test_options_count_for_each_passage(serve):
    server = serve(search=search)
    body = {"question": "Who built the staircase?", "index": True}
    explained = server.post("/answer", {**body, "explain": True}).json["answer"]
    assert {each["context"] for each in explained["windows"]} == {0, 1}
    assert all(each["start_char"] >= BEFORE for each in explained["windows"])
    row = server.post("/answer", {**body, "threshold": 1e9}).json["answer"]
    assert (row["answered"], row["no_answer"], row["text"], row["start_char"]) == (
        False,
        True,
        "",
        -1,
    )
    assert row["best_text"]
    assert (row["evidence"], row["alternatives"]) == (None, [])


def test_a_search_that_finds_nothing_answers_nothing(serve):
    server = serve(search=lambda questions: [[] for _ in questions])
    row = server.post("/answer", {"question": "Who?", "index": True}).json["answer"]
    assert (row["answered"], row["best_text"], row["context"], row["score"]) == (
        False,
        "",
        -1,
        None,
    )


def test_questions_with_and_without_the_index_in_one_request(serve, model):
    server = serve(search=search)
    rows = [
        {"question": "Where does the river rise?", "context": tiny_models.RIVER},
        {"question": "Where does the river rise?", "index": True},
        {"question": "What did boats carry?", "context": tiny_models.RIVER},
    ]
    found = server.post("/invocations", {"inputs": rows}).json["predictions"]
    assert "document" in found[1]["evidence"]
    pairs = [(rows[number]["question"], tiny_models.RIVER) for number in (0, 2)]
    expected = [reading.text for reading in Reader.load(model).read(pairs)]
    assert [found[0]["text"], found[2]["text"]] == expected
