import pytest

from squadron.documents.layout import group_rows, read_lines
from squadron.documents.words import Word

LEFT = [f"left line {n} has five words" for n in range(8)]
RIGHT = [f"right line {n} has five words" for n in range(8)]


def place(text: str, left: float, top: float, height: float = 12, width: float = 6) -> list[Word]:
    """Returns the words of a line; every character is equally wide."""
    words = []
    for word in text.split():
        right = left + width * len(word)
        words.append(Word(word, left, right, top - height, top))
        left = right + 3
    return words


def column(lines: list[str], left: float, top: float = 700) -> list[Word]:
    return [word for n, line in enumerate(lines) for word in place(line, left, top - 14 * n)]


def texts(words: list[Word]) -> list[str]:
    return [line.text for line in read_lines(words)]


@pytest.mark.parametrize("shift", [0, 3, 7])
def test_columns_are_read_one_after_the_other(shift):
    words = column(LEFT, 50) + column(RIGHT, 320, 700 - shift)
    assert texts(words) == LEFT + RIGHT
    assert texts(words[::-1]) == LEFT + RIGHT


def test_three_columns_are_read_one_after_the_other():
    third = [line.replace("right", "third") for line in RIGHT]
    words = column(LEFT, 30) + column(RIGHT, 230) + column(third, 430)
    assert texts(words) == LEFT + RIGHT + third


def test_a_title_over_two_columns_comes_first_and_text_below_them_last():
    title = place("A title that stands over both columns", 150, 760)
    below = place(
        "Below the columns there is a line that is as wide as the page and ends here", 50, 560
    )
    words = below + column(RIGHT, 320) + column(LEFT, 50) + title
    found = texts(words)
    assert found[0] == "A title that stands over both columns"
    assert found[1:-1] == LEFT + RIGHT
    assert found[-1].startswith("Below")


def test_a_heading_below_columns_is_not_read_before_the_right_column():
    words = column(LEFT, 50) + column(RIGHT, 320) + place("Heading", 50, 550)
    assert texts(words) == [*LEFT, *RIGHT, "Heading"]


def test_a_short_right_column_and_a_short_left_column():
    assert texts(column(LEFT, 50) + column(RIGHT[:4], 320)) == LEFT + RIGHT[:4]
    assert texts(column(LEFT[:4], 50) + column(RIGHT, 320)) == LEFT[:4] + RIGHT


def test_rows_of_a_table_stay_lines():
    rows = [
        ("Austria", "8.9", "Vienna"),
        ("Belgium", "11.5", "Brussels"),
        ("Finland", "5.5", "Oulu"),
    ]
    words = []
    for n, row in enumerate(rows * 2):
        for cell, left in zip(row, (50, 200, 400), strict=True):
            words += place(cell, left, 700 - 16 * n)
    lines = read_lines(words)
    assert [line.text for line in lines] == ["  ".join(row) for row in rows * 2]
    assert {line.cells for line in lines} == {3}


def test_a_table_with_long_cells_is_no_prose():
    rows = [f"the name {n} of it" for n in range(6)]
    words = (
        column(rows, 50) + column(["±0.1 °C of 5"] * 6, 320) + column(["12 months ago or"] * 6, 480)
    )
    assert texts(words)[0] == "the name 0 of it  ±0.1 °C of 5  12 months ago or"


def test_a_raised_index_belongs_to_its_line():
    words = [*place("Area (km", 50, 700), Word("2", 95.5, 98, 695, 702, follows_blank=False)]
    words += [Word(")", 98.2, 101, 688, 700, follows_blank=False)]
    assert texts(words) == ["Area (km2)"]
    assert len(group_rows(words)) == 1


def test_no_words_are_no_lines():
    assert read_lines([]) == []


def test_a_list_of_names_beside_prose_is_read_after_it():
    names = [word for n in range(6) for word in place(f"NAME{n}", 360, 700 - 19 * n)]
    assert texts(column(LEFT, 50) + names) == [*LEFT, *(f"NAME{n}" for n in range(6))]


def test_a_list_of_names_on_the_lines_of_prose_is_a_table():
    names = [word for n in range(8) for word in place(f"NAME{n}", 360, 700 - 14 * n)]
    assert texts(column(LEFT, 50) + names)[0] == f"{LEFT[0]}  NAME0"
