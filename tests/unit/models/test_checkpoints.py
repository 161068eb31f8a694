import json
import logging
import shutil

import pytest
import torch

from squadron.models.checkpoints import KEPT, load_latest, save_checkpoint


def save(folder, name, value):
    tensors = {"a/weight": torch.full((3, 4), float(value)), "b": torch.tensor(value)}
    save_checkpoint(folder, name, tensors, {"value": value, "rates": [0.1, 1 / 3]})


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def flip_byte(path, place):
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    path.write_bytes(content)


def test_a_checkpoint_comes_back_bit_by_bit(tmp_path):
    odd = torch.randn(4, 6).T[::2]  # not contiguous
    tensors = {"odd": odd, "half": torch.randn(3).bfloat16(), "count": torch.tensor(7)}
    state = {"step": 3, "log": [{"loss": 0.1 + 0.2}], "none": None, "text": "é"}

    save_checkpoint(tmp_path / "new" / "folder", "step-000000003", tensors, state)
    loaded, loaded_state = load_latest(tmp_path / "new" / "folder", "step")

    assert loaded_state == state
    assert loaded.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert loaded[name].dtype == tensor.dtype
        assert torch.equal(loaded[name], tensor)


def test_without_a_checkpoint_there_is_nothing_to_load(tmp_path):
    assert load_latest(tmp_path, "step") is None
    assert load_latest(tmp_path / "missing", "step") is None
    save(tmp_path, "best-0001", 1)
    assert load_latest(tmp_path, "step") is None


def test_the_newest_two_of_a_kind_are_kept_and_the_newest_is_loaded(tmp_path):
    for value in range(1, 12):
        save(tmp_path, f"step-{value:09d}", value)
    assert KEPT == 2
    assert names(tmp_path) == ["step-000000010", "step-000000011"]
    assert load_latest(tmp_path, "step")[1]["value"] == 11


def test_checkpoints_of_one_kind_do_not_evict_those_of_another(tmp_path):
    save(tmp_path, "best-0001", 100)
    for value in range(1, 6):
        save(tmp_path, f"step-{value:09d}", value)
    save(tmp_path, "best-0002", 200)
    save(tmp_path, "best-0005", 500)
    assert names(tmp_path) == ["best-0002", "best-0005", "step-000000004", "step-000000005"]
    assert load_latest(tmp_path, "best")[1]["value"] == 500
    assert load_latest(tmp_path, "step")[1]["value"] == 5


def truncate_tensors(folder):
    path = folder / "tensors.safetensors"
    path.write_bytes(path.read_bytes()[:-7])


def alter_state(folder):
    path = folder / "state.json"
    path.write_text(path.read_text().replace("0.1", "0.2"))


TEARS = {
    "truncated tensors": truncate_tensors,
    "no tensors": lambda folder: (folder / "tensors.safetensors").unlink(),
    "altered header byte": lambda folder: flip_byte(folder / "tensors.safetensors", 9),
    "altered last byte": lambda folder: flip_byte(folder / "tensors.safetensors", -1),
    "no state": lambda folder: (folder / "state.json").unlink(),
    "empty state": lambda folder: (folder / "state.json").write_bytes(b""),
    "torn state": lambda folder: (folder / "state.json").write_text('{"sha256": "'),
    "state of another shape": lambda folder: (folder / "state.json").write_text("[1]"),
    "state without a checksum": lambda folder: (folder / "state.json").write_text("{}"),
    "altered state": alter_state,
    "state that is no text": lambda folder: (folder / "state.json").write_bytes(b"\xff\xfe\x00"),
    "no files": lambda folder: [path.unlink() for path in folder.iterdir()],
    "a file in its place": lambda folder: (shutil.rmtree(folder), folder.write_text("")),
}


@pytest.mark.parametrize("tear", TEARS.values(), ids=TEARS.keys())
def test_a_torn_checkpoint_is_passed_over_for_the_one_before(tmp_path, tear, caplog):
    save(tmp_path, "step-000000001", 1)
    save(tmp_path, "step-000000002", 2)
    tear(tmp_path / "step-000000002")

    with caplog.at_level(logging.WARNING):
        tensors, state = load_latest(tmp_path, "step")

    assert state["value"] == 1
    assert torch.equal(tensors["a/weight"], torch.ones(3, 4))
    assert "step-000000002 is passed over" in caplog.text


def test_only_torn_checkpoints_are_as_good_as_none(tmp_path):
    save(tmp_path, "step-000000001", 1)
    truncate_tensors(tmp_path / "step-000000001")
    assert load_latest(tmp_path, "step") is None


def test_a_half_written_checkpoint_is_never_seen_and_does_not_stay(tmp_path):
    save(tmp_path, "step-000000001", 1)
    # A kill while a checkpoint is written leaves such a folder.
    shutil.copytree(tmp_path / "step-000000001", tmp_path / ".step-000000002.part")

    assert load_latest(tmp_path, "step")[1]["value"] == 1
    save(tmp_path, "step-000000003", 3)
    assert names(tmp_path) == ["step-000000001", "step-000000003"]


def test_saving_again_under_the_same_name_replaces_a_torn_checkpoint(tmp_path):
    save(tmp_path, "step-000000001", 1)
    truncate_tensors(tmp_path / "step-000000001")
    save(tmp_path, "step-000000001", 5)
    assert load_latest(tmp_path, "step")[1]["value"] == 5


def test_a_training_that_begins_again_keeps_its_checkpoints_despite_torn_later_ones(tmp_path):
    for value in (8, 9):
        save(tmp_path, f"step-{value:09d}", value)
        truncate_tensors(tmp_path / f"step-{value:09d}")

    save(tmp_path, "step-000000001", 1)

    assert load_latest(tmp_path, "step")[1]["value"] == 1
    save(tmp_path, "step-000000002", 2)
    assert names(tmp_path) == ["step-000000001", "step-000000002"]


def test_a_checkpoint_is_safetensors_and_json_alone(tmp_path):
    save(tmp_path, "step-000000001", 1)
    assert names(tmp_path / "step-000000001") == ["state.json", "tensors.safetensors"]
    content = json.loads((tmp_path / "step-000000001" / "state.json").read_text())
    assert content["state"]["value"] == 1
