"""The step ingest: files that only train, beside those whose titles are split."""

import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from launch.plan import Plan, check_experiment, plan_race
from squadron import steps, tracking
from squadron.artifacts import read_table
from squadron.config import SPLITS, Data, Splits, build_experiment, to_json
from squadron.errors import InputError

JUDGED = SPLITS[1:]


def write_squad(path: Path, titles: dict[str, list[str]], mark: str) -> str:
    """A SQuAD file with one context per title and the ids given; returns its path."""
    articles = []
    for title, ids in titles.items():
        context = f"{title} of {mark} is a place."
        answer = {"text": "a place", "answer_start": context.index("a place")}
        qas = [{"id": i, "question": f"What is {title} {i}?", "answers": [answer]} for i in ids]
        articles.append({"title": title, "paragraphs": [{"context": context, "qas": qas}]})
    path.write_text(json.dumps({"data": articles}))
    return str(path)


def number_titles(count: int, mark: str, first: int = 0) -> dict[str, list[str]]:
    """Titles "T<number>" with three questions each."""
    return {f"T{t}": [f"{mark}{t}-{q}" for q in range(3)] for t in range(first, first + count)}


def ingest(place: Path, data: Data) -> tuple[dict[str, list[dict]], dict]:
    """(split -> its rows, validation.json)."""
    steps.ingest(data=to_json(data), examples=place)
    tables = {n: read_table(place / f"{n}.parquet", schema="examples/1") for n in SPLITS}
    rows = {name: table.to_pylist() for name, table in tables.items()}
    return rows, json.loads((place / "validation.json").read_text())


def titles_of(rows: list[dict]) -> set[str]:
    return {row["title"] for row in rows}


def test_titles_of_train_only_all_train_and_the_counts_are_of_the_other_titles(tmp_path):
    own = write_squad(tmp_path / "own.json", number_titles(20, "a"), "own")
    only = write_squad(tmp_path / "only.json", number_titles(30, "b", first=100), "only")
    splits = Splits(tune=5, select=6, test=7)
    alone, _ = ingest(tmp_path / "alone", Data(train=(own,), splits=splits))
    rows, report = ingest(tmp_path / "both", Data(train=(own,), train_only=(only,), splits=splits))
    for name in JUDGED:
        assert rows[name] == alone[name]
    assert [len(titles_of(rows[name])) for name in JUDGED] == [5, 6, 7]
    assert {f"T{n}" for n in range(100, 130)} < titles_of(rows["train"])
    assert len(rows["train"]) == 3 * (30 + 20 - 5 - 6 - 7)
    assert report["train_only"] == {
        "examples": 90,
        "questions_also_in_train": 0,
        "contexts_shared": {"tune": 0, "select": 0, "test": 0},
    }
    assert not report["samples"]


@pytest.mark.parametrize(
    "splits", [Splits(tune=3, select=3, test=3), Splits(tune=0.3, select=0.3, test=0.3)]
)
def test_a_title_of_both_trains_wholly_and_a_share_moves_no_other(tmp_path, splits):
    own = write_squad(tmp_path / "own.json", number_titles(40, "a"), "own")
    alone, _ = ingest(tmp_path / "alone", Data(train=(own,), splits=splits))
    judged = {title for name in JUDGED for title in titles_of(alone[name])}
    shared = sorted(judged)[:4]
    only = write_squad(tmp_path / "only.json", {t: [f"b{t}"] for t in shared}, "only")
    rows, _ = ingest(tmp_path / "both", Data(train=(own,), train_only=(only,), splits=splits))
    trained = [row for row in rows["train"] if row["title"] in shared]
    assert len(trained) == len(shared) * (3 + 1)
    for name in JUDGED:
        assert not titles_of(rows[name]) & {*shared}
        if splits.tune < 1:
            assert titles_of(rows[name]) == titles_of(alone[name]) - {*shared}
        else:
            assert len(titles_of(rows[name])) == 3


def test_a_question_of_both_trains_once_and_is_no_fault(tmp_path):
    titles = number_titles(12, "a")
    own = write_squad(tmp_path / "own.json", titles, "place")
    only = write_squad(tmp_path / "only.json", {t: titles[t] for t in ("T0", "T1")}, "place")
    splits = Splits(tune=2, select=2, test=2)
    rows, report = ingest(tmp_path / "e", Data(train=(own,), train_only=(only,), splits=splits))
    ids = [row["id"] for name in SPLITS for row in rows[name]]
    assert len(ids) == len(set(ids)) == 36
    assert {*titles["T0"], *titles["T1"]} < {row["id"] for row in rows["train"]}
    assert report["train_only"]["questions_also_in_train"] == 6
    assert report["rejected"] == {}


def test_an_id_of_both_for_different_questions_is_rejected(tmp_path):
    own = write_squad(tmp_path / "own.json", number_titles(12, "a"), "own")
    only = write_squad(tmp_path / "only.json", {"Other": ["a0-0"]}, "only")
    data = Data(train=(own,), train_only=(only,), splits=Splits(2, 2, 2), max_rejected_share=0.1)
    rows, report = ingest(tmp_path / "e", data)
    assert report["rejected"] == {"id used twice": 1}
    assert (report["accepted"], report["total"]) == (36, 37)
    (row,) = (row for name in SPLITS for row in rows[name] if row["id"] == "a0-0")
    assert row["title"] == "Other"


def test_contexts_that_are_judged_and_only_train_are_warned_of_and_noted(tmp_path, caplog):
    titles = number_titles(9, "a")
    own = write_squad(tmp_path / "own.json", titles, "own")
    splits = Splits(tune=2, select=2, test=2)
    alone, _ = ingest(tmp_path / "alone", Data(train=(own,), splits=splits))
    # The same text under another title: a split by title can't see it.
    context = alone["select"][0]["context"]
    answer = {"text": "place", "answer_start": context.index("place")}
    qa = {"id": "x", "question": "What is it?", "answers": [answer]}
    article = {"title": "Elsewhere", "paragraphs": [{"context": context, "qas": [qa]}]}
    (tmp_path / "only.json").write_text(json.dumps({"data": [article]}))
    only = str(tmp_path / "only.json")
    _, report = ingest(tmp_path / "e", Data(train=(own,), train_only=(only,), splits=splits))
    assert report["train_only"]["contexts_shared"] == {"tune": 0, "select": 1, "test": 0}
    (sample,) = report["samples"]["context of select also in train_only"]
    assert context.startswith(sample)
    assert "context of select also in train_only: 1" in caplog.text
    # Its own test set is a judged split as well.
    test = write_squad(tmp_path / "test.json", {"T0": ["t"]}, "own")
    data = Data(train=(own,), train_only=(test,), test=(test,), splits=splits)
    _, report = ingest(tmp_path / "t", data)
    assert report["train_only"]["contexts_shared"] == {"tune": 0, "select": 0, "test": 1}


def test_the_limit_of_train_counts_both_kinds_of_files(tmp_path):
    own = write_squad(tmp_path / "own.json", number_titles(40, "a"), "own")
    only = write_squad(tmp_path / "only.json", number_titles(40, "b", first=100), "only")
    data = Data(train=(own,), train_only=(only,), splits=Splits(2, 2, 2), max_train_examples=60)
    rows, _ = ingest(tmp_path / "e", data)
    assert len(rows["train"]) == 60
    marks = {row["id"][0] for row in rows["train"]}
    assert marks == {"a", "b"}


def test_too_few_titles_outside_train_only_are_said(tmp_path, capfd):
    titles = number_titles(5, "a")
    own = write_squad(tmp_path / "own.json", titles, "own")
    only = write_squad(tmp_path / "only.json", number_titles(4, "b"), "only")
    data = Data(train=(own,), train_only=(only,), splits=Splits(1, 1, 1))
    with pytest.raises(SystemExit) as caught:
        ingest(tmp_path / "e", data)
    assert caught.value.code == 2
    shown = "".join(capfd.readouterr())
    assert f"1 titles in {[own]} that are not in train_only with data -> splits" in shown


def plan(data: dict) -> Plan:
    raw = {"name": "x", "data": data, "contenders": ["span"]}
    experiment = build_experiment(raw)
    check_experiment(experiment)
    return plan_race(experiment)


def test_the_contents_of_train_only_are_part_of_a_races_key(tmp_path):
    own = write_squad(tmp_path / "own.json", number_titles(3, "a"), "own")
    only = write_squad(tmp_path / "only.json", number_titles(3, "b"), "only")
    without = plan({"train": own})
    before = plan({"train": own, "train_only": only})
    assert plan({"train": own, "train_only": only}) == before
    write_squad(tmp_path / "only.json", number_titles(4, "b"), "only")
    after = plan({"train": own, "train_only": only})
    assert len({each.arguments["ingest_digests"] for each in (without, before, after)}) == 3
    assert len({each.race for each in (without, before, after)}) == 3
    with pytest.raises(InputError, match=r"none\.json"):
        plan({"train": own, "train_only": "none.json"})


def test_mlflow_names_every_file_of_a_split(tmp_path, monkeypatch):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv(tracking.URI_VARIABLE, uri)
    monkeypatch.setenv("SQUADRON_CHECKPOINTS", str(tmp_path / "kept"))
    monkeypatch.setenv(tracking.RACE_VARIABLE, "x/k")
    opened = steps.open_race(experiment=json.dumps({"labels": ["span"], "experiment": {}}))
    own = write_squad(tmp_path / "own.json", number_titles(9, "a"), "own")
    only = write_squad(tmp_path / "only.json", number_titles(3, "b", first=100), "only")
    ingest(tmp_path / "e", Data(train=(own,), train_only=(only,), splits=Splits(2, 2, 2)))
    parent = tracking.find_parent(tracking.Race("x", "k"))
    assert parent == opened
    inputs = MlflowClient(uri).get_run(parent).inputs.dataset_inputs
    places = {i.dataset.name: json.loads(i.dataset.source)["uri"] for i in inputs}
    assert places == {"train": f"{own}, {only}", "tune": own, "select": own, "test": own}
