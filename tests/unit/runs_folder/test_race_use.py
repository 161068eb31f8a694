"""What a race used of the cache, and which races keep theirs."""

import json

import pytest

from squadron.runs_folder import race_use
from squadron.runs_folder.race_use import RaceUse, UseNotes, choose_kept, read_uses


@pytest.fixture
def clock(monkeypatch):
    """Counts hours: each look at it is one hour later."""
    hours = iter(range(1, 100))
    monkeypatch.setattr(race_use.time, "time", lambda: 3600.0 * next(hours))


def test_a_race_is_read_as_it_was_noted_the_last_started_first(tmp_path, clock):
    first = UseNotes(tmp_path, "tiny", "0123")
    first.note("b")
    first.note("a")
    first.note("b")
    first.finish()
    UseNotes(tmp_path, "tiny", "4567").note("c")
    later, earlier = read_uses(tmp_path)
    assert earlier == RaceUse("tiny", "0123", 3600.0, 3600.0, True, ("a", "b"))
    assert later == RaceUse("tiny", "4567", 7200.0, 7200.0, False, ("c",))
    assert "not finished" in str(later)
    assert "not finished" not in str(earlier)


def test_a_race_that_goes_on_keeps_what_its_earlier_try_used(tmp_path, clock):
    UseNotes(tmp_path, "tiny", "0123").note("a")
    again = UseNotes(tmp_path, "tiny", "0123")
    again.note("b")
    again.finish()
    assert read_uses(tmp_path) == [RaceUse("tiny", "0123", 3600.0, 7200.0, True, ("a", "b"))]


def test_a_finished_race_that_runs_again_notes_anew_what_it_uses(tmp_path, clock):
    notes = UseNotes(tmp_path, "tiny", "0123")
    notes.note("a")
    notes.finish()
    UseNotes(tmp_path, "tiny", "0123").note("b")
    assert read_uses(tmp_path) == [RaceUse("tiny", "0123", 7200.0, 7200.0, False, ("b",))]


def test_a_folder_without_races_has_none_and_a_broken_file_is_none(tmp_path):
    assert read_uses(tmp_path) == []
    assert list(tmp_path.iterdir()) == []
    UseNotes(tmp_path, "tiny", "0123")
    (place,) = (tmp_path / "races").iterdir()
    place.write_text(place.read_text()[:-20])
    (tmp_path / "races" / "other.json").write_text(json.dumps({"schema": "race_use/1"}))
    assert read_uses(tmp_path) == []


def use(name: str, hour: int, finished: bool = True, entries: tuple[str, ...] = ("a",)) -> RaceUse:
    return RaceUse(name, str(hour), hour, hour, finished, entries)


def test_of_each_experiment_the_last_finished_race_stays_and_what_came_after_it():
    broken_off, last, before = use("a", 9, False), use("a", 8), use("a", 7)
    refused, other, older = use("b", 7, False, ()), use("b", 6), use("b", 5, False)
    uses = [broken_off, last, before, refused, other, older]
    assert choose_kept(uses, 1) == [broken_off, last, other]
    assert choose_kept(uses, 2) == [broken_off, last, before, other, older]
    assert choose_kept(uses, 0) == []
