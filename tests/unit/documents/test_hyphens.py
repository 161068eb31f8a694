import pytest

from squadron.documents.hyphens import clean, drop_soft_hyphens, join_lines, list_words

WORDS = list_words(["a well-known man", "the over-the-top idea was", "a cooperation is here"])


@pytest.mark.parametrize(
    ("before", "after", "joined"),
    [
        ("a line", "goes on", "a line goes on"),
        ("the uni\u00ad", "versity", "the university"),
        ("the uni-", "versity", "the university"),
        ("a well-", "known man", "a well-known man"),
        ("the co-", "operation", "the cooperation"),
        ("COVID-", "19 spread", "COVID-19 spread"),
        ("Hale-", "Bopp came", "Hale-Bopp came"),
        ("long-", "or short-term plans", "long- or short-term plans"),
        ("cultural-", "and other goods", "cultural- and other goods"),
        ("from 1990-", "2000", "from 1990-2000"),
        ("a dash -", "and more", "a dash - and more"),
    ],
)
def test_a_hyphen_at_the_end_of_a_line(before, after, joined):
    assert join_lines(before, after, WORDS) == joined


def test_ligatures_are_resolved_and_nothing_else_is_changed():
    assert clean("ﬁnal eﬀort oﬃce ﬂow ﬅ") == "final effort office flow st"
    assert clean("e\u0301 m² ½ x₁ ™") == "é m² ½ x₁ ™"


def test_soft_hyphens_inside_a_line_go():
    assert drop_soft_hyphens("uni\u00adversity A\u00ad B\u00ad") == "university A- B-"
