import pytest

from squadron.documents.paragraphs import TextBuilder
from squadron.documents.plain import read_html, read_markdown, read_plain, read_text
from squadron.errors import InputError

MARKDOWN = """---
title: Settings of a page
---
Some *text* before
all headings with a [link](http://x.y) and `code`.

# First **part** #

- one item
  that goes on
- two __items__

| Name | Height |
|------|-------:|
| Mast | 10 m   |

Second part
===========
> A quote with 2 * 3 * 4 and snake_case_name.

```python
# no heading
x = 1
```
### Last
Text &amp; more.
"""

HTML = """<!doctype html><html><head><title>No text</title><style>p {}</style></head>
<body><nav>Menu</nav><h1>First <i>part</i></h1><p>Some <b>bold</b> text,
on two lines &amp; more.<script>var x = "<p>no</p>";</script>
<ul><li>One<li>Two</ul><table><tr><th>Name</th><th>Height</th></tr><tr><td>Mast<td>10 m</tr></table>
<h2>Second</h2><div>Last<br>line</div></body></html>"""


def check_sections(builder: TextBuilder) -> list[str]:
    for section in builder.sections:
        assert builder.text[section.start_char : section.body_char] == section.title
    return [section.title for section in builder.sections]


def test_markdown_has_headings_items_and_rows_and_no_marks():
    builder = read_markdown(MARKDOWN)
    assert check_sections(builder) == ["First part", "Second part", "Last"]
    assert builder.text == (
        "Some text before all headings with a link and code.\n\nFirst part\n\n"
        "- one item that goes on\n- two items\n\nName  Height\nMast  10 m\n\nSecond part\n\n"
        "A quote with 2 * 3 * 4 and snake_case_name.\n\n# no heading\nx = 1\n\nLast\n\nText & more."
    )


def test_html_has_headings_items_and_rows_and_no_scripts():
    builder = read_html(HTML)
    assert check_sections(builder) == ["First part", "Second"]
    assert builder.text == (
        "First part\n\nSome bold text, on two lines & more.\n\nOne\nTwo\n\n"
        "Name  Height\nMast  10 m\n\nSecond\n\nLast\nline"
    )


def test_plain_text_has_one_line_for_a_paragraph():
    builder = read_plain(
        "A first\nparagraph.\n \n\n- an item\n- another\n\nName   Height\nMast\t10 m\n"
    )
    assert builder.text == "A first paragraph.\n\n- an item\n- another\n\nName  Height\nMast  10 m"
    assert builder.sections == []


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_an_encoding_that_the_file_names_is_read(tmp_path, encoding):
    path = tmp_path / "a.txt"
    path.write_bytes("Füße\r\nund\rmehr".encode(encoding))
    assert read_text(path, "a.txt") == "Füße\nund\nmehr"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "Eins.\nFüße “x”".encode("cp1252"),
            "a.txt is not UTF-8 (line 2); it may be WINDOWS-1252: convert it to UTF-8, for example "
            "with iconv -f WINDOWS-1252 -t UTF-8",
        ),
        (b"\x81\x8d F\xfc\xdfe", "it may be ISO-8859-1"),
        ("Füße".encode("utf-16-le"), "it may be UTF-16"),
        (b"\xff\xfea", "a.txt is not UTF-16 (line 1)"),
        (b"a\0b", "a.txt has NUL characters, so it is no text: leave it out"),
    ],
)
def test_another_encoding_is_named(tmp_path, content, message):
    path = tmp_path / "a.txt"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        read_text(path, "a.txt")
    assert message in str(error.value)


@pytest.mark.parametrize("read", [read_plain, read_markdown, read_html])
def test_nothing_is_no_text(read):
    assert read("").text == read(" \n\n ").text == ""
