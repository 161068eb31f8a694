"""What happens to the process that reads documents must not happen to its parent."""

import json
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from squadron.documents import extraction
from squadron.documents.document import Document, Refusal
from squadron.documents.extraction import Extractor
from squadron.documents.limits import Limits

TEXT = {"text": "abc", "pages": [[0, 3]], "sections": [], "notes": []}
ADVICE = "save it again with another program, or leave it out"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.txt"
    path.write_text("Some words.")
    return path


@pytest.fixture
def pretend(monkeypatch):
    """Puts a script in the place of the process that reads; it has `line`, the request."""

    def replace(script: str) -> None:
        code = f"import json, os, sys, time\nline = sys.stdin.readline()\n{script}"
        monkeypatch.setattr(
            extraction,
            "_start",
            lambda: subprocess.Popen(
                [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            ),
        )

    return replace


def read(path: Path, limits: Limits | None = None) -> Document | Refusal:
    with Extractor(limits) as extractor:
        return extractor.extract(path, "a.txt")


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        (
            "print('{\"page\": 7}', flush=True); os.kill(os.getpid(), 11)",
            "reading a.txt broke off at page 7 (the process that reads documents was ended by "
            "SIGSEGV)",
        ),
        (
            "sys.exit(3)",
            "reading a.txt broke off (the process that reads documents ended with code 3)",
        ),
        (
            "print('{\"page\": 2}', flush=True); time.sleep(99)",
            "reading a.txt broke off at page 2 (no result within 0.3 seconds)",
        ),
        (
            "print('x' * 100_000_000)",
            "reading a.txt broke off (its text is longer than max_characters allows)",
        ),
        (
            "print('[1]', flush=True)",
            "reading a.txt broke off (the process that reads documents gave no valid answer)",
        ),
        (
            'print(\'{"failure": "it is nested too deeply"}\', flush=True)',
            "reading a.txt broke off (it is nested too deeply)",
        ),
    ],
)
def test_whatever_the_process_does_there_is_one_sentence(file, pretend, script, problem):
    pretend(script)
    limits = Limits(page_seconds=0.3 if "sleep" in script else 60, max_characters=1000)
    assert read(file, limits) == Refusal("a.txt", f"{problem}: {ADVICE}")


def test_a_process_that_always_has_news_ends_as_well(file, pretend):
    pretend("while True: print('{\"page\": 1}', flush=True); time.sleep(0.01)")
    result = read(file, Limits(seconds=0.5))
    assert isinstance(result, Refusal)
    assert "(no result within 0.5 seconds)" in result.reason


@pytest.mark.parametrize(
    "change",
    [
        {"text": 5},
        {"text": "\ud800bc"},
        {"pages": []},
        {"pages": [[0, 2]]},
        {"pages": [[0, 1], [2, 3]]},
        {"pages": [[0, "x"]]},
        {"sections": [{"title": "x", "start_char": 2, "body_char": 1}]},
        {"sections": [{"title": "x", "start_char": 2, "body_char": 4}]},
        {"sections": [{"title": "x", "start_char": 2}]},
        {"notes": 1},
    ],
)
def test_an_answer_that_is_no_document_is_refused(file, pretend, change):
    pretend(f"print({json.dumps(json.dumps({'document': {**TEXT, **change}}))}, flush=True)")
    result = read(file)
    assert isinstance(result, Refusal)
    assert "no valid answer" in result.reason


def test_an_answer_that_is_a_document_is_one(file, pretend):
    pretend(f"print({json.dumps(json.dumps({'document': TEXT}))}, flush=True)")
    assert read(file) == Document("a.txt", "abc", ((0, 3),))


def test_one_process_reads_all_files_and_is_replaced_when_it_dies(file, monkeypatch):
    started = []
    start = extraction._start
    monkeypatch.setattr(extraction, "_start", lambda: started.append(1) or start())
    with Extractor() as extractor:
        for _ in range(3):
            assert isinstance(extractor.extract(file, "a.txt"), Document)
        assert len(started) == 1
        extractor._process.kill()
        extractor._process.wait()
        assert isinstance(extractor.extract(file, "a.txt"), Document)
        assert len(started) == 2


def test_the_process_ends_with_the_extractor(file):
    with Extractor() as extractor:
        extractor.extract(file, "a.txt")
        process = extractor._process
        assert process.poll() is None
    assert process.poll() is not None


LIMIT = """
from squadron.documents import worker
worker._limit(worker.Limits(**json.loads(line)["limits"]))
"""


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("while True: pass", "it needs more processor time than cpu_seconds allows"),
        ("x = bytearray(400_000_000)", "ended with code 1"),
        ("os.write(os.open('x', os.O_CREAT | os.O_WRONLY), b'x')", "ended with code 1"),
    ],
)
def test_the_process_limits_itself(file, pretend, monkeypatch, script, problem):
    monkeypatch.chdir(file.parent)
    pretend(LIMIT + script)
    result = read(file, Limits(cpu_seconds=1, memory_megabytes=300, page_seconds=300))
    assert isinstance(result, Refusal)
    assert problem in result.reason


def make_bomb(megabytes: int) -> bytes:
    """Returns a PDF whose page is that large when it is unpacked."""
    drawing = b"BT /F1 9 Tf 50 700 Td " + b"(hello) Tj 0 -1 Td " * (megabytes * 1_000_000 // 19)
    packed = zlib.compress(drawing + b"ET")
    bodies = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R"
        b"/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Filter/FlateDecode/Length %d>>stream\n%b\nendstream" % (len(packed), packed),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    objects = b"".join(b"%d 0 obj%b\nendobj\n" % (n, body) for n, body in enumerate(bodies, 1))
    return b"%PDF-1.4\n" + objects + b"trailer<</Root 1 0 R/Size 6>>\n%%EOF"


def test_a_small_file_that_unpacks_to_a_large_one_ends_at_the_limit(tmp_path, file):
    path = tmp_path / "a.pdf"
    path.write_bytes(make_bomb(30))
    assert path.stat().st_size < 1_000_000
    with Extractor(Limits(memory_megabytes=200)) as extractor:
        result = extractor.extract(path, "a.pdf")
        assert isinstance(result, Refusal)
        assert result.reason.startswith("reading a.pdf broke off")
        assert isinstance(extractor.extract(file, "a.txt"), Document)


def test_a_file_that_is_too_large_is_not_opened(file, pretend):
    pretend("sys.exit(1)")
    message = "a.txt has 0.0 MB, and at most 1e-06 MB are read: split it, or raise max_megabytes"
    assert read(file, Limits(max_megabytes=1e-6)) == Refusal("a.txt", message)


def test_a_module_among_the_documents_is_not_imported(tmp_path, file, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    assert isinstance(read(file), Document)


def test_a_limit_must_be_positive():
    with pytest.raises(ValueError, match="documents -> seconds is 0; it must be positive"):
        Limits(seconds=0)
