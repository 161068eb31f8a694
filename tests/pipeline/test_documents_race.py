"""A race with documents on this machine, through the real command line, on a tiny real backbone."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from squadron.artifacts import read_record
from squadron.scores.contender_result import ContenderResult
from tests.pipeline.tiny_race import ROOT, client, evaluation, run, runs_of, write_experiment

pytestmark = pytest.mark.slow

DOING = re.compile(r"^(?:from cache +(?:\w+: )?)([a-z_, ]+)", re.MULTILINE)


@pytest.fixture(scope="module")
def race(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A finished race with a contender that trains and one that diverges."""
    folder = tmp_path_factory.mktemp("race")
    (folder / "documents").mkdir()
    shutil.copy(ROOT / "examples" / "handbook.pdf", folder / "documents")
    diverging = {"variant": "span", "label": "diverging", "train": {"learning_rate": 1e30}}
    write_experiment(folder, ["span", diverging], epochs=1)
    experiment = json.loads((folder / "tiny.yaml").read_text())
    experiment["documents"] = {
        "files": [str(folder / "documents")],
        "contexts": ["select", "test"],
        "questions": 10,
        "top_k": 2,
    }
    (folder / "tiny.yaml").write_text(json.dumps(experiment))
    done = run(folder)
    assert done.returncode == 0, done.stderr + done.stdout
    return folder, done.stdout


def test_the_screen_shows_recall_and_what_is_answered(race: tuple[Path, str]) -> None:
    folder, shown = race
    figures = read_record(ContenderResult, evaluation(folder, "span") / "metrics.json").open_domain
    assert figures is not None
    select = figures.splits["select"]
    assert re.search(
        r"^passages   \d+ passages of 1 document \(8 pages\) and \d+ contexts", shown, re.M
    )
    recall = select.searched.recall["hybrid"]
    assert f"for {recall.at_5:.1f} % of {select.searched.answerable} questions" in shown
    exact_match = select.methods["hybrid"].exact_match
    assert f"answer     span: EM {exact_match:.2f} with passages found" in shown
    assert "open EM: 10 questions of select were asked without their context" in shown
    (head,) = [line for line in shown.splitlines() if line.startswith("seconds ")]
    assert head.split() == [
        *("seconds", "featurize", "train", "predict", "evaluate", "answer", "this", "run")
    ]


def test_mlflow_the_report_and_the_version_have_the_figures(race: tuple[Path, str]) -> None:
    folder, _ = race
    figures = read_record(ContenderResult, evaluation(folder, "span") / "metrics.json").open_domain
    assert figures is not None
    runs = runs_of(folder)
    (parent,) = [each for each in runs.values() if each.data.tags["squadron.contender"] == "-"]
    recall = figures.splits["test"].searched.recall["bm25"]
    assert parent.data.metrics["test_bm25_recall_at_20"] == recall.at_20
    child = runs["span"]
    for name, value in figures.flat().items():
        assert child.data.metrics[name] == pytest.approx(value)
    rows = client(folder).list_artifacts(child.info.run_id)
    assert "open_domain.json" in {each.path for each in rows}
    assert (evaluation(folder, "span") / "select" / "open_domain.parquet").is_file()
    (page,) = (folder / "results").glob("*/report/report.html")
    assert 'id="documents"' in page.read_text()
    version = client(folder).get_model_version_by_alias("squadron-tiny", "candidate")
    assert version.tags["index_digest"] == figures.index.digest
    assert version.tags["index_passages"] == str(figures.index.passages)
    (index,) = (folder / "runs" / "pipeline").glob("*/index/index")
    assert Path(version.tags["index_place"]) == index
    assert json.loads((index / "index.json").read_text())["content_digest"] == figures.index.digest


def test_a_diverging_contender_answers_nothing(race: tuple[Path, str]) -> None:
    folder, shown = race
    assert "answer     diverging" not in shown
    assert (
        read_record(ContenderResult, evaluation(folder, "diverging") / "metrics.json").open_domain
        is None
    )


def test_the_model_is_asked_about_the_index_it_was_judged_with(race: tuple[Path, str]) -> None:
    folder, _ = race
    assert not (folder / "runs" / "index").exists()
    (index,) = (folder / "runs" / "pipeline").glob("*/index/index")
    command = [sys.executable, "-m", "squadron", "ask", "--json", "--explain", "Who pays for it?"]
    environment = {k: v for k, v in os.environ.items() if k != "MLFLOW_TRACKING_URI"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = f"Searched: the index with which the model was judged, {index}"
    assert said in done.stderr.splitlines()
    (row,) = json.loads(done.stdout)
    assert row["model"] == "squadron-tiny"
    assert "handbook.pdf" in {each["document"] for each in row["read"]}


def test_other_documents_train_nothing_again(race: tuple[Path, str]) -> None:
    """It comes last, because it changes the documents."""
    folder, _ = race
    again = run(folder)
    assert again.returncode == 0, again.stderr
    assert taken(again.stdout) >= {"passages", "index", "train", "answer", "register"}
    (folder / "documents" / "mill.md").write_text("# Mill\n\nThe mill was built in 1820.")
    changed = run(folder)
    assert changed.returncode == 0, changed.stderr
    assert "2 documents" in changed.stdout
    cached = taken(changed.stdout)
    assert cached >= {"ingest", "admit", "featurize", "train", "predict", "evaluate"}
    assert not cached & {"passages", "index", "answer", "register"}


def taken(shown: str) -> set[str]:
    """Returns the steps that a race took from the cache."""
    return {name for some in DOING.findall(shown) for name in some.replace(",", " ").split()}
