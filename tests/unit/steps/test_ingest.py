"""The step ingest: files that only train, beside those whose titles are split."""

import dataclasses
import json
from pathlib import Path

import pytest
from mlflow import MlflowClient

from launch.plan import Plan, check_experiment, plan_race
from squadron import steps, tracking
from squadron.artifacts import read_table
from squadron.config import SPLITS, Data, Splits, build_experiment, to_json
from squadron.data.sources import list_sources
from squadron.errors import InputError
from tests.layouts import QUESTIONS, write

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
    assert report["train_only"] == {"examples": 90, "questions_also_in_train": 0}
    assert not any(found["share"] for found in report["leakage"]["splits"].values())


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
    assert report["findings"]["rejected"] == {}


def test_an_id_of_both_for_different_questions_is_rejected(tmp_path):
    own = write_squad(tmp_path / "own.json", number_titles(12, "a"), "own")
    only = write_squad(tmp_path / "only.json", {"Other": ["a0-0"]}, "only")
    data = Data(train=(own,), train_only=(only,), splits=Splits(2, 2, 2), max_rejected_share=0.1)
    rows, report = ingest(tmp_path / "e", data)
    assert report["findings"]["rejected"] == {"id used twice": 1}
    assert (report["findings"]["accepted"], report["findings"]["total"]) == (36, 37)
    (row,) = (row for name in SPLITS for row in rows[name] if row["id"] == "a0-0")
    assert row["title"] == "Other"


def refuse(place: Path, data: Data, capfd: pytest.CaptureFixture[str]) -> str:
    """The sentence that ends the step; the exit code is 2 and nothing was written."""
    capfd.readouterr()
    with pytest.raises(SystemExit) as caught:
        ingest(place, data)
    assert caught.value.code == 2
    assert not place.exists()
    (line,) = capfd.readouterr().err.strip().splitlines()
    return line


def write_articles(path: Path, articles: list[tuple[str, str]]) -> str:
    """A SQuAD file of (title, paragraph), each with one question; returns its path."""
    content = []
    for number, (title, context) in enumerate(articles):
        answer = {"text": context.split()[0], "answer_start": context.index(context.split()[0])}
        qa = {"id": f"{path.stem}-{number}", "question": f"Q {path.stem} {number}?"}
        paragraph = {"context": context, "qas": [{**qa, "answers": [answer]}]}
        content.append({"title": title, "paragraphs": [paragraph]})
    path.write_text(json.dumps({"data": content}))
    return str(path)


SPELLED = ("The Straße café opened in 1906.", "the  STRASSE\ncafe\u0301 opened\u00a0in 1906.")
"""One paragraph as two files may write it: white space, case and Unicode form differ."""


def test_the_same_file_as_train_and_test_is_refused_before_anything_is_written(tmp_path, capfd):
    own = write_squad(tmp_path / "own.json", number_titles(20, "a"), "own")
    data = Data(train=(own,), test=(own,), splits=Splits(2, 2))
    line = refuse(tmp_path / "e", data, capfd)
    assert "16 of the 20 paragraphs of the test split are also in the train split (80.0%" in line
    assert "at most 1.0% is allowed), such as 'T" in line
    assert "raise data -> max_shared_share" in line


def test_paragraphs_shared_with_a_test_set_are_counted_and_said_up_to_the_share(tmp_path, capfd):
    places = [(f"T{n}", f"Place {n} is old.") for n in range(12)]
    own = write_articles(tmp_path / "own.json", [*places, ("Shared", SPELLED[0])])
    tests = [(f"U{n}", f"Town {n} is old.") for n in range(3)]
    test = write_articles(tmp_path / "test.json", [*tests, ("Elsewhere", SPELLED[1])])
    only = write_articles(tmp_path / "only.json", [("Third", SPELLED[0])])
    # As train_only, so that the paragraph trains whatever the hashes say.
    data = Data((own,), (test,), (only,), splits=Splits(2, 2), max_shared_share=0.25)
    _, report = ingest(tmp_path / "e", data)
    first, *rest = capfd.readouterr().err.splitlines()
    assert first == (
        "ingest     Warning: test was trained on: 1 of its 4 paragraphs (25.0 %) are also in "
        "train. It is not judged and has no figures."
    )
    assert rest[-1].endswith("; 2 titles with shared paragraphs")
    found = report["leakage"]["splits"]
    assert (found["test"]["units"], found["test"]["units_also_in_train"]) == (4, 1)
    assert found["test"]["share"] == 0.25
    assert found["test"]["samples"] == [SPELLED[1]]
    assert (found["tune"]["share"], found["select"]["share"]) == (0, 0)
    assert report["leakage"]["in_several_splits"]["paragraphs"] == 1
    line = refuse(tmp_path / "t", dataclasses.replace(data, max_shared_share=0.24), capfd)
    assert "1 of the 4 paragraphs of the test split" in line


def test_titles_that_share_a_paragraph_with_train_only_train_too(tmp_path):
    titles = number_titles(9, "a")
    own = write_squad(tmp_path / "own.json", titles, "own")
    splits = Splits(tune=2, select=2, test=2)
    alone, _ = ingest(tmp_path / "alone", Data(train=(own,), splits=splits))
    title, context = (alone["select"][0][name] for name in ("title", "context"))
    only = write_articles(tmp_path / "only.json", [("Elsewhere", f" {context.upper()} ")])
    rows, report = ingest(tmp_path / "e", Data(train=(own,), train_only=(only,), splits=splits))
    assert title in titles_of(rows["train"])
    assert not any(found["share"] for found in report["leakage"]["splits"].values())
    assert report["leakage"]["titles_that_share_paragraphs"] == {
        "count": 2,
        "samples": [["Elsewhere", title]],
    }


def test_titles_that_differ_in_spelling_alone_are_one_title(tmp_path, capfd):
    places = [(f"T{n}", f"Place {n} is old.") for n in range(300)]
    alone, _ = ingest(tmp_path / "alone", Data((write_articles(tmp_path / "own.json", places),)))
    where = {title: name for name in SPLITS for title in titles_of(alone[name])}
    more = [(f"\u00a0{title.lower()} ", f"More of {title} here.") for title, _ in places]
    both = write_articles(tmp_path / "both.json", [*places, *more])
    rows, report = ingest(tmp_path / "e", Data((both,)))
    assert "; 300 titles in several spellings" in capfd.readouterr().err
    assert report["leakage"]["titles_with_several_spellings"]["count"] == 300
    assert report["leakage"]["titles_with_several_spellings"]["samples"][0] == [
        "T0",
        "\u00a0t0 ",
    ]
    for name in SPLITS:
        # Both paragraphs of a title, under its first spelling; and it moved towards train, if at
        # all.
        assert titles_of(rows[name]) <= {*where}
        assert len(rows[name]) == 2 * len(titles_of(rows[name]))
        for title in titles_of(rows[name]):
            assert SPLITS.index(name) <= SPLITS.index(where[title])


def test_questions_asked_in_several_splits_are_counted(tmp_path):
    titles = number_titles(9, "a")
    path = Path(write_squad(tmp_path / "own.json", titles, "own"))
    content = json.loads(path.read_text())
    for number, article in enumerate(content["data"]):
        article["paragraphs"][0]["qas"][0]["question"] = f"When {' ' * number}was it  BUILT?"
    path.write_text(json.dumps(content))
    _, report = ingest(tmp_path / "e", Data((str(path),), splits=Splits(2, 2, 2)))
    assert report["leakage"]["in_several_splits"] == {
        "titles": 0,
        "paragraphs": 0,
        "questions": 1,
    }
    for name in JUDGED:
        found = report["leakage"]["splits"][name]
        assert (found["question_texts_also_in_train"], found["share"]) == (2, 0)


def write_rows(path: Path, rows: list[tuple[str, str]]) -> str:
    path.write_text("".join(json.dumps({"q": q, "a": a}) + "\n" for q, a in rows))
    return str(path)


def test_by_question_one_question_with_one_answer_stays_in_one_split(tmp_path, capfd):
    rows = [(f"What is {n}?", f"The number {n}") for n in range(40)]
    again = [(f"WHAT is  {n}?", f"the number {n}") for n in range(0, 40, 2)]
    own = write_rows(tmp_path / "own.jsonl", [*rows, *again])
    splits = Splits(0.2, 0.2, 0.2)
    data = Data((own,), source="table", split_by="question", splits=splits)
    parts, report = ingest(tmp_path / "e", data)
    where: dict[str, set[str]] = {}
    for name in SPLITS:
        for row in parts[name]:
            where.setdefault(row["question"].lower().replace("  ", " "), set()).add(name)
    assert len(where) == 40
    assert all(len(names) == 1 for names in where.values())
    assert report["leakage"]["unit"] == "question"
    assert report["leakage"]["in_several_splits"]["questions"] == 0
    # Another file has other contexts: questions with the same answer are counted all the same.
    test = write_rows(tmp_path / "test.jsonl", [*again, ("New?", "Yes"), ("What is 1?", "One")])
    line = refuse(tmp_path / "t", dataclasses.replace(data, test=(test,)), capfd)
    assert "of the 22 questions of the test split are also in the train split" in line


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


def test_the_contents_of_declared_files_are_part_of_a_races_key(tmp_path):
    own = write_squad(tmp_path / "own.json", number_titles(3, "a"), "own")
    seen = write_squad(tmp_path / "seen.json", number_titles(3, "b"), "seen")

    def plan_with(file: str) -> Plan:
        contender = {"variant": "span", "trained_on": {"files": [file]}}
        raw = {"name": "x", "data": {"train": own}, "contenders": [contender]}
        check_experiment(build_experiment(raw))
        return plan_race(build_experiment(raw))

    before = plan_with(seen)
    (entry,) = json.loads(before.arguments["entries"])
    assert entry["trained_on"]["files"] == [seen]
    # They are no data of the race.
    assert json.loads(before.arguments["registration"])["data"] == [own]
    write_squad(tmp_path / "seen.json", number_titles(4, "b"), "seen")
    after = plan_with(seen)
    assert after.race != before.race
    assert after.arguments["admit_digests"] != before.arguments["admit_digests"]
    with pytest.raises(InputError, match=r"none\.json"):
        plan_with("none.json")


def test_mlflow_names_every_file_of_a_split(tmp_path, monkeypatch):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    monkeypatch.setenv(tracking.URI_VARIABLE, uri)
    monkeypatch.setenv("SQUADRON_CHECKPOINTS", str(tmp_path / "kept"))
    monkeypatch.setenv(tracking.RACE_VARIABLE, "x/k")
    own = write_squad(tmp_path / "own.json", number_titles(9, "a"), "own")
    only = write_squad(tmp_path / "only.json", number_titles(3, "b", first=100), "only")
    ingest(tmp_path / "e", Data(train=(own,), train_only=(only,), splits=Splits(2, 2, 2)))
    assert not (tmp_path / "mlflow.db").exists()
    about = json.dumps({"labels": ["span"], "experiment": {}})
    opened = steps.open_race(experiment=about, examples=tmp_path / "e")
    parent = tracking.find_parent(tracking.Race("x", "k"))
    assert parent == opened
    inputs = MlflowClient(uri).get_run(parent).inputs.dataset_inputs
    places = {i.dataset.name: json.loads(i.dataset.source)["uri"] for i in inputs}
    assert places == {"train": f"{own}, {only}", "tune": own, "select": own, "test": own}


def test_mlflow_has_a_table_of_what_was_rejected_repaired_and_noted(tmp_path, monkeypatch):
    monkeypatch.setenv(tracking.URI_VARIABLE, f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("SQUADRON_CHECKPOINTS", str(tmp_path / "kept"))
    monkeypatch.setenv(tracking.RACE_VARIABLE, "x/k")
    monkeypatch.chdir(tmp_path)
    path = Path(write_squad(tmp_path / "own.json", number_titles(60, "a"), "own"))
    content = json.loads(path.read_text())
    content["data"][1]["paragraphs"][0]["qas"][0]["answers"][0]["answer_start"] += 1
    content["data"][2]["paragraphs"][0]["qas"][1]["question"] = ""
    path.write_text(json.dumps(content))
    ingest(tmp_path / "e", Data((str(path),), splits=Splits(2, 2, 2)))
    about = json.dumps({"labels": ["span"], "experiment": {}})
    run = steps.open_race(experiment=about, examples=tmp_path / "e")
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    table = json.loads(Path(client.download_artifacts(run, "findings.json")).read_text())
    assert table["columns"] == ["what", "why", "count", "where", "question", "sample"]
    assert table["data"] == [
        ["rejected", "empty question", 1, f"{path}: data[2].paragraphs[0].qas[1]", "a2-1", ""],
        [
            *("repaired", "start moved to the only occurrence", 1),
            *(f"{path}: data[1].paragraphs[0].qas[0]", "a1-0", "T1 of own is [a place]."),
        ],
    ]


def test_ingest_says_what_it_repaired_and_rejected_and_is_silent_without(tmp_path, capfd):
    path = Path(write_squad(tmp_path / "own.json", number_titles(60, "a"), "own"))
    data = Data((str(path),), splits=Splits(2, 2, 2))
    ingest(tmp_path / "clean", data)
    assert "repaired" not in (shown := capfd.readouterr().err)
    assert "rejected" not in shown
    content = json.loads(path.read_text())
    for article in content["data"][:3]:
        article["paragraphs"][0]["qas"][0]["answers"][0]["answer_start"] += 1
    content["data"][4]["paragraphs"][0]["qas"][1]["question"] = ""
    path.write_text(json.dumps(content))
    ingest(tmp_path / "e", data)
    lines = capfd.readouterr().err.splitlines()
    assert lines[:2] == [
        "ingest     repaired: 3 x start moved to the only occurrence",
        "ingest     rejected: 1 x empty question",
    ]
    assert lines[2].startswith("ingest     179 examples: train ")


def test_a_table_without_its_source_is_refused_with_the_settings_that_read_it(tmp_path, capfd):
    (tmp_path / "t.csv").write_text("Question,Answer\nWho?,Ann\n")
    line = refuse(tmp_path / "e", Data((str(tmp_path / "t.csv"),)), capfd)
    assert line.endswith(
        "it looks like a file of the source 'table': set data.source: table and, if it has no "
        "column 'context', data.split_by: question"
    )


@pytest.mark.parametrize("title", ["T0", ""])
def test_titles_that_test_shares_with_train_are_said_first(tmp_path, capfd, title):
    places = [(f"T{n}" if n else title, f"Place {n} is old.") for n in range(12)]
    own = write_articles(tmp_path / "own.json", places)
    test = write_articles(tmp_path / "test.json", [(title, "Another text."), ("U", "One more.")])
    only = write_articles(tmp_path / "only.json", [(title, "Its title trains.")])
    ingest(tmp_path / "e", Data((own,), (test,), (only,), splits=Splits(2, 2)))
    first = capfd.readouterr().err.splitlines()[0]
    said = (
        "ingest     Warning: test has titles that were trained on: 1 of its 2 titles are also in "
        "train. It shows little about new titles."
    )
    assert (first == said) == bool(title)
    assert first.startswith("ingest     Warning" if title else "ingest     15 examples")


def test_with_auto_each_file_is_read_by_the_source_that_recognizes_it(tmp_path, capfd):
    own = write_squad(tmp_path / "own.json", number_titles(12, "a"), "own")
    flat = write("flat Parquet", tmp_path)
    data = Data(train=(own,), train_only=(str(flat),), source="auto", splits=Splits(2, 2, 2))
    rows, report = ingest(tmp_path / "examples", data)
    assert (
        sum(len(rows[name]) for name in SPLITS)
        == report["findings"]["accepted"]
        == 36 + len(QUESTIONS)
    )
    (row,) = (row for row in rows["train"] if row["id"] == "101")
    assert [answer["text"] for answer in row["answers"]] == ["July 1823", "1823"]
    line = refuse(tmp_path / "refused", dataclasses.replace(data, source="squad"), capfd)
    assert "x.parquet' can't be read: it is no text; it looks like a file of the source" in line
    assert line.endswith("set data.source: flat")


def test_ingest_depends_on_all_sources_only_with_auto(tmp_path):
    own = write_squad(tmp_path / "own.json", number_titles(12, "a"), "own")

    def roots(**settings):
        found = plan({"train": [own], **settings}).arguments["ingest_digests"]
        return {name for name in json.loads(found)["roots"] if "sources" in name}

    assert roots() == {"data.sources.squad"}
    assert roots(source="auto") == {f"data.sources.{name}" for name in list_sources()}
