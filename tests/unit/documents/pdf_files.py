"""Makes small PDF files for tests."""

import io
from collections.abc import Sequence
from pathlib import Path

import pypdf
from reportlab.pdfgen.canvas import Canvas

SIZE = (600, 800)
LEADING = 14

Piece = tuple[float, float, str]


def make_pdf(pages: Sequence[Sequence[Piece]], size: float = 11, compress: bool = False) -> bytes:
    """Returns a PDF with one page for every list of (left, baseline, text)."""
    file = io.BytesIO()
    canvas = Canvas(file, SIZE, pageCompression=int(compress), invariant=True)
    for page in pages:
        canvas.setFont("Helvetica", size)
        for left, bottom, text in page:
            canvas.drawString(left, bottom, text)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def make_column(lines: Sequence[str], left: float = 60, top: float = 720) -> list[Piece]:
    """Returns lines one below the other."""
    return [(left, top - LEADING * place, line) for place, line in enumerate(lines)]


def write_pdf(path: Path, pages: Sequence[Sequence[Piece]]) -> Path:
    path.write_bytes(make_pdf(pages))
    return path


def encrypt(content: bytes, user_password: str) -> bytes:
    """Returns the PDF encrypted; "" lets everybody read it."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(content))
    writer.encrypt(user_password, "owner", algorithm="RC4-128")
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()
