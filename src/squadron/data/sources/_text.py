"""Opens text files, plain or packed with gzip, and names the encoding of those that are not UTF-8.

Whether a file is packed is decided by its first bytes, not by its name.
"""

import codecs
import contextlib
import gzip
import io
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from squadron.config.parsing import parse_json
from squadron.errors import InputError

HEAD_BYTES = 1 << 16
"""Maximum number of bytes that a source reads to recognize a file."""
MAX_BYTES = 1 << 31
"""Maximum size of a file that is read whole, unpacked. Files with one record per line may be
larger."""
MAX_LINE = 1 << 28
"""Maximum length of a line in characters. A small archive may unpack to an endless one."""
LINES = (".jsonl", ".ndjson")
"""Endings of files with one JSON object per line."""
_GZIP = b"\x1f\x8b"
_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


def plain_name(path: Path) -> Path:
    """Returns the path without the ending `.gz`, so that its suffix says what the file holds."""
    return path.with_suffix("") if path.suffix.lower() == ".gz" else path


def has_lines(path: Path) -> bool:
    """Says whether the name of a file promises one JSON object per line."""
    return plain_name(path).suffix.lower() in LINES


def read_head(path: Path) -> str:
    """Returns the beginning of a file, "" for a folder or a broken archive; raises only OSError."""
    if path.is_dir():
        return ""
    with (
        contextlib.suppress(EOFError, zlib.error, gzip.BadGzipFile),
        _open_bytes(path) as file,
    ):
        return file.read(HEAD_BYTES).decode("utf-8-sig", errors="ignore")
    return ""


def read_text(path: Path) -> str:
    """Returns the whole text of a file, without a byte order mark.

    Raises:
        InputError: If the file can't be read, is not UTF-8, or is larger than MAX_BYTES.
    """
    with _sentences(path), _open_bytes(path) as file:
        content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise InputError(
                f"The data file {path} is larger than {MAX_BYTES >> 30} GiB; write it as JSON "
                "lines (.jsonl) or Parquet, which are read part by part"
            )
        _check_encoding(path, content[:4])
        return content.decode("utf-8-sig")


def read_lines(path: Path) -> Iterator[str]:
    """Yields the lines of a file with their ends, and reads no more than it must.

    Raises:
        InputError: If the file can't be read or is not UTF-8.
    """
    with _sentences(path), _open_bytes(path) as file:
        _check_encoding(path, file.peek(4)[:4])  # type: ignore[attr-defined]
        with io.TextIOWrapper(file, encoding="utf-8-sig", newline="") as text:
            while line := text.readline(MAX_LINE):
                if len(line) == MAX_LINE:
                    raise InputError(
                        f"The data file {path} has a line of {MAX_LINE >> 20} MiB or more; give "
                        "one record per line"
                    )
                yield line


def parse_lines(path: Path, lines: Iterable[str]) -> Iterator[tuple[int, Any]]:
    """Yields (number from 1, JSON value) of each line that is not blank.

    Raises:
        InputError: If a line is not JSON.
    """
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield number, parse_json(line)
        except ValueError as error:
            raise InputError(f"{path}: line {number} is not JSON: {error}") from None


def check_encoding(path: Path) -> None:
    """Refuses a file that begins like UTF-16 or UTF-32.

    Raises:
        InputError: With the name of the encoding, or because the file can't be read.
    """
    with _sentences(path), _open_bytes(path) as file:
        _check_encoding(path, file.read(4))


@contextlib.contextmanager
def _open_bytes(path: Path) -> Iterator[BinaryIO]:
    with path.open("rb") as file:
        if file.peek(2)[:2] != _GZIP:
            yield file
            return
        with gzip.GzipFile(fileobj=file) as unpacked, io.BufferedReader(unpacked) as buffered:
            yield cast(BinaryIO, buffered)


@contextlib.contextmanager
def _sentences(path: Path) -> Iterator[None]:
    """Turns errors of reading into InputErrors that name the file."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(
            f"The data file {path} does not exist; check data -> train, train_only and test"
        ) from None
    except UnicodeDecodeError:
        # The archive may be broken further on.
        with _sentences(path):
            place = _find_bad_byte(path)
            is_text = "\0" not in read_head(path)
        if not is_text:
            raise InputError(f"The data file {str(path)!r} can't be read: it is no text") from None
        raise InputError(
            f"The data file {str(path)!r} can't be read: it is not UTF-8 at byte {place:,}; it may "
            "be cp1252. Write it as UTF-8, for example with `iconv -f CP1252 -t UTF-8`"
        ) from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise InputError(
            f"The data file {str(path)!r} can't be read: its gzip archive is broken ({error}); "
            "pack or fetch it again"
        ) from None
    except (OSError, ValueError) as error:  # ValueError: an impossible file name
        raise InputError(f"The data file {str(path)!r} can't be read: {error}") from None


def _check_encoding(path: Path, head: bytes) -> None:
    found = next((name for mark, name in _MARKS if head.startswith(mark)), "")
    # JSON, CSV and questions begin with characters of ASCII, every other byte of which is 0.
    if len(head) == 4 and (head[:3:2] == b"\0\0" or head[1::2] == b"\0\0"):
        found = found or "UTF-16"
    if found:
        raise InputError(
            f"The data file {str(path)!r} can't be read: it is {found}, but UTF-8 is needed. Write "
            f"it as UTF-8, for example with `iconv -f {found} -t UTF-8`"
        )


def _find_bad_byte(path: Path) -> int:
    """Returns the offset of the first byte that is not UTF-8, in the unpacked file."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    place = 0
    with _open_bytes(path) as file:
        while True:
            block = file.read(1 << 20)
            waiting = len(decoder.getstate()[0])
            try:
                decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                return place - waiting + error.start
            place += len(block)
            if not block:
                return place
