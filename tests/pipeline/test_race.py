"""The whole race on one machine, through the real command line, on a tiny real backbone."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.limits import PATIENCE_SECONDS
from tests.pipeline.tiny_race import (
    CORPUS,
    ROOT,
    client,
    command,
    evaluation,
    run,
    runs_of,
    write_experiment,
)
from tests.s3_server import running_s3_server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def race(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A finished race with a contender that trains, one that does not and one that diverges."""
    folder = tmp_path_factory.mktemp("race")
    diverging = {"variant": "span", "label": "diverging", "train": {"learning_rate": 1e30}}
    write_experiment(folder, ["span", "pretrained", diverging], has_store=False)
    done = run(folder)
    assert done.returncode == 0, done.stderr + done.stdout
    return folder, done.stdout


def test_the_table_shows_every_contender_the_winner_and_the_next_commands(race):
    _, shown = race
    for words in ("span", "pretrained", "diverging", "Winner: ", "squadron-tiny", "squadron ask"):
        assert words in shown


def test_intervals_and_the_certainty_of_the_lead_are_shown_and_kept(race):
    folder, shown = race
    assert "95 %" in shown
    said = ("too small to rank: ", "too few paragraphs to rank contenders (", "more than chance")
    assert any(words in shown for words in said)
    metrics = json.loads((evaluation(folder, "span") / "metrics.json").read_text())
    for split in ("select", "test"):
        summary = metrics["splits"][split]
        assert summary["exact_match_low"] <= summary["exact_match"] <= summary["exact_match_high"]
        assert summary["f1_low"] <= summary["f1"] <= summary["f1_high"]
        for key in ("exact_match", "f1"):
            assert f"{summary[f'{key}_low']:.1f}–{summary[f'{key}_high']:.1f}" in shown
    assert metrics["splits"]["tune"]["exact_match_low"] is None
    (place,) = (folder / "results").glob("*/summary/race_result.json")
    comparisons = json.loads(place.read_text())["comparisons"]
    assert {"span", "pretrained"} > {row["label"] for row in comparisons}
    split = json.loads(place.read_text())["select_split"]
    assert split["digest"] == metrics["digests"]["select"]
    assert split["questions"] == metrics["splits"]["select"]["total"]


def test_the_report_is_in_mlflow_on_kubeflows_pages_and_beside_the_results(race):
    folder, shown = race
    (line,) = [each for each in shown.splitlines() if each.startswith("report ")]
    page = Path(line.split()[-1].removeprefix("file://"))
    text = page.read_text()
    assert text.startswith("<!doctype html>")
    assert "span is first, but don&#39;t promote a demo" in text or "pretrained is first" in text
    for name in ("em", "loss", "tune_em"):  # too few paragraphs for leads
        assert (page.parent / "figures" / f"{name}.svg").read_text().startswith("<svg")
    (published,) = (folder / "results").glob("*/report/report.html")
    (output,) = (folder / "runs" / "pipeline").glob("*/report/page")
    assert published.read_text() == output.read_text() == text
    for step in ("ingest", "register"):
        assert re.search(rf"{step} \d+\.\d s", text)
    for step in ("featurize", "train", "predict", "evaluate"):
        assert f'<th scope="col">{step}' in text


def test_the_version_has_its_card(race):
    folder, _ = race
    version = client(folder).get_model_version_by_alias("squadron-tiny", "candidate")
    assert "EM" in version.description
    (card,) = (folder / "runs").glob("artifacts/**/artifacts/model/MODEL_CARD.md")
    assert str(CORPUS) in card.read_text()
    select = json.loads(
        (evaluation(folder, version.tags["contender"]) / "metrics.json").read_text()
    )
    assert f"{select['splits']['select']['exact_match']:.2f}" in card.read_text()


def test_a_diverging_contender_is_disqualified_and_the_others_finish(race):
    folder, shown = race
    assert "disqualified" in shown
    runs = runs_of(folder)
    assert runs["diverging"].info.status == "FAILED"
    assert "disqualified" in runs["diverging"].data.tags["squadron.status"]
    assert runs["span"].info.status == "FINISHED"


def test_mlflow_has_one_parent_and_a_child_per_contender_with_parameters_and_curves(race):
    folder, _ = race
    runs = runs_of(folder)
    assert len(runs) == 4
    (parent,) = [r for r in runs.values() if r.data.tags["squadron.contender"] == "-"]
    assert parent.info.status == "FINISHED"
    marks = [parent.data.tags[f"squadron.{name}"] for name in ("result", "report", "last_step")]
    assert marks == ["this try", "this try", "report"]
    child = runs["span"]
    assert child.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert child.data.params["learning_rate"] == "0.001"
    assert len(child.data.params) < 30
    assert {"select_exact_match", "test_f1", "seconds_train", "train_loss"} <= set(
        child.data.metrics
    )
    history = client(folder).get_metric_history(child.info.run_id, "tune_exact_match")
    assert len({m.step for m in history}) >= 2
    datasets = client(folder).get_run(parent.info.run_id).inputs.dataset_inputs
    assert {d.dataset.name for d in datasets} == {"train", "tune", "select", "test"}


def test_every_metric_has_its_line_in_the_page_for_reviewers(race):
    folder, _ = race
    page = (ROOT / "docs" / "review.md").read_text()
    names = {name for run in runs_of(folder).values() for name in run.data.metrics}
    assert len(names) > 60
    plain = {name: re.sub("^(train|tune|select|test)_", "", name) for name in names}
    assert [n for n in names if f"`{n}`" not in page and f"`{plain[n]}`" not in page] == []


def test_mlflow_says_what_the_race_found_and_links_its_pages(race):
    folder, _ = race
    runs = runs_of(folder)
    (parent,) = [r for r in runs.values() if r.data.tags["squadron.contender"] == "-"]
    note = parent.data.tags["mlflow.note.content"]
    assert "but don't promote a demo." in note.splitlines()[0]
    for label in ("span", "pretrained", "diverging"):
        child = runs[label]
        assert f"[{label}](#/experiments/1/runs/{child.info.run_id}?" in note
        inputs = client(folder).get_run(child.info.run_id).inputs.dataset_inputs
        met = {each.dataset.name for each in inputs}
        assert met == {"tune", "select", "test"} | ({"train"} if label != "pretrained" else set())
    assert "winner" in {runs[n].data.tags["squadron.standing"] for n in ("span", "pretrained")}
    assert runs["diverging"].data.tags["mlflow.note.content"].startswith("Disqualified: ")
    model = client(folder).get_registered_model("squadron-tiny")
    assert "squadron promote VERSION --model squadron-tiny" in model.description
    version = client(folder).get_model_version_by_alias("squadron-tiny", "candidate")
    assert f"](#/experiments/1/runs/{parent.info.run_id}?" in version.description


def test_the_registered_version_carries_figures_origin_and_status(race):
    folder, _ = race
    version = client(folder).get_model_version_by_alias("squadron-tiny", "candidate")
    assert version.tags["validation_status"] == "demo"
    assert version.tags["data_licence"] == "CC0-1.0"
    for tag in ("select_exact_match", "test_f1", "select_digest", "git_sha", "run", "licence"):
        assert version.tags[tag]


def test_the_served_model_gives_the_evaluated_answers_to_every_question(race):
    import mlflow

    folder, _ = race
    uri = f"sqlite:///{folder}/runs/mlflow.db"
    version = client(folder).get_model_version_by_alias("squadron-tiny", "candidate")
    mlflow.set_tracking_uri(uri)
    served = mlflow.pyfunc.load_model(f"models:/squadron-tiny/{version.version}")
    expected = json.loads(
        (evaluation(folder, version.tags["contender"]) / "test/answers.json").read_text()
    )
    questions = [
        (qa["id"], {"question": qa["question"], "context": paragraph["context"]})
        for article in json.loads(CORPUS.read_text())["data"]
        for paragraph in article["paragraphs"]
        for qa in paragraph["qas"]
        if qa["id"] in expected
    ]
    assert len(questions) == 60
    given = served.predict([question for _, question in questions])
    assert {i: row["text"] for (i, _), row in zip(questions, given, strict=True)} == expected


def test_published_figures_equal_the_official_score_of_the_published_answers(race, tmp_path):
    from squadron.scores.figures import read_official
    from squadron.scores.scoring import score_files

    folder, _ = race
    place = evaluation(folder, "span")
    metrics = json.loads((place / "metrics.json").read_text())["splits"]["test"]
    answers = json.loads((place / "test" / "answers.json").read_text())
    data = json.loads(CORPUS.read_text())
    for article in data["data"]:
        for paragraph in article["paragraphs"]:
            paragraph["qas"] = [q for q in paragraph["qas"] if q["id"] in answers]
    (tmp_path / "test.json").write_text(json.dumps(data))
    official, missing = score_files(tmp_path / "test.json", place / "test" / "answers.json")
    assert missing == 0
    assert {name: metrics[name] for name in read_official(official)} == read_official(official)


def test_results_are_published_with_manifest_and_marker(race):
    from squadron import storage

    folder, _ = race
    published = [marker.parent for marker in (folder / "results").rglob("_COMMITTED")]
    # Model and evaluation of three contenders, the summary and the report.
    assert len(published) == 8
    for place in published:
        storage.fetch_published(str(place), folder / "unused")


def _exact_match(folder: Path, label: str) -> float:
    metrics = json.loads((evaluation(folder, label) / "metrics.json").read_text())
    return float(metrics["splits"]["select"]["exact_match"])


def _read_seconds(shown: str) -> dict[str, list[str]]:
    """Returns the cells of the table of seconds, by contender."""
    lines = shown.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("seconds "))
    return {line.split()[0]: line.split()[1:] for line in lines[first + 1 : first + 4]}


def test_a_log_shows_who_leads_what_is_left_and_the_seconds_of_each_step(race):
    folder, shown = race
    lines = shown.splitlines()
    (judged,) = [line for line in lines if line.startswith("evaluate   span: EM ")]
    assert judged.endswith(" on select, best so far")
    (first, second) = [line for line in lines if line.startswith("race       step ")]
    # Three steps before the contenders, and three after them.
    assert first.startswith("race       step 7 of 18, ")
    assert second.startswith("race       step 11 of 18, ")
    assert all(re.search(r" elapsed, about \d+:\d\d left, ", line) for line in (first, second))
    assert f"best EM {_exact_match(folder, 'span'):.2f} (span)" in first
    seconds = _read_seconds(shown)
    assert list(seconds) == ["span", "pretrained", "diverging"]
    assert seconds["pretrained"][0] == f"({seconds['span'][0]})"
    for cells in seconds.values():
        own = [float(cell) for cell in cells if not cell.startswith("(")]
        assert sum(own[:-1]) == pytest.approx(own[-1], abs=0.3)
        assert own[-1] > 0
    assert all(character.isprintable() for line in lines for character in line)


def test_a_second_run_comes_from_the_cache_and_leaves_no_second_result(race):
    folder, _ = race
    before = {name: r.info.run_id for name, r in runs_of(folder).items()}
    log = folder / "runs" / "pipeline.log"
    seen = len(log.read_text())
    again = run(folder)
    assert again.returncode == 0, again.stderr
    assert "Winner: " in again.stdout
    lines = again.stdout.splitlines()
    steps = "featurize, train, predict, evaluate"
    span, pretrained = (_exact_match(folder, label) for label in ("span", "pretrained"))
    standing = "best so far" if pretrained > span else "level with span, the best so far"
    verdict = f"EM {pretrained:.2f}" + f", {standing}" * (pretrained >= span)
    assert [line for line in lines if line.startswith("from cache")] == [
        "from cache ingest, admit",
        f"from cache span: {steps} (EM {span:.2f}, best so far)",
        f"from cache pretrained: {steps} ({verdict})",
        f"from cache diverging: {steps}",
        "from cache register, report",
    ]
    steps_before = _read_seconds(race[1])
    for label, (*cells, own) in _read_seconds(again.stdout).items():
        before_of_label = [cell.strip("()") for cell in steps_before[label][:-1]]
        assert cells == [f"({cell})" for cell in before_of_label]
        assert own == "0.0"
    (place,) = [line for line in lines if line.startswith("Report: ")]
    assert Path(place.removeprefix("Report: file://")).is_file()
    assert {name: r.info.run_id for name, r in runs_of(folder).items()} == before
    assert len(client(folder).search_model_versions("name = 'squadron-tiny'")) == 1
    executed = log.read_text()[seen:].count("Executing task")
    assert executed == 2  # open_race and close_race only


def test_ask_answers_with_the_registered_model(race):
    folder, _ = race
    asked = subprocess.run(
        [
            sys.executable,
            "-m",
            "squadron",
            "ask",
            "--json",
            "--context",
            "Rome is old.",
            "What is old?",
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    # No library draws a bar or prints a warning above the answer.
    assert (asked.returncode, asked.stderr) == (0, "")
    (row,) = json.loads(asked.stdout)
    assert row["model"] == "squadron-tiny"
    assert row["text"] in "Rome is old."


def test_a_demo_is_promoted_by_force_alone_and_this_is_recorded(race):
    folder, _ = race
    promote = ["promote", "candidate", "--to", "staging", "--yes"]
    for more, code in (([], 2), (["--force", "a test"], 0)):
        done = subprocess.run(
            [sys.executable, "-m", "squadron", *promote, *more],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECONDS,
        )
        assert done.returncode == code, done.stderr
        assert "EM on select" in done.stdout
    assert "forced: a test" in done.stdout
    assert client(folder).get_model_version_by_alias("squadron-tiny", "staging").version in (1, "1")


def stop_in_training(folder: Path, sign: signal.Signals) -> None:
    """Runs the race, which gets the signal when its training has written a checkpoint."""
    variables = {
        "PYTHONPATH": str(Path(__file__).parent / "stopped"),
        "STOP_AT_CHECKPOINT": str(int(sign)),
    }
    process = subprocess.Popen(
        command(folder), cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        env=os.environ | variables, start_new_session=True,
    )  # fmt: skip
    assert process.wait(timeout=PATIENCE_SECONDS) != 0, "the race was not stopped"
    assert list((folder / "runs").glob("checkpoints/*/step-*"))


def test_a_race_stopped_twice_in_training_goes_on_and_gives_the_unbroken_result(race, tmp_path):
    whole, _ = race
    write_experiment(tmp_path, ["span"], checkpoint_minutes=0.001)
    # The same backbone, so that the result can be compared with the unbroken race's.
    experiment = json.loads((tmp_path / "tiny.yaml").read_text())
    experiment["backbone"] = str(whole / "backbone")
    (tmp_path / "tiny.yaml").write_text(json.dumps(experiment))
    stop_in_training(tmp_path, signal.SIGKILL)
    stop_in_training(tmp_path, signal.SIGTERM)
    done = run(tmp_path)
    assert done.returncode == 0, done.stderr
    log = (tmp_path / "runs" / "pipeline.log").read_text()
    first, second = (int(step) for step in re.findall(r"goes on from step (\d+)", log))
    assert 0 < first < second
    answers = [evaluation(f, "span") / "test" / "nbest.json" for f in (whole, tmp_path)]
    assert answers[0].read_bytes() == answers[1].read_bytes()


def test_a_race_reads_its_data_from_s3_and_publishes_its_results_there(tmp_path):
    import boto3

    from squadron import storage

    write_experiment(tmp_path, ["pretrained"])
    with running_s3_server() as url:
        s3 = {
            "AWS_ENDPOINT_URL": url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        with pytest.MonkeyPatch.context() as patch:
            for name, value in s3.items():
                patch.setenv(name, value)
            client = boto3.client("s3", endpoint_url=url)
            client.create_bucket(Bucket="races")
            client.upload_file(str(CORPUS), "races", "data/corpus.json")
            words = ["data.train=s3://races/data/corpus.json", "results=s3://races/results"]
            done = run(tmp_path, *(part for word in words for part in ("--set", word)), **s3)
            assert done.returncode == 0, done.stderr + done.stdout
            pages = client.list_objects_v2(Bucket="races", Prefix="results/")["Contents"]
            markers = [item["Key"] for item in pages if item["Key"].endswith("/_COMMITTED")]
            places = {key.split("/", 2)[2].removesuffix("/_COMMITTED") for key in markers}
            assert places == {"pretrained/model", "pretrained/evaluation", "summary", "report"}
            (key,) = {marker.split("/")[1] for marker in markers}
            place = f"s3://races/results/{key}/pretrained/evaluation"
            folder = storage.fetch_published(place, tmp_path / "fetched")
            metrics = json.loads((folder / "metrics.json").read_text())
            assert metrics["splits"]["test"]["total"] > 0
            assert (folder / "test" / "answers.json").is_file()
