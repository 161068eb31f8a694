"""Reads text, Markdown and HTML files. Runs in the process of squadron.documents.worker."""

import html
import re
from html.parser import HTMLParser
from pathlib import Path

from squadron.documents.hyphens import clean
from squadron.documents.paragraphs import TextBuilder
from squadron.errors import InputError

MARKS = {
    b"\xef\xbb\xbf": "utf-8-sig",
    b"\xff\xfe\x00\x00": "utf-32",
    b"\x00\x00\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
"""How files begin that name their encoding by a byte order mark. UTF-32 stands before UTF-16."""

_HEADING = re.compile(r" {0,3}(#{1,6})\s+(.*?)\s*#*\s*$")
_UNDERLINE = re.compile(r" {0,3}(?:=+|-{2,})\s*$")
_FENCE = re.compile(r"\s*(```+|~~~+)")
_ITEM = re.compile(r"\s*(?:[-*+•]|\d{1,3}[.)])\s+")
_RULE = re.compile(r"\s*(?:[-*_]\s*){3,}$")
_TABLE_RULE = re.compile(r"[\s|:+-]*-[\s|:+-]*$")
_BLANKS = re.compile(r"[^\S\n]+")


def read_text(path: Path, name: str) -> str:
    """Returns the text of a file with line feeds as its line ends.

    Raises:
        InputError: If the file is neither UTF-8 nor begins with a byte order mark. The message
            names the encoding that it may have.
    """
    content = path.read_bytes()
    encoding = next((e for mark, e in MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        guess = _guess_encoding(content)
        raise InputError(
            f"{name} is not {encoding.upper()} (line {line}); it may be {guess}: convert it to "
            f"UTF-8, for example with iconv -f {guess} -t UTF-8"
        ) from None
    if "\0" in text:
        raise InputError(f"{name} has NUL characters, so it is no text: leave it out")
    lines = text.replace("\r\n", "\n").replace("\r", "\n").replace("\f", "\n\n")
    # Other control characters mean nothing, and no reader sees them.
    return clean(re.sub(r"[\x01-\x08\x0b\x0e-\x1f\x7f]", "", lines))


def _guess_encoding(content: bytes) -> str:
    """Names the likely encoding of what is not UTF-8. Windows-1252 leaves five bytes undefined."""
    zeros = content[:4000].count(0)
    if zeros > len(content[:4000]) / 4:
        return "UTF-16"
    try:
        content.decode("cp1252")
    except UnicodeDecodeError:
        return "ISO-8859-1"
    return "WINDOWS-1252"


def read_plain(text: str) -> TextBuilder:
    """Returns the text with one line for every paragraph; lines of a list stay lines."""
    builder = TextBuilder()
    for paragraph in re.split(r"\n[^\S\n]*\n", text):
        _add_lines(builder, paragraph.split("\n"))
    return builder


def read_markdown(text: str) -> TextBuilder:
    """Returns the text of Markdown with its headings; marks of emphasis and links are removed."""
    builder = TextBuilder()
    paragraph: list[str] = []
    fence = ""
    lines = text.split("\n")
    if lines[0].strip() == "---" and "---" in (line.strip() for line in lines[1:200]):
        end = next(n for n, line in enumerate(lines[1:], 1) if line.strip() == "---")
        lines = lines[end + 1 :]  # Front matter holds settings, no text.

    def finish() -> None:
        _add_lines(builder, [_strip_marks(line) for line in paragraph])
        paragraph.clear()

    for line in lines:
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence):
                fence = ""
                builder.add("\n".join(row.rstrip() for row in paragraph if row.strip()))
                paragraph.clear()
            else:
                paragraph.append(line)
        elif mark:
            finish()
            fence = mark[1]
        elif heading := _HEADING.match(line):
            finish()
            builder.add_heading(_strip_marks(heading[2]).strip())
        elif _UNDERLINE.match(line) and len(paragraph) == 1 and "|" not in paragraph[0]:
            title = _strip_marks(paragraph.pop()).strip()
            builder.add_heading(title)
        elif not line.strip() or _RULE.match(line):
            finish()
        elif not (_TABLE_RULE.match(line) and "|" in line):
            paragraph.append(line)
    finish()
    return builder


def _strip_marks(text: str) -> str:
    text = re.sub(r"<!--.*?-->|</?[a-zA-Z][^<>]*>", "", text)
    text = re.sub(r"!?\[([^\[\]]*)\](?:\([^()]*\)|\[[^\[\]]*\])", r"\1", text)
    text = re.sub(r"(\*\*|__|``|~~)(?=\S)(.+?)(?<=\S)\1", r"\2", text)
    text = re.sub(r"(?<!\w)([*_`])(?=\S)(.+?)(?<=\S)\1(?!\w)", r"\2", text)
    text = re.sub(r"^\s*(?:>\s?)+", "", text)
    if text.count("|") > 1:
        text = "  ".join(cell.strip() for cell in text.strip().strip("|").split("|"))
    return html.unescape(re.sub(r"\\([\\`*_{}\[\]()#+.!|>~-])", r"\1", text))


def _add_lines(builder: TextBuilder, lines: list[str]) -> None:
    """Adds a paragraph. A line goes on in the next one, unless either is an item or a row."""
    joined: list[str] = []
    for line in lines:
        is_row = "  " in line.strip() or "\t" in line.strip()
        text = "  ".join(part.strip() for part in re.split(r"\t|  +", line) if part.strip())
        if not text:
            continue
        goes_on = joined and not is_row and not _ITEM.match(line) and "  " not in joined[-1]
        if goes_on:
            joined[-1] += " " + text
        else:
            joined.append(text)
    builder.add("\n".join(joined))


class _Page(HTMLParser):
    """Collects the text of an HTML page."""

    SILENT = frozenset({"script", "style", "title", "template", "noscript", "svg", "nav"})
    BLOCKS = frozenset(
        {"address", "article", "aside", "blockquote", "body", "br", "dd", "div", "dl", "dt"}
        | {"fieldset", "figcaption", "figure", "footer", "form", "header", "hr", "li", "main"}
        | {"ol", "p", "pre", "section", "table", "tbody", "thead", "tr", "ul"}
    )
    LINES = frozenset({"li", "tr", "br", "dd", "dt"})
    HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})

    def __init__(self) -> None:
        super().__init__()
        self.builder = TextBuilder()
        self._text: list[str] = []
        self._silent: list[str] = []
        self._heading = ""
        self._separator = "\n\n"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self.SILENT:
            self._silent.append(tag)
        elif tag in self.HEADINGS:
            self.finish()
            self._heading = tag
        elif tag in ("td", "th"):
            self._text.append("\t")
        elif tag in self.BLOCKS:
            self.finish()
            self._end_paragraph(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._silent:
            del self._silent[self._silent.index(tag) :]
        elif tag in self.HEADINGS or tag in self.BLOCKS:
            self.finish()
            self._end_paragraph(tag)

    def _end_paragraph(self, tag: str) -> None:
        if tag not in self.LINES:
            self._separator = "\n\n"

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._text.append(data)

    def finish(self) -> None:
        """Ends a paragraph, a row or a heading."""
        cells = "".join(self._text).split("\t") if "\t" in self._text else ["".join(self._text)]
        text = "  ".join(cell for cell in (" ".join(cell.split()) for cell in cells) if cell)
        if text and self._heading:
            self.builder.add_heading(text)
        elif text:
            self.builder.add(text, self._separator)
            self._separator = "\n"
        self._text, self._heading = [], ""


def read_html(text: str) -> TextBuilder:
    """Returns the text of an HTML page with its headings, without scripts and navigation."""
    page = _Page()
    page.feed(text)
    page.close()
    page.finish()
    return page.builder
