"""The step evaluate: BERTScore against `squadron score --bertscore`, and how sure answers are."""

import json
import random
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from squadron import steps, tracking
from squadron.__main__ import main
from squadron.answers import calibration
from squadron.answers.answering import Answering
from squadron.artifacts import (
    BREAKDOWN,
    CANDIDATES,
    ERRORS,
    EXAMPLES,
    EXTENTS,
    read_json,
    read_record,
    read_table,
    write_official,
    write_record,
    write_table,
)
from squadron.config import Contender, Evaluate, to_json
from squadron.data.validation_file import SplitLeakageSummary, SyntheticSummary, Validation
from squadron.models.training_summary import TrainingSummary
from squadron.scores import evaluation, scoring, standings
from squadron.scores.contender_result import ContenderResult
from squadron.steps._record import record_examples, record_missing
from squadron.steps._status import Status
from tests import tiny_models
from tests.results import make_validation
from tests.stores import make_store

# Some right, some wrong, some abstained; and questions that nothing answers.
GIVEN = ["1906", "the glass roof", "Spain", "", "Théophile", "160 metres", "Line 28", "minutes"]
QUESTIONS = [*tiny_models.EIGHT_QUESTIONS, *tiny_models.UNANSWERED]
ANSWERS = [*GIVEN, "light", ""]


@pytest.fixture
def places(tmp_path):
    """Examples and candidates of three equal splits; "" has no candidate at all."""
    table = tiny_models.make_examples(QUESTIONS)
    rows = []
    for example, text in zip(table.to_pylist(), ANSWERS, strict=True):
        if text:
            start = example["context"].index(text)
            row = {"example_id": example["id"], "window": 0, "rank": 0, "score": 1.0}
            rows.append(
                {**row, "null_score": 0.0, "start_char": start, "end_char": start + len(text)}
            )
    candidates = pa.Table.from_pylist(rows, schema=CANDIDATES)
    for split in ("tune", "select", "test"):
        write_table(
            tmp_path / "examples" / f"{split}.parquet", table, schema="examples/1", made_from="e"
        )
        write_table(
            tmp_path / "candidates" / f"{split}.parquet",
            candidates,
            schema="candidates/1",
            made_from="c",
        )
    write_record(tmp_path / "candidates" / "status.json", Status("c"))
    tiny_models.write_validation(tmp_path / "examples")
    return tmp_path


def arguments(places, **changes):
    return {
        "settings": to_json(Evaluate(**changes)),
        "contender": to_json(Contender("span")),
        "examples": places / "examples",
        "candidates": places / "candidates",
        "evaluation": places / "evaluation",
        "figures_file": places / "figures.json",
    }


def test_bertscore_is_that_of_squadron_score_on_the_published_answers(places, capsys):
    figures = steps.evaluate(**arguments(places, bertscore=True))
    metrics = read_record(ContenderResult, places / "evaluation" / "metrics.json")
    articles = []
    for number, (question, context, answer) in enumerate(QUESTIONS):
        gold = [{"text": answer, "answer_start": context.index(answer)}] if answer else []
        qa = {"id": f"q{number}", "question": question, "answers": gold}
        qa["is_impossible"] = not answer
        articles.append({"title": "t", "paragraphs": [{"context": context, "qas": [qa]}]})
    (places / "data.json").write_text(json.dumps({"data": articles}))
    capsys.readouterr()
    chosen = places / "evaluation" / "select" / "answers.json"
    assert set(json.loads(chosen.read_text()).values()) > {""}
    assert main(["score", str(places / "data.json"), str(chosen), "--bertscore"]) == 0
    official = json.loads(capsys.readouterr().out)
    for name in ("precision", "recall", "f1"):
        assert 0 < official[f"BERTScore_{name}"] < 100
        expected = pytest.approx(official[f"BERTScore_{name}"], abs=1e-9)
        assert getattr(metrics.select, f"bertscore_{name}") == expected
        for split in ("select", "test"):
            assert figures[f"{split}_bertscore_{name}"] == expected
    assert metrics.splits["tune"].bertscore_f1 is None
    row = standings.describe_standing(metrics)
    assert row.select.bertscore_f1 == pytest.approx(official["BERTScore_f1"], abs=1e-9)


def official_data(examples):
    """A data file in SQuAD v2.0 layout."""
    qas = [
        {
            "id": row["id"],
            "question": row["question"],
            "answers": [
                {"text": answer["text"], "answer_start": answer["start_char"]}
                for answer in row["answers"]
            ],
            "is_impossible": not row["answers"],
        }
        for row in examples.to_pylist()
    ]
    return {"data": [{"title": "t", "paragraphs": [{"context": "", "qas": qas}]}]}


@pytest.mark.parametrize("seed", range(6))
def test_the_official_script_gives_our_figures_from_the_files_of_a_split(places, seed):
    # Scores and answers drawn, so that thresholds lie somewhere between; two have no candidate.
    draw = random.Random(seed)
    examples = read_table(places / "examples" / "tune.parquet", schema="examples/1")
    rows = []
    for example in examples.to_pylist()[:8] * 2:
        spans = [match.span() for match in re.finditer(r"\w+", example["context"])]
        start, end = draw.choice(spans)
        if example["answers"] and draw.random() < 0.7:
            start = example["answers"][0]["start_char"]
            end = start + len(example["answers"][0]["text"]) + draw.choice([0, 0, 5])
        span = {"start_char": start, "end_char": end, "score": draw.gauss(0, 3)}
        row = {"example_id": example["id"], "window": 0, "rank": 0, "null_score": 0.0}
        rows.append(row | span)
    # Some of those with a candidate get no gold answer.
    golds = [[] if draw.random() < 0.4 else some for some in examples["answers"].to_pylist()]
    column = pa.array(golds, EXAMPLES.field("answers").type)
    examples = examples.set_column(examples.schema.get_field_index("answers"), "answers", column)
    for split in ("tune", "select", "test"):
        write_table(
            places / "examples" / f"{split}.parquet", examples, schema="examples/1", made_from="e"
        )
        write_table(
            places / "candidates" / f"{split}.parquet",
            pa.Table.from_pylist(rows, schema=CANDIDATES),
            schema="candidates/1",
            made_from="c",
        )
    steps.evaluate(**arguments(places))
    metrics = read_record(ContenderResult, places / "evaluation" / "metrics.json")
    data = places / "data.json"
    data.write_text(json.dumps(official_data(examples)))
    folder = places / "evaluation" / "tune"
    best, _ = scoring.score_files(data, folder / "predictions.json", folder / "null_odds.json")
    ours = metrics.splits["tune"]
    assert best["best_exact"] == pytest.approx(ours.exact_match)
    thresholds = metrics.null_thresholds
    assert thresholds["exact_match"] == metrics.answering.null_threshold
    # The figures at our thresholds, by the script's own cut.
    answers, odds = (
        json.loads((folder / f"{name}.json").read_text()) for name in ("predictions", "null_odds")
    )
    content = json.loads(data.read_text())
    assert sum(map(bool, answers.values())) == 8, "before the threshold all with candidates answer"
    for name, official in (("exact_match", "exact"), ("f1", "f1")):
        cut = {"threshold": -thresholds[name]}
        again = scoring.score_parsed(content, answers, odds, **cut).summary
        assert again[official] == pytest.approx(best[f"best_{official}"])
    chosen = json.loads((folder / "answers.json").read_text())
    assert chosen == {i: "" if odds[i] > -thresholds["exact_match"] else answers[i] for i in odds}


def test_the_answer_rule_of_the_settings_is_used_and_told(places):
    path = places / "candidates" / "tune.parquet"
    rows = read_table(path, schema="candidates/1").to_pylist()
    # A second window with fewer log-odds, but higher logits: its span is the one's first letter.
    second = {"window": 1, "score": -5.0, "null_score": 9.0}
    rows += [{**row, **second, "end_char": row["start_char"] + 1} for row in rows]
    table = pa.Table.from_pylist(rows, schema=CANDIDATES)
    write_table(path, table, schema="candidates/1", made_from="c")
    for rule, length in (("window", 4), ("lowest_null", 1)):
        steps.evaluate(**arguments(places, answer_rule=rule))
        metrics = read_record(ContenderResult, places / "evaluation" / "metrics.json")
        assert metrics.answering.answer_rule == rule
        forced = json.loads((places / "evaluation" / "tune" / "predictions.json").read_text())
        assert len(forced["q0"]) == length


def test_without_it_no_figure_and_no_torch(places):
    texts = {name: str(value) for name, value in arguments(places).items()}
    code = f"""
import sys
from squadron import steps
figures = steps.evaluate(**{texts!r})
assert "select_exact_match" in figures
assert not any("bertscore" in name for name in figures), figures
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def scored(count, seed, intercept):
    """Examples with a candidate each, whose scores say something of whether it is right."""
    random = np.random.default_rng(seed)
    questions = [QUESTIONS[n] for n in random.integers(0, len(QUESTIONS), count)]
    table = tiny_models.make_examples(questions)
    rows, right, scores = [], [], random.normal(3.0, 4.0, count).astype(np.float32)
    for number, (_, context, answer) in enumerate(questions):
        hit = bool(answer) and random.random() < calibration.sigmoid(scores[number] + intercept)
        start = context.index(answer) if hit else 1
        right.append(hit)
        span = {"start_char": start, "end_char": start + len(answer) if hit else 4}
        row = {"example_id": f"q{number}", "window": 0, "rank": 0, "null_score": 0.0, **span}
        rows.append({**row, "score": float(scores[number])})
        rows.append({**row, "score": float(scores[number]) - 1.0, "start_char": 0, "rank": 1})
    return table, pa.Table.from_pylist(rows, schema=CANDIDATES), scores.astype(float), right


@pytest.fixture
def many(places):
    """{split: (scores, right)} of 200 questions each; tune's mapping is not the others'."""
    found = {}
    for number, split in enumerate(("tune", "select", "test")):
        table, candidates, *found[split] = scored(200, number, -4.0 if split == "test" else -2.0)
        for name, some, made_from in (("examples", table, "e"), ("candidates", candidates, "c")):
            path = places / name / f"{split}.parquet"
            write_table(path, some, schema=f"{name}/1", made_from=made_from)
    return found


def evaluated(places, status=None):
    """metrics.json and a reader of the other files."""
    if status is not None:
        write_record(places / "candidates" / "status.json", status)
    steps.evaluate(**arguments(places))
    return read_record(ContenderResult, places / "evaluation" / "metrics.json")


def test_the_size_of_a_part_changes_no_file(places, many, monkeypatch):
    rows = [
        {"example_id": f"q{n}", "window": w, "start_char": 7 * w, "end_char": 60 + 50 * w}
        for n in range(200)
        for w in range(1 + n % 3)
    ]
    extents = pa.Table.from_pylist(rows, schema=EXTENTS)
    path = places / "candidates" / "select.windows.parquet"
    write_table(path, extents, schema="extents/1", made_from="c")
    found = []
    for size in (1000, 7):
        monkeypatch.setattr("squadron.scores.split_evaluation.PART_QUESTIONS", size)
        metrics = evaluated(places)
        figures = {k: v for k, v in metrics.figures.items() if k != "seconds_evaluate"}
        files = {}
        for path in sorted((places / "evaluation").glob("*/*")):
            is_errors = path.name == "errors.parquet"
            content = read_table(path, schema="errors/1") if is_errors else path.read_bytes()
            files[str(path.relative_to(places))] = content
        found.append((replace(metrics, figures=figures), files))
    assert len(found[0][1]) > 15
    assert found[0] == found[1]


def test_probabilities_are_fitted_on_tune_and_judged_on_the_others(places, many):
    metrics = evaluated(places)
    mapping = calibration.fit(*many["tune"])
    assert metrics.answering.calibration == mapping
    assert mapping.method == "platt"
    for split in ("select", "test"):
        scores, right = many[split]
        figures = metrics.splits[split]
        for name, given in (("ece", mapping.apply(scores)), ("ece_before", None)):
            given = calibration.sigmoid(scores) if given is None else given
            expected = calibration.expected_calibration_error(given, right)
            assert getattr(figures, name) == pytest.approx(expected)
        assert figures.aurc == pytest.approx(calibration.risk_coverage(scores, right).area)
    assert metrics.select.ece < 0.15 < metrics.select.ece_before
    assert not {"ece", "ece_before", "aurc"} & set(metrics.splits["tune"].flat())
    assert not (places / "evaluation" / "tune" / "confidence.json").exists()


def test_confidence_and_the_best_of_nbest_say_the_same_probability(places, many):
    evaluated(places)
    scores, right = many["select"]
    sure = calibration.fit(*many["tune"]).apply(scores)
    lists = json.loads((places / "evaluation" / "select" / "nbest.json").read_text())
    assert [some[0]["probability"] for some in lists.values()] == pytest.approx(sure.tolist())
    assert not any("probability" in entry for some in lists.values() for entry in some[1:])
    place = places / "evaluation" / "select" / "confidence.json"
    confidence = read_json(place, schema="confidence/1")
    curve = confidence["risk_coverage"]
    assert len(curve) == 101
    assert curve[-1] == {
        "coverage": 1.0,
        "risk": pytest.approx(1 - np.mean(right)),
        "probability": pytest.approx(sure.min()),
    }
    for point in curve[::10]:
        given = sure >= point["probability"]
        assert point["coverage"] == pytest.approx(given.mean())
        assert point["risk"] == pytest.approx(1 - np.mean(np.array(right)[given]))
    assert sum(group["questions"] for group in confidence["reliability"]) == 200
    assert len(confidence["reliability"]) == 15


def test_a_registered_model_keeps_its_own_calibration(places, many):
    own = calibration.fit(*many["test"])
    metrics = evaluated(places, Status("c", answering=Answering(calibration=own)))
    assert metrics.answering.calibration == own != calibration.fit(*many["tune"])
    figures = metrics.splits["test"]
    given = own.apply(many["test"][0])
    expected = calibration.expected_calibration_error(given, many["test"][1])
    assert figures.ece == pytest.approx(expected)


def test_one_that_was_registered_without_has_no_probabilities(places, many):
    metrics = evaluated(places, Status("c", answering=Answering()))
    assert metrics.answering.calibration is None
    assert metrics.select.ece is None
    assert {"ece_before", "aurc"} <= set(metrics.select.flat())
    assert "probability" not in (places / "evaluation" / "select" / "nbest.json").read_text()


def test_a_question_without_a_candidate_is_never_sure_nor_right(places):
    metrics = evaluated(places)
    assert metrics.answering.calibration.note.startswith("only 8 scored questions")
    curve = read_json(places / "evaluation" / "test" / "confidence.json", schema="confidence/1")
    assert [point["probability"] for point in curve["risk_coverage"][-2:]] == [0.0, 0.0]
    assert curve["risk_coverage"][-1]["risk"] == pytest.approx(1 - 4 / 10)


def test_its_module_names_the_very_files_that_it_writes(places):
    steps.evaluate(**arguments(places))
    written = {path.name for path in (places / "evaluation").rglob("*") if path.is_file()}
    named = set(
        re.findall(r"[a-z_]+\.(?:json|parquet)", sys.modules["squadron.steps.evaluate"].__doc__)
    )
    assert named == written | {"types.json"}, "types come from some models only"


@pytest.mark.parametrize(
    "content", [{}, {"a": ""}, {"é\u2028": [{"x": 1.5, "y": None}], '"': -0.0}]
)
def test_official_files_are_json_as_the_standard_library_writes_it(content, tmp_path):
    write_official(tmp_path / "file.json", iter(content.items()))
    text = (tmp_path / "file.json").read_text(encoding="utf-8")
    assert text == json.dumps(content, ensure_ascii=False)


def test_wrong_answers_are_sorted_counted_and_listed(places):
    steps.evaluate(**arguments(places))
    metrics = read_record(ContenderResult, places / "evaluation" / "metrics.json")
    assert set(metrics.errors) == {"select", "test"}
    counts = {kind: count for kind, count in metrics.errors["test"].items() if count}
    assert counts == {
        "boundary": 2,  # "Théophile", "minutes"
        "right_sentence": 1,  # "the glass roof"
        "should_have_answered": 1,
        "should_have_abstained": 1,
    }
    table = read_table(places / "evaluation" / "test" / "errors.parquet", schema="errors/1")
    assert table.schema.remove_metadata() == ERRORS
    wrong = 1 - metrics.splits["test"].exact_match / 100
    assert table.num_rows == sum(counts.values()) == round(wrong * len(QUESTIONS))
    assert not (places / "evaluation" / "tune" / "errors.parquet").exists()


def test_windows_that_held_no_answer_are_told_apart(places):
    extents = [
        {"example_id": f"q{number}", "window": 0, "start_char": 0, "end_char": 30}
        for number in range(len(QUESTIONS))
    ]
    for split in ("select", "test"):
        write_table(
            places / "candidates" / f"{split}.windows.parquet",
            pa.Table.from_pylist(extents, schema=EXTENTS),
            schema="extents/1",
            made_from="c",
        )
    steps.evaluate(**arguments(places))
    metrics = read_record(ContenderResult, places / "evaluation" / "metrics.json")
    assert metrics.errors["select"]["window_missed_the_answer"] == 4
    assert metrics.errors["select"]["should_have_abstained"] == 1


def test_figures_by_kinds_of_questions_add_up_to_those_of_the_split(places):
    metrics = evaluated(places)
    for split in ("select", "test"):
        path = places / "evaluation" / split / "breakdown.parquet"
        table = read_table(path, schema="breakdown/2", made_from="c")
        assert table.schema.remove_metadata() == BREAKDOWN
        rows = table.to_pylist()
        for group in ("all", "question_word", "answerable", "answer_words", "title"):
            some = [row for row in rows if row["group"] == group]
            assert sum(row["questions"] for row in some) == len(QUESTIONS)
            for name in ("exact_match", "f1"):
                total = sum(row[name] * row["questions"] for row in some)
                expected = pytest.approx(getattr(metrics.splits[split], name))
                assert total / len(QUESTIONS) == expected
    assert not (places / "evaluation" / "tune" / "breakdown.parquet").exists()


def windows_in(places, split):
    table = read_table(places / "evaluation" / split / "breakdown.parquet", schema="breakdown/2")
    return {r["value"]: r["questions"] for r in table.to_pylist() if r["group"] == "windows"}


def test_windows_are_counted_where_they_are_known(places):
    extents = [
        {"example_id": f"q{number}", "window": window, "start_char": 0, "end_char": 1}
        for number in range(len(QUESTIONS))
        for window in range(3 if number == 0 else 1)
    ]
    write_table(
        places / "candidates" / "test.windows.parquet",
        pa.Table.from_pylist(extents, schema=EXTENTS),
        schema="extents/1",
        made_from="c",
    )
    steps.evaluate(**arguments(places))
    assert windows_in(places, "test") == {"1": 9, "3": 1}
    assert windows_in(places, "select") == {}


@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_the_oracle_takes_the_best_candidate_of_any_window(places, at_once, monkeypatch):
    monkeypatch.setattr(evaluation, "_ORACLE_QUESTIONS", at_once)
    path = places / "candidates" / "test.parquet"
    rows = read_table(path, schema="candidates/1").to_pylist()
    _, context, gold = QUESTIONS[1]
    start = context.index(gold)
    other = {"window": 1, "score": 0.5, "start_char": start, "end_char": start + len(gold)}
    table = pa.Table.from_pylist([*rows, {**rows[1], **other}], schema=CANDIDATES)
    write_table(path, table, schema="candidates/1", made_from="c")
    figures = steps.evaluate(**arguments(places))
    # Four of eight answers are there; of the two questions that nothing answers both count.
    assert figures["select_oracle_exact_match"] == pytest.approx(60.0)
    assert figures["test_oracle_exact_match"] == pytest.approx(70.0)
    for split in ("select", "test"):
        assert figures[f"{split}_exact_match"] < figures[f"{split}_oracle_exact_match"]
        assert figures[f"{split}_f1"] < figures[f"{split}_oracle_f1"] < 100
    assert "tune_oracle_f1" not in figures


def test_mlflow_shows_the_figures_by_kinds_of_questions(places, monkeypatch):
    monkeypatch.setenv(tracking.URI_VARIABLE, make_store(places))
    monkeypatch.setenv("SQUADRON_CHECKPOINTS", str(places / "kept"))
    race = tracking.Race("groups", "key")
    tracking.open_race(race, ["span"], {}, "sha")
    monkeypatch.setenv(tracking.RACE_VARIABLE, str(race))
    steps.evaluate(**arguments(places))
    import mlflow

    run = mlflow.get_run(tracking.find_child(race, "span"))
    client = mlflow.MlflowClient()
    table = client.load_table(run.info.experiment_id, "breakdown.json", [run.info.run_id])
    assert set(table["split"]) == {"select", "test"}
    (row,) = table[(table["split"] == "select") & (table["group"] == "all")].to_dict("records")
    assert row["exact_match"] == pytest.approx(run.data.metrics["select_exact_match"])
    assert run.data.metrics["select_oracle_exact_match"] == pytest.approx(60.0)


def test_the_table_of_wrong_answers_is_replaced_not_appended_to(tmp_path, monkeypatch):
    monkeypatch.setenv(tracking.URI_VARIABLE, make_store(tmp_path))
    race = tracking.Race("table", "key")
    tracking.open_race(race, ["span"], {}, "sha")
    child = tracking.find_child(race, "span")
    rows = [{"question": "<b>?", "score": 1.5}, {"question": "Who?", "score": -float("inf")}]
    for given in (rows[:1], rows):
        tracking.log_table(child, given, "errors.json")
    import mlflow

    run = mlflow.get_run(child)
    table = mlflow.MlflowClient().load_table(run.info.experiment_id, "errors.json", [child])
    assert table["question"].tolist() == ["<b>?", "Who?"]
    assert table["score"].isna().tolist() == [False, True]
    assert '"type": "table"' in run.data.tags["mlflow.loggedArtifacts"]
    tracking.log_table("", rows, "errors.json")


def test_register_brings_figures_to_mlflow_that_never_arrived_there(places, monkeypatch):
    monkeypatch.setenv(tracking.URI_VARIABLE, make_store(places))
    monkeypatch.setenv("SQUADRON_CHECKPOINTS", str(places / "kept"))
    race = tracking.Race("replayed", "key")
    tracking.open_race(race, ["span", "ended"], {}, "sha")
    points = [{"step": 1, "epoch": 0.5, "train_loss": 2.0}]
    training = TrainingSummary(log=tuple(points))
    status = Status("c", training=training, params={"variant": "span"}, figures={"parameters": 5.0})
    write_record(places / "candidates" / "status.json", status)
    # The disk of these steps, and the outbox on it, is gone: nothing was logged.
    figures = steps.evaluate(**arguments(places))
    row = read_record(ContenderResult, places / "evaluation" / "metrics.json")
    tracking.close_contender(tracking.find_child(race, "ended"), "")
    shutil.copytree(places / "evaluation", places / "other")
    write_record(places / "other" / "metrics.json", replace(row, label="ended"))
    for _ in range(2):
        record_examples(tracking.find_parent(race), places / "examples")
        record_missing(race, [places / "evaluation", places / "other"])
    import mlflow

    run = mlflow.get_run(tracking.find_child(race, "span"))
    for name in ("select_exact_match", "test_f1", "disqualified"):
        assert run.data.metrics[name] == pytest.approx(figures[name])
    assert (run.data.metrics["train_loss"], run.data.metrics["parameters"]) == (2.0, 5.0)
    assert (run.info.status, run.data.tags[tracking.STATUS_TAG]) == ("FINISHED", "finished")
    assert mlflow.get_run(tracking.find_child(race, "ended")).data.metrics == {}
    client = mlflow.MlflowClient()
    assert len(client.get_metric_history(run.info.run_id, "train_loss")) == 1
    places = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert places == {"evaluation", "errors.json", "breakdown.json"}


def test_a_test_split_that_was_trained_on_is_not_judged_and_shows_nothing(places, monkeypatch):
    monkeypatch.setenv(tracking.URI_VARIABLE, make_store(places))
    monkeypatch.setenv("SQUADRON_CHECKPOINTS", str(places / "kept"))
    race = tracking.Race("spoilt", "key")
    tracking.open_race(race, ["span"], {}, "sha")
    monkeypatch.setenv(tracking.RACE_VARIABLE, str(race))
    shared = SplitLeakageSummary(3, 2, 2 / 3, 0, 1, ())
    write_record(places / "examples" / "validation.json", make_validation(test=shared))
    figures = steps.evaluate(**arguments(places))
    assert not [name for name in figures if name.startswith("test_")]
    assert "select_exact_match" in figures
    assert not (places / "evaluation" / "test").exists()
    row = read_record(ContenderResult, places / "evaluation" / "metrics.json")
    assert standings.describe_standing(row).test is None
    tags = standings.version_tags(row, "passed")
    assert not [name for name in tags if name.startswith("test_")]
    import mlflow

    run = mlflow.get_run(tracking.find_child(race, "span"))
    assert not [name for name in run.data.metrics if name.startswith("test_")]
    assert run.data.metrics["select_exact_match"] == pytest.approx(figures["select_exact_match"])


@pytest.mark.parametrize(("trained", "says"), [(10.0, True), (0.0, False)])
def test_only_a_contender_that_trains_tells_of_synthetic_questions(places, trained, says):
    examples = places / "examples"
    found = read_record(Validation, examples / "validation.json")
    synthetic = SyntheticSummary(1, 1, {"cloze": 1}, {"a.pdf": 1})
    write_record(examples / "validation.json", replace(found, synthetic=synthetic))
    training = TrainingSummary(trainable_parameters=trained)
    write_record(places / "candidates" / "status.json", Status("c", training=training))
    steps.evaluate(**arguments(places))
    result = read_record(ContenderResult, places / "evaluation" / "metrics.json")
    assert ("questions of train are synthetic" in result.synthetic) == says
