"""What the launcher noted of a step in kfp's cache."""

import pytest

from squadron.runs_folder.cleanup import plan_cleanup, remove
from squadron.runs_folder.step_notes import StepNote, read_note, write_note

NOTE = StepNote(12.5, windows=100, windows_seconds=10.0, windows_planned=200, exact_match=50.0)


@pytest.fixture
def runs(tmp_path):
    (tmp_path / "cache").mkdir()
    return tmp_path


@pytest.mark.parametrize("note", [NOTE, StepNote(0.5)])
def test_a_note_is_read_as_it_was_written(runs, note):
    write_note(runs, "abc", note)
    assert read_note(runs, "abc") == note


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"schema": "other/1"}', '{"schema": "step_note/1", "made_from": ""}'],
)
def test_a_missing_or_damaged_note_is_none(runs, content):
    assert read_note(runs, "abc") is None
    (runs / "cache" / "abc.step").write_text(content)
    assert read_note(runs, "abc") is None


def test_a_note_that_can_not_be_written_stops_nothing(tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    write_note(tmp_path, "abc", NOTE)
    assert read_note(tmp_path, "abc") is None


def test_a_clean_up_removes_a_note_with_its_entry(runs):
    (runs / "cache" / "abc.json").write_text("{}")
    write_note(runs, "abc", NOTE)
    remove(plan_cleanup(runs, keep=1))
    assert list((runs / "cache").iterdir()) == []
