"""The path of a new user: an index of documents, then answers with file and page."""

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.limits import PATIENCE_SECONDS

ROOT = Path(__file__).resolve().parents[2]
HANDBOOK = ROOT / "examples" / "handbook.pdf"
MOON = ROOT / "examples" / "moon_landing.txt"


def squadron(folder, *arguments):
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    return subprocess.run(
        [sys.executable, "-m", "squadron", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with documents and their index, built by the command."""
    folder = tmp_path_factory.mktemp("documents")
    (folder / "docs").mkdir()
    shutil.copy(HANDBOOK, folder / "docs")
    shutil.copy(MOON, folder / "docs")
    (folder / "docs" / "broken.pdf").write_bytes(b"%PDF-1.7 not really")
    done = squadron(folder, "index", "docs")
    assert done.returncode == 1, "a file can't be read"
    assert "read handbook.pdf, 8 pages" in done.stderr.splitlines()
    assert [line for line in done.stderr.splitlines() if line.startswith("broken.pdf ")] != []
    assert "2 documents" in done.stdout
    assert "2 new or changed, 0 unchanged, 0 removed" in done.stdout
    return folder


@pytest.mark.slow
def test_an_answer_has_file_page_section_and_sentence(place):
    done = squadron(place, "ask", "Why did the new thermometer read too warm?", "--explain")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[1] == "Answer:   because its screen had been delivered in grey paint"
    assert lines[2] == "From:     handbook.pdf, page 2"
    assert lines[3] == "Section:  1.2 A short history"
    assert lines[4].endswith("[because its screen had been delivered in grey paint].")
    assert "Kind:     causal, because of 'Why'" in lines
    read = lines[lines.index("Read:") + 1 :]
    assert len(read) == 11  # ten passages, and the model
    assert [line.endswith(" <- the answer") for line in read].count(True) == 1
    assert all("null score" in line and "hybrid" in line for line in read[:10])


@pytest.mark.slow
def test_questions_from_a_file_become_rows_with_places(place):
    (place / "q.txt").write_text(
        "How much rock and soil did they collect?\nWhat is the capital of France?\n"
    )
    done = squadron(place, "ask", "--questions", "q.txt", "--output", "a.csv")
    assert (done.returncode, done.stdout) == (0, "2 answers are in a.csv\n")
    with (place / "a.csv").open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    text = MOON.read_text(encoding="utf-8")
    assert first["document"] == "moon_landing.txt"
    assert text[int(first["start_char"]) : int(first["end_char"])] == first["text"] != ""
    assert (second["answered"], second["text"], second["page"]) == ("False", "", "")
    done = squadron(place, "ask", "--json", "--top-k", "2", "--explain", "Who was on board?")
    (row,) = json.loads(done.stdout)
    assert [len(row["read"]), row["reasoning_type"]] == [2, "factual"]
    assert "moon_landing.txt" in [given["document"] for given in row["read"]]
    for given in row["read"]:
        (window,) = given["windows"]
        assert (window["text"], window["score"]) != ("", None)
        if given["document"] == "moon_landing.txt":
            assert text[window["start_char"] : window["end_char"]] == given["passage"]
            assert text[window["text_start_char"] : window["text_end_char"]] == window["text"]


@pytest.mark.slow
def test_a_second_index_reads_only_what_changed_and_forgets_what_is_gone(place, tmp_path):
    shutil.copytree(place, tmp_path / "copy")
    folder = tmp_path / "copy"
    (folder / "docs" / "broken.pdf").unlink()
    done = squadron(folder, "index", "docs")
    assert done.returncode == 0
    assert done.stderr == ""
    assert "0 new or changed, 2 unchanged, 0 removed" in done.stdout
    (folder / "docs" / "moon_landing.txt").unlink()
    (folder / "docs" / "new.md").write_text("# Lamp\n\nThe lamp was lit by Ann Reed in 1820.\n")
    done = squadron(folder, "index", "docs")
    assert done.stderr == "read new.md, 1 page\n"
    assert "1 new or changed, 1 unchanged, 1 removed" in done.stdout
    done = squadron(folder, "ask", "Who lit the lamp?")
    assert "Answer:   Ann Reed" in done.stdout.splitlines()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("index", "none"), "none does not exist: check the path none"),
        (("index", "x.md", "--sentences", "0"), "sentences is 0; it must be at least 1"),
        (("ask", "--index", "none", "Who?"), "There is no index in none"),
    ],
)
def test_what_is_not_there_is_said_in_one_sentence(tmp_path, arguments, words):
    (tmp_path / "x.md").write_text("Words.")
    done = squadron(tmp_path, *arguments)
    assert done.returncode in (1, 2)
    assert words in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("package", ["lancedb", "pypdfium2"])
@pytest.mark.parametrize("command", [("index", "a.txt"), ("ask", "When was it built?")])
def test_without_the_packages_for_documents_it_is_said_what_to_install(tmp_path, package, command):
    (tmp_path / "runs" / "index").mkdir(parents=True)
    (tmp_path / "a.txt").write_text("The mill was built in 1820.")
    code = (
        f"import sys; sys.modules[{package!r}] = None; from squadron.__main__ import main; "
        f"sys.exit(main({list(command)!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"Documents need the package {package}, which is not installed: make setup, or pip install "
        "'squadron-qa[documents]'\n"
    )
