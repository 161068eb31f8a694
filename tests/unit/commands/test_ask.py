"""Tests `squadron ask`: its command line, and how it takes the text that it reads."""

import io
import os
import subprocess
import sys

import pytest

from squadron.__main__ import main
from tests.limits import PATIENCE_SECONDS


@pytest.fixture
def ask(tmp_path, monkeypatch, capsys):
    """Runs `squadron ask` in an empty folder; returns code, stdout, stderr."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(tmp_path)

    def run(context, stdin=b""):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
            code = main(["ask", "--model", "nobody", "--context", context, "Who?"])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def ask_in_a_process(tmp_path):
    """Runs `squadron ask` as a program, which has real files as its standard streams."""

    def run(context, stdin=b""):
        environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
        done = subprocess.run(
            [
                *(sys.executable, "-m", "squadron", "ask", "--model", "nobody"),
                *("--context", context, "Who?"),
            ],
            cwd=tmp_path,
            env=environment,
            input=stdin,
            capture_output=True,
            timeout=PATIENCE_SECONDS,
        )
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    return run


def assert_refused(result, *words):
    code, shown, said = result
    assert (code, shown) == (2, "")
    assert len(said.strip().splitlines()) == 1, said
    for word in words:
        assert word in said, said


@pytest.mark.parametrize("name", ["nope.txt", "texts/nope", "./my nope.txt", "/none/nope.md"])
def test_a_name_of_a_file_that_is_not_there_is_refused(ask, name):
    assert_refused(ask(name), "--context", repr(name), "does not exist", "--context -")


@pytest.mark.parametrize("name", ["texts", ".", "texts/"])
def test_a_folder_is_refused(ask, tmp_path, name):
    (tmp_path / "texts").mkdir()
    assert_refused(ask(name), "--context", repr(name), "is a folder", "give a text file")


def test_a_file_that_is_no_utf8_text_is_refused(ask, tmp_path):
    (tmp_path / "latin.txt").write_bytes("Zürich liegt am See.".encode("latin-1"))
    assert_refused(ask("latin.txt"), "'latin.txt'", "not UTF-8 text", "save it as UTF-8")
    assert_refused(ask("-", b"Z\xfcrich"), "standard input", "not UTF-8 text")


@pytest.mark.parametrize("content", [b"", b" \n\t\n"])
def test_an_empty_text_is_refused(ask, tmp_path, content):
    (tmp_path / "empty.txt").write_bytes(content)
    assert_refused(ask("empty.txt"), "'empty.txt'", "has no words")
    assert_refused(ask("-", content), "standard input", "has no words")
    assert_refused(ask(content.decode()), "--context", "has no words")


# The text was accepted if the message only says that there is no such model.
@pytest.mark.parametrize(
    "text",
    [
        "Rome is old. See notes.txt",
        "Rome",
        "Rome.",
        "3.14",
        "This and/or that.",
        "Line one\nv1.txt",
    ],
)
def test_words_are_the_text(ask, text):
    assert_refused(ask(text), "make run")


def test_a_file_standard_input_and_a_pipe_are_the_text(ask_in_a_process, tmp_path):
    (tmp_path / "rome.txt").write_text("Rome is old.", encoding="utf-8-sig")
    for name, stdin in (("rome.txt", b""), ("-", b"Rome is old."), ("/dev/stdin", b"Rome.")):
        assert_refused(ask_in_a_process(name, stdin), "make run")
    refused = ask_in_a_process("-", b"Z\xfcrich")
    assert_refused(refused, "standard input", "not UTF-8 text")
