"""The process that reads documents: `python -m squadron.documents.worker`.

It reads one line of JSON per file from its standard input and answers with lines of JSON: the page
that it works on ({"page": 3}), and at last a document or a refusal. It limits its own memory and
processor time, so that a hostile file ends this process at worst. Its parent is extraction.py.
"""

import json
import os
import resource
import sys
from dataclasses import asdict
from pathlib import Path

from squadron.documents.kinds import HTML, MARKDOWN, PDF, PLAIN
from squadron.documents.limits import Limits
from squadron.documents.paragraphs import TextBuilder
from squadron.documents.plain import read_html, read_markdown, read_plain, read_text
from squadron.errors import InputError

READERS = {
    **dict.fromkeys(PLAIN, read_plain),
    **dict.fromkeys(MARKDOWN, read_markdown),
    **dict.fromkeys(HTML, read_html),
}
"""Ending of a file in lower case -> what makes text of its characters. PDF is read by pdf.py."""


def read_file(path: Path, name: str, limits: Limits) -> dict[str, object]:
    """Reads one file in this process.

    Returns:
        The fields of a Document without its name.

    Raises:
        InputError: If the file can't be read. The message names it.
    """
    notes: list[str] = []
    if path.suffix.lower() in PDF:
        try:
            from squadron.documents.pdf import read_pdf
        except ModuleNotFoundError as error:
            raise InputError(
                f"{name} can't be read without {error.name}: pip install 'squadron-qa[documents]'"
            ) from None
        builder, notes = read_pdf(path, name, limits, lambda page: _answer({"page": page}))
    else:
        builder = READERS[path.suffix.lower()](read_text(path, name))
    if not builder.length:
        raise InputError(f"{name} holds no text: leave it out")
    if builder.length > limits.max_characters:
        raise InputError(
            f"{name} has {builder.length:,} characters, and at most {limits.max_characters:,} are "
            "read: split it, or raise max_characters"
        )
    return _to_fields(builder, notes)


def _to_fields(builder: TextBuilder, notes: list[str]) -> dict[str, object]:
    sections = [asdict(section) for section in builder.sections]
    pages = [list(page) for page in builder.list_pages()]
    return {"text": builder.text, "pages": pages, "sections": sections, "notes": notes}


def _limit(limits: Limits) -> None:
    """Limits this process: memory, files that it writes, and processor time from now on."""
    memory = limits.memory_megabytes * 1_000_000
    _, hardest = resource.getrlimit(resource.RLIMIT_AS)
    if hardest != resource.RLIM_INFINITY:
        memory = min(memory, hardest)
    resource.setrlimit(resource.RLIMIT_AS, (memory, hardest))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = int(used.ru_utime + used.ru_stime) + 1 + limits.cpu_seconds
    _, hardest = resource.getrlimit(resource.RLIMIT_CPU)
    if hardest != resource.RLIM_INFINITY:
        seconds = min(seconds, hardest)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, hardest))


def _answer(message: dict[str, object]) -> None:
    content = json.dumps(message).encode() + b"\n"
    while content:
        content = content[os.write(sys.stdout.fileno(), content) :]


def main() -> None:
    """Answers one request after the other until the standard input ends."""
    for line in sys.stdin:
        request = json.loads(line)
        limits = Limits(**request["limits"])
        _limit(limits)
        try:
            fields = read_file(Path(request["path"]), request["name"], limits)
            _answer({"document": fields})
        except InputError as error:
            _answer({"refusal": str(error)})
        except MemoryError:
            _answer({"failure": f"it needs more than {limits.memory_megabytes:,} MB of memory"})
        except RecursionError:
            _answer({"failure": "it is nested too deeply"})
        except OSError as error:
            _answer({"failure": error.strerror or type(error).__name__})
        except Exception as error:  # A hostile file must not end a run, whatever it causes.
            _answer({"failure": f"{type(error).__name__} while reading it"})


if __name__ == "__main__":
    main()
