"""How often a select split has chosen, counted in a real store."""

import pytest

from squadron import tracking
from squadron.errors import InputError
from squadron.tracking import reuse
from tests.stores import make_store


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv(tracking.URI_VARIABLE, make_store(tmp_path))
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)


def run_race(key, *, name="first", chooses=True, **digests):
    """A race whose splits have these digests, in the store; with or without a winner."""
    race = tracking.Race(name, key)
    tracking.open_race(race, ["span"], {}, "sha")
    parent = tracking.find_parent(race)
    for split, digest in digests.items():
        tracking.log_dataset(parent, split, digest, "data.json", split, 10)
    tracking.share_datasets(tracking.find_child(race, "span"), list(digests))
    if chooses:
        tracking.log_metrics(parent, {reuse.CHOSEN: 60.0, "version": 1.0})
    return race


def test_races_that_chose_by_the_same_select_split_are_counted_in_all_experiments():
    own = run_race("0", select="d1", test="d2")
    assert reuse.count_choices(own, "d1") == 0  # itself, which is run again, is not another race
    run_race("1", select="d1")
    run_race("2", name="second", select="d1")
    run_race("3", select="d1", chooses=False)  # refused or failed: nothing was chosen
    run_race("4", select="d9")
    run_race("5", test="d1", select="d9")  # the same questions, but they decided nothing
    assert reuse.count_choices(own, "d1") == 2
    assert reuse.count_choices(own, "d9") == 2
    assert reuse.count_choices(own, "d0") == 0


def test_more_races_than_a_page_are_all_counted(monkeypatch):
    monkeypatch.setattr(reuse, "PAGE", 2)
    races = [run_race(str(n), name=f"race{n}", select="d1") for n in range(5)]
    assert reuse.count_choices(races[0], "d1") == 4


def test_without_a_store_it_is_unknown_and_a_broken_one_is_said(tmp_path, monkeypatch):
    assert reuse.count_choices(None, "d1") is None
    own = run_race("0", select="d1")
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 1000)
    with pytest.raises(InputError, match="MLflow store"):
        reuse.count_choices(own, "d1")
