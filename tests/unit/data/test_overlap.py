import pytest

from squadron.data.overlap import RUN, WordRuns

JUDGED = "The mill on the river Aller was built by two brothers in 1843 and burnt down later."


@pytest.mark.parametrize(
    "text",
    [
        JUDGED,
        f"Something else comes first. {JUDGED} And more follows it.",
        "Old: the MILL, on the River\nAller — was built by nobody at all, one hears.",
        "They say it stands built by two brothers in 1843 and burnt, as everybody knows.",
    ],
)
def test_eight_equal_words_in_a_row_are_a_shared_text(text):
    assert WordRuns(["Another text about other things entirely.", JUDGED]).overlaps(text)


@pytest.mark.parametrize(
    "text",
    [
        "The mill on the river Aller was rebuilt by two sisters in 1843 and still stands.",
        "Nothing here is like the other text, and so it may be asked about.",
    ],
)
def test_seven_equal_words_are_none(text):
    assert RUN == 8
    assert not WordRuns([JUDGED]).overlaps(text)
    assert not WordRuns([]).overlaps(text)


def test_a_short_judged_text_is_shared_where_it_is_held_whole():
    judged = WordRuns(["T1 of own is a place.", "", "…", JUDGED])
    assert judged.overlaps("It is known that T1 of own is a place, and people live there.")
    assert not judged.overlaps("It is known that T1 of own was a place, and people live there.")


def test_a_text_of_few_words_counts_as_shared():
    assert WordRuns([]).overlaps("The mill was built in 1843.")
