"""Every benchmark runs: tiny sizes, one repetition. What the figures are is not tested here."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import (
    bench_answers,
    bench_crf,
    bench_dag,
    bench_featurize,
    bench_imports,
    bench_memory,
    bench_postprocess,
    bench_predict_memory,
    bench_retrieval,
    bench_scoring,
    bench_significance,
    bench_training,
    measure,
    run_all,
    simulate_champion,
    simulate_significance,
    training_sides,
)
from squadron.config import ANSWER_RULES
from squadron.scores import significance
from tests.tiny_models import write_backbone

pytestmark = pytest.mark.slow  # Each benchmark runs, if only on a few questions.

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT / "examples" / "corpus.json"
KEPT_PARAGRAPHS = 2


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """The first paragraphs of each article of the example corpus."""
    content = json.loads(CORPUS.read_text())
    for article in content["data"]:
        article["paragraphs"] = article["paragraphs"][:KEPT_PARAGRAPHS]
    path = tmp_path_factory.mktemp("corpus") / "dev-v2.0.json"
    path.write_text(json.dumps(content))
    return path


@pytest.fixture(scope="module")
def predictions(corpus):
    """The first gold answer of each question, in upper case."""
    answers = {
        question["id"]: question["answers"][0]["text"].upper() if question["answers"] else ""
        for article in json.loads(corpus.read_text())["data"]
        for paragraph in article["paragraphs"]
        for question in paragraph["qas"]
    }
    path = corpus.with_name("dev-v2.0-bert-single.json")
    path.write_text(json.dumps(answers))
    return path


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    return write_backbone(tmp_path_factory.mktemp("backbone"), max_position_embeddings=512)


@pytest.fixture
def run(tmp_path):
    """Runs a benchmark's main once; returns its report."""

    def run_main(benchmark, *arguments):
        output = tmp_path / "report.json"
        benchmark.main([*map(str, arguments), "--repeat", "1", "--output", str(output)])
        report = json.loads(output.read_text())
        assert report["environment"]["python"]
        assert report["environment"]["cpus_allowed"] >= 1
        assert report["repetitions"] == 1
        return report

    return run_main


def test_scoring_runs(run, corpus, predictions):
    report = run(bench_scoring, corpus, predictions)
    assert report["ratio"] == pytest.approx(
        report["seconds_median"]["official"] / report["seconds_median"]["ours"]
    )
    assert set(report["seconds_median"]) == {"ours", "official", "all parts", "oracle"}
    (target,) = report["targets"]
    assert target["measured"] == report["seconds_median"]["all parts"]


def test_retrieval_runs(run, corpus):
    report = run(bench_retrieval, corpus, "--searches", "3")
    assert report["passages"] >= 8
    assert (
        set(report["recall"]) == {"dense", "bm25", "hybrid", "original"} == set(report["search_ms"])
    )
    assert report["fusion"]["5"] == report["recall"]["hybrid"]
    assert report["recall"]["hybrid"]["20"] > 50
    words = run(bench_retrieval, corpus, "--words")["words"]
    assert words["stems, no stop words"]["20"] > 50


def test_serving_runs(corpus, tmp_path):
    # The servers are processes, and the benchmark changes the working directory.
    output = tmp_path / "report.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "bench_serving.py"), str(corpus)]
    command += ["--tokens", "200", "--repeat", "2", "--seconds", "9", "--clients", "2"]
    subprocess.run([*command, "--output", str(output)], check=True)
    report = json.loads(output.read_text())
    assert {"bare", "reader", "lone"} == set(report["one_request"])
    for side in ("squadron", "mlflow", "int8", "mlflow_int8", "switch"):
        assert report[side]["failed"] == 0
        assert report[side]["requests"] > 0
    assert set(report["switch"]["versions"]) == {"1", "2"}
    assert [target["met"] for target in report["targets"]] == [None] * 4


def test_crf_runs(run):
    report = run(bench_crf)
    assert report["shape"] == [16, 384, 3]
    assert report["ratio"] > 1


def test_significance_runs_and_both_sides_find_the_same_p(run, corpus):
    report = run(bench_significance, corpus)
    assert report["questions"] > report["paragraphs"] >= 8
    assert {"two", "twelve", "intervals", "plain_two"} == set(report["seconds_median"])
    assert [target["wanted"] for target in report["targets"]] == ["at most 1 s"] * 3


def test_simulated_races_against_a_champion_give_a_table(tmp_path, monkeypatch, capsys):
    # Set by the script; other tests of this process need the library's own.
    monkeypatch.setattr(significance, "RESAMPLES", significance.RESAMPLES)
    output = tmp_path / "report.json"
    simulate_champion.main(["--small", "--output", str(output)])
    report = json.loads(output.read_text())
    assert [row["lead"] for row in report["rows"]] == [-4, 0]
    for row in report["rows"]:
        assert row["margin 0"] <= row["margin 1"] <= row["margin 2"] <= row["ahead"]
    assert capsys.readouterr().out.startswith("| paragraphs | challengers | lead | ahead |")


def test_simulated_races_of_equals_rarely_have_a_certain_winner(
    corpus, predictions, tmp_path, monkeypatch
):
    # Set by the script; other tests of this process need the library's own.
    monkeypatch.setattr(significance, "RESAMPLES", significance.RESAMPLES)
    output = tmp_path / "report.json"
    arguments = [str(corpus), str(predictions), "--small", "--draws", "200"]
    simulate_significance.main([*arguments, "--output", str(output)])
    report = json.loads(output.read_text())
    assert (report["races"], report["least_clusters"]) == (20, 8)
    for table in ("equal", "skewed"):
        cells = {(row["contenders"], row["paragraphs"]): row for row in report[table]}
        assert set(cells) == {(2, 5), (2, 8), (3, 5), (3, 8)}
        assert cells[2, 5]["now"] == cells[3, 5]["now"] == 0.0  # too few paragraphs
        # 4 of 20 or more would be a 1 in 60 event at 5 %; the draws are always the same ones.
        assert max(row["now"] for row in report[table]) <= 15.0
    assert {row["lead"] for row in report["power"]} == {1.0, 2.0}
    assert all(row["now: of all"] <= row["now: of one"] for row in report["power"])
    assert [row["drawn"].split()[1] for row in report["coverage"]] == [
        *["paragraphs"] * 2,
        *["titles"] * 2,
    ]


def test_featurize_runs_and_all_sides_cut_the_same_windows(run, corpus, backbone):
    report = run(bench_featurize, corpus, "--backbone", backbone)
    assert report["windows"] >= report["questions"] > 0
    assert report["answers_placed_elsewhere_by_datasets_map"] == 0
    assert set(report["seconds"]) == {"ours", "encode_batch", "datasets_map"}


def test_postprocess_runs_and_the_sides_answer_alike(run, corpus, backbone):
    report = run(bench_postprocess, corpus, "--backbone", backbone)
    assert report["equal_answers"] > 0.95
    assert report["targets"][0]["met"] is None


def test_answers_are_timed_by_both_rules_and_the_step_runs_on_the_same(corpus, tmp_path):
    bench_answers.prepare(tmp_path, corpus, 90)
    for rule in ANSWER_RULES:
        assert bench_answers.answer_in(tmp_path, rule)["seconds"] > 0
    assert bench_answers.evaluate_in(tmp_path)["seconds"] > 0
    metrics = json.loads((tmp_path / "evaluation" / "metrics.json").read_text())
    # The drawn right answers are found.
    assert 40 < metrics["splits"]["test"]["exact_match"] < 90


HOLD_MEMORY = """
import time
from benchmarks import measure
with measure.watch_memory() as memory:
    held = bytearray(50_000_000)
    time.sleep(0.5)
    del held
print(memory["growth_mb"])
"""


def test_memory_that_was_held_for_a_while_is_seen():
    # In a process of its own: in this one, libraries give memory of earlier tests back meanwhile.
    command = [sys.executable, "-c", HOLD_MEMORY]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    growth = done.stdout.strip()
    assert growth == "None" if sys.platform != "linux" else 45 < float(growth) < 60


def test_imports_runs_and_names_what_is_heavy(run):
    report = run(bench_imports, "--modules", "squadron.config")
    assert report["seconds_median"]["squadron.config"] > 0
    assert report["brings"]["squadron.config"] == ""


def test_predict_memory_measures_the_step_itself(corpus, backbone, tmp_path):
    size = bench_predict_memory.prepare(tmp_path, corpus, backbone, 70)
    figures = bench_predict_memory.predict_in(tmp_path)
    assert size > 0
    assert (tmp_path / "candidates" / "test.parquet").stat().st_size > 0
    assert figures["rss_mb"] > 0


@pytest.mark.parametrize("step", bench_memory.STEPS)
def test_memory_is_measured_on_steps_with_data_of_any_size(step, corpus, backbone, tmp_path):
    size = 300
    bench_memory.prepare(tmp_path, corpus, backbone, step, size)
    figures = bench_memory.run_in(tmp_path, step, backbone)
    assert figures["rss_mb"] > 0
    assert figures["cpu_seconds"] > 0
    if step == "featurize":
        counts = json.loads((tmp_path / "windows" / "windows.json").read_text())["counts"]["train"]
        assert 0.7 * size < counts["windows"] < 1.4 * size
    else:
        metrics = json.loads((tmp_path / "evaluation" / "metrics.json").read_text())
        assert metrics["splits"]["test"]["total"] == size // bench_memory.WINDOWS_PER_QUESTION


def test_repeated_questions_have_ids_titles_and_contexts_of_their_own(corpus):
    questions = measure.read_questions(corpus)
    many = bench_memory.repeat_questions(questions, 2 * len(questions) + 1)
    assert len(many) == len(many["id"].unique()) == 2 * len(questions) + 1
    for name in ("title", "context"):
        assert len(many[name].unique()) == 2 * len(questions[name].unique()) + 1
    for row in many.to_pylist():
        for answer in row["answers"]:
            assert row["context"][answer["start_char"] :].startswith(answer["text"])


@pytest.fixture
def fresh_accelerate():
    """accelerate allows one precision per process; a side has a process of its own."""
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.mark.usefixtures("fresh_accelerate")
@pytest.mark.parametrize("side", bench_training.SEGMENT_STEPS)
def test_each_side_trains_to_its_last_edge(side, corpus, backbone, tmp_path, capsys):
    batch = training_sides.BATCH_SIZE
    bench_training.draw_sample(corpus, backbone, tmp_path, short=2 * batch, long=batch)
    training_sides.run_side(side, tmp_path / "short.arrow", backbone, [1, 2])
    result = measure.read_result(capsys.readouterr().out.splitlines()[-1])
    assert result["seconds"] > 0
    assert result["peak_rss_bytes"] > 0


def test_run_all_collects_figures_and_targets(corpus, predictions, tmp_path):
    output = tmp_path / "results.json"
    arguments = [str(corpus.parent), "--only", "scoring", "--repeat", "1", "--output", str(output)]
    assert run_all.main(arguments) == 0
    content = json.loads(output.read_text())
    assert set(content["benchmarks"]) == {"scoring"}
    assert "environment" not in content["benchmarks"]["scoring"]
    assert content["environment"]["torch"]


def test_run_all_says_which_file_is_missing(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        run_all.main([str(tmp_path), "--only", "scoring"])
    assert stop.value.code == 2
    assert "does not hold dev-v2.0-bert-single.json, dev-v2.0.json" in capsys.readouterr().err


def test_run_all_knows_every_benchmark_of_the_folder():
    found = {path.stem.removeprefix("bench_") for path in (ROOT / "benchmarks").glob("bench_*.py")}
    assert len(found) >= 7
    assert set(run_all.FILES) == found


def test_the_parts_of_a_run_add_up_to_the_whole():
    parent = {
        "started": 0.5,
        "ended": 29.0,
        "imports": [[1.0, 3.0], [13.0, 13.5]],
        "functions": [],
    }
    first = {
        "started": 6.0,
        "ended": 12.0,
        "imports": [[6.5, 7.0], [8.0, 8.5]],
        "functions": [["ingest", 7.5, 11.0]],
        "processor": 1.5,
    }
    second = {
        "started": 14.0,
        "ended": 25.0,
        "imports": [[14.0, 16.0]],
        "functions": [["featurize", 16.25, 24.0]],
        "processor": 2.5,
    }
    shares = bench_dag.share_out(0.0, 30.0, parent, [second, parent, first])
    # From 0 to 6 without 2 seconds of imports.
    assert shares["before"] == 4.0
    assert shares["after"] == 5.0
    ingest, featurize = shares["steps"]
    # 6 seconds, 3.5 in the function, half a second of imports before it.
    assert ingest == {
        "step": "ingest",
        "cost": 2.0,
        "launch": 0.0,
        "enter": 1.0,
        "leave": 1.0,
        "inside": 3.5,
        "imports": 0.5,
        "processor": 1.5,
    }
    # 13 seconds since the end of ingest, 7.75 in the function, 2.5 of imports.
    assert featurize["cost"] == 2.75
    assert featurize["launch"] + featurize["enter"] + featurize["leave"] == 2.75
    parts = ("before", "after", "costs", "inside", "imports")
    assert sum(shares[part] for part in parts) == pytest.approx(30.0)
    assert shares["imports"] == 5.5 - 0.5


def test_a_process_notes_its_imports_and_its_end(tmp_path):
    variables = {"SQUADRON_BENCHMARK_TIMES": str(tmp_path), "PYTHONPATH": str(bench_dag.HOOK)}
    command = [sys.executable, "-c", "import json, time; time.sleep(0.1)"]
    subprocess.run(command, env={**os.environ, **variables}, check=True)
    (notes,) = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
    assert notes["ended"] - notes["started"] >= 0.1
    assert notes["imports"]
    # Processor time does not pass while a process sleeps.
    assert 0 < notes["processor"] < notes["ended"] - notes["started"]
    assert notes["functions"] == []


def test_a_target_is_judged_only_with_enough_repetitions(tmp_path, capsys):
    output = tmp_path / "report.json"
    targets = [measure.at_least("speed", 4.0, 5.0, "times"), measure.at_most("size", 1, 2, "GB")]
    measure.finish({}, targets, argparse.Namespace(repeat=4, output=output))
    assert [target["met"] for target in json.loads(output.read_text())["targets"]] == [None, None]
    measure.finish({}, targets, argparse.Namespace(repeat=5, output=output))
    assert [target["met"] for target in json.loads(output.read_text())["targets"]] == [False, True]
    assert "speed: 4 times, at least 5 times wanted: MISSED" in capsys.readouterr().out


def test_turns_alternate():
    calls = []
    sides = {name: lambda name=name: calls.append(name) for name in "ab"}
    seconds = measure.take_turns(sides, 3)
    assert "".join(calls) == "abbaab"
    assert [len(some) for some in seconds.values()] == [3, 3]


@pytest.mark.slow
def test_memory_runs(run, corpus, backbone):
    report = run(bench_memory, corpus, "--backbone", backbone, "--sizes", "100", "200")
    assert report["targets"][0]["name"] == "featurize, more memory"
    assert set(report["evaluate"]["cpu_seconds"]) == {"100", "200"}


@pytest.mark.slow
def test_predict_memory_runs(run, corpus, backbone):
    report = run(bench_predict_memory, corpus, "--backbone", backbone, "--sizes", "20", "40")
    assert report["growth"]["rss_mb"] < 300
    assert report["targets"][0]["met"]


@pytest.mark.slow
def test_training_runs(run, corpus, backbone):
    report = run(
        bench_training,
        *(corpus, "--backbone", backbone, "--segment-divisor", "12", "--long-steps", "2"),
    )
    assert set(report["windows_per_second"]) == {"padded", "trainer", "ours"}
    assert report["long_run"]["peak_rss_gb"] > 0


@pytest.mark.slow
def test_dag_runs(run, backbone, monkeypatch):
    # What the DAG costs doesn't hang on the contender: the smallest will do.
    small = ("contenders=[pretrained]", f"backbone={backbone}")
    monkeypatch.setattr(bench_dag, "SETTINGS", (*bench_dag.SETTINGS, *small))
    report = run(bench_dag)
    names = [step["step"] for step in report["fresh_runs"][0]["steps"]]
    assert names[:4] == ["ingest", "admit", "open_race", "featurize"]
    assert names[-3:] == ["register", "report", "close_race"]
    assert [s["step"] for s in report["cached_runs"][0]["steps"]] == ["open_race", "close_race"]
