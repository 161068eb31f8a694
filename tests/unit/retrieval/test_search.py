from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from squadron.errors import InputError
from squadron.retrieval import (
    MEAN,
    METHODS,
    PassageIndex,
    TextEncoder,
    find_passages,
    find_passages_of_each,
)
from tests.unit.retrieval.indexes import WordEncoder, make_document, open_index

TEXTS = [
    "Lions roar in the savannah at night.",
    "Sheep bleat and eat grass.",
    "The C++ compiler reports errors AND warnings.",
    "Who built the tower? An engineer did.",
    'The ratio is 3:4, as "Smith" wrote.',
]


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> PassageIndex:
    index = open_index(str(tmp_path_factory.mktemp("index")))
    index.update([make_document("a.pdf", *TEXTS), make_document("b.md", "Cows.", section="Moo")])
    return index


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> PassageIndex:
    place = str(tmp_path_factory.mktemp("real"))
    index = PassageIndex.open_or_create(place, TextEncoder(), poolings=("mean", "first_token"))
    index.update([make_document("a.pdf", *TEXTS)])
    return index


@pytest.mark.parametrize("method", METHODS)
def test_the_offline_encoder_finds_the_passage(real: PassageIndex, method: str) -> None:
    found = find_passages(real, "Which animals roar?", method)
    assert found[0].passage.text == TEXTS[0]
    assert [one.rank for one in found] == list(range(1, len(found) + 1))


def test_meaning_is_found_without_a_common_word(real: PassageIndex) -> None:
    assert find_passages(real, "big cats", "bm25") == []
    assert find_passages(real, "big cats", "dense")[0].passage.text == TEXTS[0]
    assert find_passages(real, "big cats", "hybrid")[0].passage.text == TEXTS[0]


def test_scores_say_which_methods_found_a_passage(real: PassageIndex) -> None:
    first, *others = find_passages(real, "sheep", "hybrid")
    assert first.scores.keys() == {"dense", "bm25", "hybrid"}
    assert others[0].scores.keys() == {"dense", "hybrid"}
    vectors = real.encoder.encode(["sheep", TEXTS[1]], [MEAN])[MEAN]
    assert first.scores["dense"] == pytest.approx(float(vectors[0] @ vectors[1]), abs=1e-5)
    assert first.scores["hybrid"] > others[0].scores["hybrid"]


def test_the_original_gives_one_passage(index: PassageIndex) -> None:
    assert len(find_passages(index, "sheep", "original")) == 1
    assert len(find_passages(index, "sheep", "original", top_k=3)) == 3
    assert len(find_passages(index, "sheep", "dense")) == 5


@pytest.mark.parametrize(
    ("question", "place"),
    [
        ('"Smith', 4),
        ("Smith AND", 4),
        ("text:smith OR (", 4),
        ("C++ compiler?", 2),
        ("+roar -lions ~1 ^2 *", 0),
        ("who built the tower?! \\ / [] {} <>", 3),
        ("it's 'sheep'; DROP TABLE passages --", 1),
        ("LIONS\n\tNOT sheep lions roar", 0),
    ],
)
@pytest.mark.parametrize("method", ["bm25", "hybrid"])
def test_no_character_of_a_question_has_a_special_meaning(
    index: PassageIndex, question: str, place: int, method: str
) -> None:
    assert find_passages(index, question, method)[0].passage.text == TEXTS[place]


@given(st.text(min_size=1).filter(str.strip))
def test_any_question_gets_results(index: PassageIndex, question: str) -> None:
    assert len(find_passages(index, question, "bm25")) <= 5
    assert len(find_passages(index, question, "dense", top_k=3)) == 3


@pytest.mark.parametrize("question", ["?", '""', "the", ":", "AND"])
def test_a_question_without_words_is_answered_by_vectors(
    index: PassageIndex, question: str
) -> None:
    assert find_passages(index, question, "bm25") == []
    assert len(find_passages(index, question, "hybrid")) == 5


def test_a_heading_is_found(index: PassageIndex) -> None:
    (found,) = find_passages(index, "moo", "bm25")
    assert found.passage.text == "Cows."
    assert found.passage.section == "Moo"


def test_stems_are_found(index: PassageIndex) -> None:
    assert find_passages(index, "lion roaring", "bm25")[0].passage.text == TEXTS[0]


def test_many_questions_get_what_each_gets_alone(index: PassageIndex) -> None:
    questions = ["lions", "grass", "tower"]
    for method in METHODS:
        alone = [find_passages(index, question, method) for question in questions]
        assert find_passages_of_each(index, questions, method) == alone
    assert find_passages_of_each(index, []) == []


@pytest.mark.parametrize(
    ("question", "method", "top_k", "problem"),
    [
        (" ", "bm25", 5, "The question is empty"),
        ("a", "magic", 5, "method 'magic' is unknown; choose from .*hybrid"),
        ("a", "dense", 0, "The number of passages is 0; give 1 or more"),
    ],
)
def test_impossible_searches_are_refused(
    index: PassageIndex, question: str, method: str, top_k: int, problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        find_passages(index, question, method, top_k=top_k)


def test_vectors_that_the_index_lacks_are_named(tmp_path: Path) -> None:
    index = open_index(str(tmp_path), (MEAN,))
    with pytest.raises(InputError, match="has no 'first_token' vectors, which 'original' needs"):
        find_passages(index, "a", "original")


def test_an_empty_index_has_no_results(tmp_path: Path) -> None:
    index = open_index(str(tmp_path))
    assert [find_passages(index, "lions", method) for method in METHODS] == [[]] * 4


@pytest.mark.parametrize("method", METHODS)
def test_one_document_is_searched_before_the_best_are_chosen(tmp_path: Path, method: str) -> None:
    index = PassageIndex.open_or_create(
        str(tmp_path), WordEncoder(), poolings=("mean", "first_token")
    )
    others = [make_document(f"{n}.md", "The mill the mill the mill.") for n in range(60)]
    index.update([*others, make_document("o'neill.md", "A mill by the river of the town.")])
    found = find_passages(index, "the mill", method, top_k=2, document="o'neill.md")
    assert [each.passage.document for each in found] == ["o'neill.md"]
    assert find_passages(index, "the mill", method, document="none.md") == []
