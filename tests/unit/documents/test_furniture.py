from squadron.documents.furniture import remove_furniture
from squadron.documents.words import Word
from tests.unit.documents.test_layout import column, place


def make_page(number: int, header: str = "The report of the year", first: str = "") -> list[Word]:
    body = column(
        [first or f"text {number} of the page"] + [f"line {n} {number}" for n in range(30)], 50
    )
    return [*place(header, 50, 760), *body, *place(f"Page {number}", 280, 40)]


def texts(pages: list[list[Word]]) -> list[str]:
    return [" ".join(word.text for word in page) for page in pages]


def test_headers_footers_and_page_numbers_go_and_text_stays():
    pages = [make_page(number) for number in range(1, 6)]
    for number, text in enumerate(texts(remove_furniture(pages)), 1):
        assert "report" not in text
        assert "Page" not in text
        assert text.startswith(f"text {number} of the page line 0")
        assert text.endswith(f"line 29 {number}")


def test_headers_that_differ_on_left_and_right_pages_go():
    pages = [make_page(n, "Left title" if n % 2 else "Right title") for n in range(1, 9)]
    assert not any("title" in text for text in texts(remove_furniture(pages)))


def test_a_first_line_that_is_the_same_on_all_pages_stays_below_a_header():
    pages = [make_page(number, first="Performance indicators") for number in range(1, 6)]
    assert all(t.startswith("Performance indicators") for t in texts(remove_furniture(pages)))


def test_pages_that_repeat_their_text_and_have_no_header_keep_it():
    pages = [column([f"the same line {n}" for n in range(40)], 50) for _ in range(4)]
    assert remove_furniture(pages) == pages


def test_the_title_of_one_page_stays_and_its_page_number_goes():
    (text,) = texts(remove_furniture([make_page(1)]))
    assert text.startswith("The report of the year")
    assert text.endswith("line 29 1")


def test_a_page_without_words_stays_empty():
    assert remove_furniture([[], []]) == [[], []]
