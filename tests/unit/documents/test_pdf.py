import io
from pathlib import Path

import pypdf
import pytest
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

from squadron.documents.document import Document
from squadron.documents.limits import Limits
from squadron.documents.pdf import read_pdf
from squadron.documents.reading import read_documents
from squadron.errors import InputError
from tests.unit.documents.pdf_files import encrypt, make_column, make_pdf

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="module")
def handbook() -> Document:
    (document,) = read_documents([ROOT / "examples" / "handbook.pdf"])
    assert isinstance(document, Document)
    return document


def test_the_handbook_has_its_pages_sections_and_no_furniture(handbook):
    assert handbook.name == "handbook.pdf"
    assert len(handbook.pages) == 8
    titles = [section.title for section in handbook.sections]
    assert titles[3:7] == [
        "1.1 Location and purpose",
        "1.2 A short history",
        "1.3 People",
        "2 Observing programme",
    ]
    assert "7.10 The great silence" in titles
    assert "Page 3" not in handbook.text
    assert "Harrow Point weather station Operations handbook" not in handbook.text
    assert "...." not in handbook.text
    assert handbook.notes == ()


@pytest.mark.parametrize(
    ("page", "words"),
    [
        (2, "The rule dates from 1986, when an over"),
        (3, "zealous clean-up removed a genuine drop of 9 °C"),
        (3, "for everyone, the manager included."),
        (3, "Ultrasonic anemometer  10 m  0–75 m/s  ±2%  12 months\n"),
        (7, "on a visit, drew it in the guest book and wrote that she would like to work here."),
        (7, "and that evening it climbed to 29 km.\n\n7.6 The longest fog\n\nFog lasted"),
        (8, "July  13.7  71  5.6\nAugust  13.9  86  6.0\n"),
    ],
)
def test_the_handbook_reads_as_a_person_reads_it(handbook, page, words):
    place = handbook.text.index(words)
    assert handbook.page_at(place) == page


def read(tmp_path: Path, content: bytes, **limits: float) -> tuple[str, list[str]]:
    path = tmp_path / "a.pdf"
    path.write_bytes(content)
    builder, notes = read_pdf(path, "a.pdf", Limits(**limits), lambda page: None)
    return builder.text, notes


def test_a_sentence_goes_on_over_the_end_of_a_page(tmp_path):
    pages = [
        make_column(["This sentence begins on the first page and it"]),
        make_column(["ends here."]),
    ]
    text, _ = read(tmp_path, make_pdf(pages))
    assert text == "This sentence begins on the first page and it ends here."


def test_a_page_that_is_turned_is_read(tmp_path):
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(make_pdf([make_column(LINES)])))
    writer.pages[0].rotate(90)
    file = io.BytesIO()
    writer.write(file)
    assert read(tmp_path, file.getvalue())[0] == "One line. Two lines."


def test_text_in_another_direction_and_text_too_small_to_read_go(tmp_path):
    file = io.BytesIO()
    canvas = Canvas(file, (600, 800))
    canvas.drawString(50, 700, "This line is read.")
    canvas.setFont("Helvetica", 1)
    canvas.drawString(50, 600, "PLACEHOLDER_1")
    canvas.setFont("Helvetica", 12)
    canvas.rotate(90)
    canvas.drawString(100, -30, "A stamp")
    canvas.save()
    assert read(tmp_path, file.getvalue())[0] == "This line is read."


LINES = ["One line.", "Two lines."]
PLAIN = make_pdf([make_column(["Some words."])] * 3)


@pytest.mark.parametrize(
    ("content", "limits", "message"),
    [
        (
            encrypt(PLAIN, "secret"),
            {},
            "a.pdf is encrypted, and only its password opens it: save a copy without password",
        ),
        (
            b"%PDF-1.4 nothing",
            {},
            "a.pdf is damaged or no PDF: open it in another program and save it again",
        ),
        (b"", {}, "a.pdf is damaged or no PDF: open it in another program and save it again"),
        (
            make_pdf([[], []]),
            {},
            "a.pdf has no text on any of its 2 pages; it may be scanned: run a program for text "
            "recognition (OCR) on it first, such as ocrmypdf",
        ),
        (
            PLAIN,
            {"max_pages": 2},
            "a.pdf has 3 pages, and at most 2 are read: split it, or raise max_pages",
        ),
        (
            PLAIN,
            {"max_characters": 15},
            "a.pdf has more than 15 characters up to page 2: split it, or raise max_characters",
        ),
    ],
)
def test_what_can_not_be_read_is_refused(tmp_path, content, limits, message):
    with pytest.raises(InputError) as error:
        read(tmp_path, content, **limits)
    assert str(error.value) == message


def test_a_file_that_everybody_may_read_is_read(tmp_path):
    assert "Some words." in read(tmp_path, encrypt(PLAIN, ""))[0]


def test_a_scanned_page_among_others_is_noted(tmp_path):
    file = io.BytesIO()
    canvas = Canvas(file, (600, 800))
    canvas.drawString(50, 700, "Some words.")
    canvas.showPage()
    pixel = b"P6 1 1 255 " + bytes(3)
    canvas.drawImage(ImageReader(io.BytesIO(pixel)), 0, 0, 600, 800)
    canvas.save()
    text, notes = read(tmp_path, file.getvalue())
    assert text == "Some words."
    assert notes == ["a.pdf has images without text on page 2: text recognition may help"]
