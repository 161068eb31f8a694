import pytest

from squadron.documents.passages import Passage
from squadron.retrieval import RightPassages, measure_recall


def passage(text: str, name: str = "") -> Passage:
    return Passage(name or text, "a.pdf", 1, "", 0, len(text), text)


MILL = passage("The mill was built in 1820 by Ann Lee.")
FIRE = passage("A fire of 1820 spared the Ann-Lee house.")
RIGHT = RightPassages([MILL, FIRE])


@pytest.mark.parametrize(
    ("golds", "expected"),
    [
        (["1820"], (True, True)),
        (["by Ann Lee", "nobody"], (True, False)),
        (["THE MILL!"], (True, False)),
        (["18"], (False, False)),
        (["1820 by the Ann"], (True, False)),
        (["the"], (False, False)),
        ([], (False, False)),
    ],
)
def test_without_its_context_every_passage_with_the_words_of_an_answer_is_right(
    golds: list[str], expected: tuple[bool, bool]
) -> None:
    found = tuple(RIGHT.is_right(each, "another text about 1820", golds) for each in (MILL, FIRE))
    assert found == expected


def test_the_context_of_a_question_is_the_only_right_passage() -> None:
    assert RIGHT.has_context(MILL.text)
    assert RIGHT.is_right(MILL, MILL.text, ["1820"])
    assert not RIGHT.is_right(FIRE, MILL.text, ["1820"])
    # The same text under another heading answers as well.
    assert RIGHT.is_right(passage(MILL.text, "other"), MILL.text, ["1820"])


def test_a_question_without_an_answer_has_no_right_passage() -> None:
    assert not RIGHT.is_right(MILL, MILL.text, [])


def test_recall_counts_the_questions_whose_first_right_passage_is_near_enough() -> None:
    assert measure_recall([1, 5, 6, 20, 21, None, 1, 2]) == {1: 25.0, 5: 50.0, 20: 75.0}


def test_recall_of_no_questions_is_not_known() -> None:
    assert measure_recall([]) == {1: None, 5: None, 20: None}
