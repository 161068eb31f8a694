import copy
import gzip
import re
from pathlib import Path

import pytest

from squadron.data.sources import (
    AUTO,
    Answer,
    choose_source,
    list_sources,
    load_source,
    read_file,
)
from squadron.data.validation import Report, validate_examples
from squadron.errors import InputError
from tests.layouts import LAYOUTS, QUESTIONS, without_places, write


@pytest.mark.parametrize("layout", LAYOUTS)
def test_one_set_of_questions_in_every_layout_gives_identical_examples(layout, tmp_path):
    path = write(layout, tmp_path)
    examples = list(read_file(LAYOUTS[layout].source, path))
    assert without_places(examples) == QUESTIONS
    assert all(example.where.startswith(f"{path}: ") for example in examples)
    report = Report()
    assert validate_examples(copy.deepcopy(examples), report) == examples
    assert (report.repaired.total(), report.rejected.total()) == (0, 0)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_is_recognized_by_exactly_one_source(layout, tmp_path):
    path = write(layout, tmp_path)
    found = [name for name in list_sources() if load_source(name).recognizes(path)]
    assert found == [LAYOUTS[layout].source]
    assert choose_source(path) == LAYOUTS[layout].source
    assert without_places(read_file(AUTO, path)) == QUESTIONS


def test_every_source_has_a_layout_here():
    # Pairs have no context; test_pairs.py compares them with a table.
    assert {layout.source for layout in LAYOUTS.values()} == {*list_sources()} - {"pairs"}


def read_page():
    """(source, ending of the file, text) of each layout that docs/data.md shows."""
    page = (Path(__file__).parents[4] / "docs" / "data.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(\w+)` \| (\.\w+) \| `(.*)` \|$", page, re.MULTILINE)
    return [(*row[:2], row[2].replace(r"\n", "\n").replace(r"\t", "\t")) for row in rows]


@pytest.mark.parametrize(("source", "ending", "text"), read_page())
def test_the_files_of_the_page_about_data_are_read(source, ending, text, tmp_path):
    path = tmp_path / f"x{ending}"
    path.write_text(text, encoding="utf-8")
    assert choose_source(path) == source
    (example,) = read_file(source, path)
    assert (example.question, example.answers[0]) == ("Who?", Answer("Ann", 0))
    assert example.context.startswith("Ann")


def test_the_page_about_data_has_every_source():
    assert len(read_page()) == 10
    assert {source for source, *_ in read_page()} == {*list_sources()} - {"hugging_face"}


def test_a_file_that_no_source_recognizes_is_refused_with_the_sources(tmp_path):
    (tmp_path / "x.txt").write_text("nothing\n")
    with pytest.raises(InputError) as caught:
        list(read_file(AUTO, tmp_path / "x.txt"))
    assert str(caught.value) == (
        f"The data file {tmp_path / 'x.txt'} leaves open how to read it: no source recognizes it; "
        f"set data.source to one of {list_sources()}"
    )


def test_a_file_that_several_sources_recognize_is_refused_with_these(tmp_path, monkeypatch):
    path = write("squad", tmp_path)
    monkeypatch.setattr("squadron.data.sources.flat.recognizes", lambda path: True)
    with pytest.raises(InputError, match=r"\['flat', 'squad'\] recognize it; set data.source to"):
        choose_source(path)


@pytest.mark.parametrize("layout", ["squad", "flat list", "flat lines"])
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-16-be"])
@pytest.mark.parametrize("source", ["", AUTO])
def test_an_encoding_with_wide_characters_is_named(layout, encoding, source, tmp_path):
    path = write(layout, tmp_path)
    path.write_bytes(path.read_text(encoding="utf-8").encode(encoding))
    name = "UTF-32" if encoding == "utf-32" else "UTF-16"
    with pytest.raises(InputError) as caught:
        list(read_file(source or LAYOUTS[layout].source, path))
    assert str(caught.value).startswith(
        f"The data file {str(path)!r} can't be read: it is {name}, but UTF-8 is needed. Write it "
        f"as UTF-8, for example with `iconv -f {name} -t UTF-8`"
    )


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("layout", ["squad", "flat list", "flat lines"])
def test_the_first_byte_that_is_not_utf_8_is_named(layout, packed, tmp_path):
    path = write(layout, tmp_path)
    # 3 MB before it: more than a reader decodes at once.
    content = path.read_bytes().replace(b"103", b"103" + "é".encode() * 1_500_000 + b"\xe9", 1)
    path.write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(InputError) as caught:
        list(read_file(LAYOUTS[layout].source, path))
    place = content.index(b"\xe9")
    place = content.index(b"\xe9", content.index("é".encode() * 1_500_000) + 2_999_999)
    assert f"it is not UTF-8 at byte {place:,}; it may be cp1252" in str(caught.value)


@pytest.mark.parametrize("layout", ["squad, packed", "flat lines, packed"])
def test_a_packed_file_that_is_cut_off_is_named(layout, tmp_path):
    path = write(layout, tmp_path)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match="its gzip archive is broken"):
        list(read_file(LAYOUTS[layout].source, path))


def test_a_byte_order_mark_of_utf_8_is_no_fault(tmp_path):
    for layout in ("squad", "flat list", "flat lines", "flat lines, packed"):
        path = write(layout, tmp_path)
        content = path.read_bytes()
        packed = path.suffix == ".gz"
        content = b"\xef\xbb\xbf" + (gzip.decompress(content) if packed else content)
        path.write_bytes(gzip.compress(content) if packed else content)
        assert without_places(read_file(AUTO, path)) == QUESTIONS


def test_a_file_read_whole_and_a_line_have_a_limit(tmp_path, monkeypatch):
    monkeypatch.setattr("squadron.data.sources._text.MAX_BYTES", 1000)
    path = write("squad, packed", tmp_path)
    with pytest.raises(InputError, match=r"is larger than 0 GiB; write it as JSON lines"):
        list(read_file("squad", path))
    monkeypatch.setattr("squadron.data.sources._text.MAX_LINE", 100)
    for layout in ("flat lines, packed", "table of lines", "TyDi QA lines"):
        with pytest.raises(InputError, match=r"has a line of 0 MiB or more; give one record per"):
            list(read_file(LAYOUTS[layout].source, write(layout, tmp_path)))
