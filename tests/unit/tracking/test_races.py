"""`squadron races` on a real store: what is listed, compared and pruned, and what stays."""

import json
import shutil

import pytest
from mlflow import MlflowClient

from squadron import tracking
from squadron.__main__ import main
from squadron.runs_folder.runs_lock import hold
from squadron.tracking import races, reuse

KEYS = {"first": "0123abcd", "second": "0123ffff", "third": "89abcdef"}


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory):
    """The file of a store without races; making its tables takes longer than a test."""
    file = tmp_path_factory.mktemp("empty") / "mlflow.db"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(tracking.URI_VARIABLE, f"sqlite:///{file}")
        tracking.connect().create_experiment("of somebody else")
    return file


@pytest.fixture
def no_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(tracking.URI_VARIABLE, raising=False)
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    return tmp_path


@pytest.fixture
def folder(no_store, empty_store):
    (no_store / "runs").mkdir()
    shutil.copy(empty_store, no_store / "runs")
    return no_store


def open_race(
    key: str, labels: list[str], name: str = "tiny", epochs: int = 2, **settings: object
) -> str:
    contenders = [{"label": label, "train": {"epochs": epochs}} for label in labels]
    experiment = {"name": name, "contenders": contenders, "seed": 1, **settings}
    return tracking.open_race(tracking.Race(name, KEYS[key]), labels, experiment, "4f2a9c1")


def finish(key: str, figures: dict[str, float], winner: str, name: str = "tiny") -> None:
    """Ends a race as its steps do."""
    race = tracking.Race(name, KEYS[key])
    parent = tracking.find_parent(race)
    for label, exact in figures.items():
        child = tracking.find_child(race, label)
        scores = {"select_exact_match": exact, "select_f1": exact + 5, "test_exact_match": exact}
        tracking.log_metrics(child, scores)
        standing = "winner" if label == winner else "behind"
        tracking.set_tags(child, {tracking.STANDING_TAG: standing})
        tracking.close_contender(child, "")
    tracking.log_metrics(parent, {reuse.CHOSEN: figures[winner], "version": 3.0})
    tracking.close_race(parent, succeeded=True)


def fail(key: str, reason: str) -> None:
    parent = tracking.find_parent(tracking.Race("tiny", KEYS[key]))
    tracking.close_race(parent, succeeded=False, reason=reason)


@pytest.fixture
def store(folder):
    """A finished race, a failed one and one that was killed."""
    open_race("first", ["span", "crf"])
    finish("first", {"span": 40.0, "crf": 30.25}, "span")
    open_race("second", ["span"])
    fail("second", "ingest: the file bad.json is not JSON")
    open_race("third", ["span"], name="other")
    return MlflowClient(f"sqlite:///{folder}/runs/mlflow.db")


def shown(capsys, *arguments: str) -> str:
    capsys.readouterr()
    assert main(["races", *arguments]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    return text


def all_runs(client: MlflowClient) -> set[str]:
    experiments = [each.experiment_id for each in client.search_experiments()]
    return {run.data.tags["mlflow.runName"] for run in client.search_runs(experiments)}


@pytest.mark.parametrize("arguments", [[], ["list"]])
def test_races_are_listed_the_last_one_first_with_winner_figures_and_version(
    store, capsys, arguments
):
    lines = shown(capsys, *arguments).splitlines()
    assert lines[0].split() == ["race", "started", "status", "winner", "EM", "F1", "version"]
    assert [line.split()[0] for line in lines[1:4]] == [
        "other-89abcd",
        "tiny-0123ff",
        "tiny-0123ab",
    ]
    assert lines[1].split()[3:] == ["running", "-", "-", "-", "-"]
    assert lines[3].split()[3:] == ["finished", "span", "40.00", "45.00", "3"]
    assert "tiny-0123ff failed: ingest: the file bad.json is not JSON" in lines


def test_a_long_name_is_folded_and_no_figure_is_cut(folder, capsys):
    open_race("first", ["x" * 60], name="n" * 90)
    finish("first", {"x" * 60: 40.0}, "x" * 60, name="n" * 90)
    text = shown(capsys)
    assert text.count("n") >= 90
    assert text.count("x") >= 60
    assert "40.00" in text


def test_without_a_store_there_is_one_sentence_and_no_new_file(no_store, capsys):
    for arguments in ([], ["compare", "a", "b"], ["prune"], ["prune", "--yes"]):
        assert main(["races", *arguments]) == 2
        error = capsys.readouterr().err
        assert len(error.splitlines()) == 1
        assert f"The MLflow store sqlite:///{no_store}/runs/mlflow.db does not exist" in error
    assert list(no_store.iterdir()) == []


def test_a_store_without_races_is_said_to_be_one(folder, capsys):
    before = set(folder.rglob("*"))
    assert main(["races"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("There is no race in\n  sqlite:///")
    # The lock of the tables stays beside every store that was used.
    assert set(folder.rglob("*")) - before <= {folder / "runs" / "mlflow.db.lock"}


def test_runs_of_others_in_the_store_are_no_races(store, capsys):
    theirs = store.get_experiment_by_name("of somebody else")
    store.create_run(theirs.experiment_id, run_name="theirs")
    assert "theirs" not in shown(capsys)


def test_two_races_are_compared_figure_by_figure_and_setting_by_setting(store, capsys):
    changes = {"seed": 2, "windows": {"stride": 64}}
    open_race("third", ["span", "lora"], name="other", epochs=4, **changes)
    finish("third", {"span": 41.5, "lora": 10.0}, "span", name="other")
    text = shown(capsys, "compare", "tiny-0123ab", "89ab")
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line}
    both, ours, theirs = (" ".join(rows[label]) for label in ("span", "crf", "lora"))
    assert both == "40.00 41.50 +1.50 45.00 46.50 +1.50 40.00 41.50 +1.50"
    assert ours == "30.25 - - 35.25 - - 30.25 - -"
    assert theirs == "- 10.00 - - 15.00 - - 10.00 -"
    assert " ".join(rows["B:"]).endswith("finished, won by span, model version 3")
    different = [line.strip() for line in text.splitlines() if line.startswith("  ")]
    assert "seed: 1 -> 2" in different
    assert "windows.stride: nothing -> 64" in different
    assert "contender span.train.epochs: 2 -> 4" in different
    assert "contender crf: only in A" in different
    assert "contender lora: only in B" in different
    assert sum("contender" in line for line in different) == 3


def test_races_on_different_select_splits_are_said_to_be_incomparable(folder, capsys):
    for key, digest in (("first", "aaaa"), ("second", "bbbb"), ("third", "aaaa")):
        parent = open_race(key, ["span"])
        tracking.log_dataset(parent, "select", digest, "file", "select", 10)
        finish(key, {"span": 40.0}, "span")
    text = shown(capsys, "compare", KEYS["first"], KEYS["second"])
    assert "The select splits differ: figures of A and B can't be compared." in text
    assert "digest of select: aaaa -> bbbb" in text
    text = shown(capsys, "compare", KEYS["first"], KEYS["third"])
    assert "Both races are judged on the same select split." in text
    assert "The experiments are equal." in text


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ("nowhere", "There is no race 'nowhere' in sqlite:///"),
        ("", "There is no race ''"),
        (
            "0123",
            "2 races are named '0123': tiny-0123ff (key 0123ffff), tiny-0123ab (key 0123abcd)",
        ),
    ],
)
def test_a_name_that_means_no_race_or_several_is_refused(store, capsys, wanted, words):
    assert main(["races", "compare", "tiny-0123ab", wanted]) == 2
    assert words in capsys.readouterr().err


def test_the_name_of_an_experiment_means_its_last_race(store):
    found = races.find_race(races.read_races(), "tiny")
    assert found.key == KEYS["second"]


def test_prune_says_which_races_have_no_result_and_deletes_nothing_without_yes(store, capsys):
    before = all_runs(store)
    text = shown(capsys, "prune")
    assert "2 races without a result can go:" in text
    assert "tiny-0123ff" in text
    assert "ingest: the file bad.json is not JSON" in text
    assert "other-89abcd" in text
    assert "tiny-0123ab" not in text
    assert "Nothing was deleted. To delete: squadron races prune --yes" in text
    assert all_runs(store) == before


def test_pruned_races_are_gone_with_their_contenders_and_others_stay(store, capsys):
    assert "2 races without a result deleted from MLflow:" in shown(capsys, "prune", "--yes")
    assert all_runs(store) == {"tiny-0123ab", "span", "crf"}
    assert "none can go" in shown(capsys, "prune", "--yes")


def test_a_race_that_failed_after_its_winner_was_registered_stays(store, capsys):
    race = tracking.Race("tiny", KEYS["second"])
    store.create_registered_model("squadron-tiny")
    store.create_model_version("squadron-tiny", "runs:/1", tracking.find_child(race, "span"))
    assert "tiny-0123ff" not in shown(capsys, "prune")


def test_a_race_that_runs_stays(store, folder, capsys):
    with hold(folder / "runs", "the race other/89abcdef"):
        text = shown(capsys, "prune")
        assert "One race without a result can go:" in text
        assert "other-89abcd" not in text
        assert main(["races", "prune", "--yes"]) == 2
        assert "is in use by the race other/89abcdef" in capsys.readouterr().err
    assert "other-89abcd" in json.dumps(sorted(all_runs(store)))


def test_a_running_race_of_a_store_elsewhere_stays(store, folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv(tracking.URI_VARIABLE, f"sqlite:///{folder}/runs/mlflow.db")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert "other-89abcd" not in shown(capsys, "prune", "--yes")
    assert {"other-89abcd", "tiny-0123ab"} <= all_runs(store)
