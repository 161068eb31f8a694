import os
from pathlib import Path

from squadron.documents.document import Document, Refusal
from squadron.documents.limits import Limits
from squadron.documents.reading import read_documents
from tests.unit.documents.pdf_files import make_column, make_pdf

KINDS = ".pdf, .txt, .text, .md, .markdown, .html, .htm, .xhtml"


def fill(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"The text of {name}.")


def test_a_folder_is_read_with_its_folders_in_the_order_of_names(tmp_path):
    fill(tmp_path, "b.txt", "a/z.md", "a/B.HTML", ".git/x.txt", "a/.hidden.txt", "c.docx")
    results = list(read_documents([tmp_path]))
    assert [result.name for result in results] == ["a/B.HTML", "a/z.md", "b.txt", "c.docx"]
    assert results[-1] == Refusal(
        "c.docx",
        f"c.docx is no kind of document that can be read: convert it to one of {KINDS}",
        is_skipped=True,
    )
    assert all(isinstance(result, Document) for result in results[:-1])
    assert results[0].text == "The text of a/B.HTML."


def test_a_file_that_can_not_be_read_does_not_end_the_others(tmp_path):
    fill(tmp_path, "a.txt", "d.txt")
    (tmp_path / "b.pdf").write_bytes(b"%PDF-1.4 broken")
    (tmp_path / "c.txt").write_bytes(b"F\xfc\xdfe")
    (tmp_path / "e.txt").write_text(" \n ")
    paths = [tmp_path / name for name in ("a.txt", "b.pdf", "c.txt", "no.txt", "d.txt", "e.txt")]
    results = list(read_documents(paths))
    assert [type(result) for result in results] == [
        Document, Refusal, Refusal, Refusal, Document, Refusal,
    ]  # fmt: skip
    assert results[3].reason == f"no.txt does not exist: check the path {tmp_path}/no.txt"
    assert results[5].reason == "e.txt holds no text: leave it out"
    assert not any(result.is_skipped for result in results if isinstance(result, Refusal))


def test_a_file_that_was_named_must_be_of_a_kind_that_can_be_read(tmp_path):
    fill(tmp_path, "a.docx")
    (result,) = read_documents([tmp_path / "a.docx"])
    assert not result.is_skipped


def test_files_of_one_name_are_told_apart_and_a_file_given_twice_is_read_once(tmp_path):
    fill(tmp_path, "x/a.txt", "y/a.txt")
    results = list(read_documents([tmp_path / "x", tmp_path / "y" / "a.txt", tmp_path / "x/a.txt"]))
    assert [result.name for result in results[:2]] == ["a.txt", f"{tmp_path}/y/a.txt"]
    assert results[2].is_skipped
    assert results[2].reason.endswith("was given twice and is read once: give it once")


def test_a_folder_without_files_and_a_pipe_are_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "a.txt")
    empty, pipe = read_documents([tmp_path / "empty", tmp_path / "a.txt"])
    assert "has no files" in empty.reason
    assert pipe.reason == "a.txt is no plain file: leave it out"


def test_a_text_that_is_too_long_is_refused(tmp_path):
    fill(tmp_path, "a.txt")
    (result,) = read_documents([tmp_path], Limits(max_characters=5))
    assert result.reason == (
        "a.txt has 18 characters, and at most 5 are read: split it, or raise max_characters"
    )


def test_a_pdf_knows_its_pages(tmp_path):
    (tmp_path / "a.pdf").write_bytes(make_pdf([make_column(["One."]), [], make_column(["Two."])]))
    (document,) = read_documents([tmp_path / "a.pdf"])
    assert document.text == "One.\n\nTwo."
    assert document.pages == ((0, 6), (6, 6), (6, 10))
    assert [document.page_at(char) for char in (0, 5, 6, 9)] == [1, 1, 3, 3]
