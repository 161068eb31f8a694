import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from squadron.data import hub, locations
from squadron.data.hub import HubLocation, parse_hub
from squadron.errors import InputError
from tests.hub_server import COMMIT, NAME, serve_hub
from tests.layouts import QUESTIONS, flat_record, without_places

# Loads each location as ingest does, and prints what came out.
SCRIPT = """
import dataclasses, json, sys, tempfile
from pathlib import Path
from squadron.data import locations
from squadron.errors import InputError

for location in sys.argv[2:]:
    try:
        digest = locations.content_digest(location)
        folder = Path(tempfile.mkdtemp())
        found = list(locations.read_location(sys.argv[1], location, folder))
        print(json.dumps([digest, [dataclasses.asdict(each) for each in found]]))
    except InputError as error:
        print(json.dumps([str(error), []]))
"""


def parquet(questions):
    records = [flat_record(each) | {"reasoning_type": each.reasoning_type} for each in questions]
    file = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(records), file)
    return file.getvalue()


def load(address, folder, source, *found):
    """What the script printed for each location, as (digest or message, examples)."""
    environment = {
        **{name: value for name, value in os.environ.items() if "proxy" not in name.lower()},
        "HF_ENDPOINT": address,
        "HF_HOME": str(folder / "hub"),
        "HF_HUB_DISABLE_TELEMETRY": "1",
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, source, *found],
        env={**environment, "HF_HUB_OFFLINE": "0", "HF_DATASETS_OFFLINE": "0"},
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    )
    return [tuple(json.loads(line)) for line in done.stdout.splitlines() if line[:1] == "["]


def test_a_data_set_of_the_hub_is_loaded_by_its_own_client(tmp_path):
    files = {
        "data/train-00000-of-00002.parquet": parquet(QUESTIONS[:6]),
        "data/train-00001-of-00002.parquet": parquet(QUESTIONS[6:]),
        "data/validation-00000-of-00001.parquet": parquet(QUESTIONS[:1]),
        "README.md": b"# Questions\n",
    }
    place = f"hf://datasets/{NAME}"
    with serve_hub(files) as (address, asked):
        train, tagged, dev, configured, both, none, config, missing = load(
            *(address, tmp_path, "auto"),
            f"{place}?split=train",
            f"{place}@v2?split=train",
            f"{place}?split=validation",
            f"{place}?config=default&split=validation",
            place,
            f"{place}?split=dev",
            f"{place}?config=other&split=train",
            f"{place}@v3?split=train",
        )
    expected = json.loads(json.dumps([vars(each) for each in QUESTIONS], default=vars))
    assert [each | {"where": ""} for each in train[1]] == expected
    assert train[1][9]["where"].endswith("name.jsonl: line 10")
    # Equal commits are equal data, however they are named; another split is other data.
    assert train[0] == tagged[0]
    assert len({train[0], dev[0], configured[0]}) == 3
    assert [each["id"] for each in dev[1]] == ["101"]
    assert dev[1][0]["answers"] == configured[1][0]["answers"]
    assert both[0] == (
        f"The data set {NAME} has the splits ['train', 'validation']; name one of them with ?split="
    )
    assert "Bad split: dev. Available splits: ['train', 'validation']" in none[0]
    assert "BuilderConfig 'other' not found. Available: ['default']" in config[0]
    assert missing[0].startswith(
        f"The data set {NAME} at revision 'v3' can't be found on the hub: "
    )
    assert "404" in missing[0]
    # What was resolved to a commit is loaded at that commit.
    resolved = [path for path in asked if "/resolve/" in path]
    assert resolved
    assert all(f"/resolve/{COMMIT}/" in path for path in resolved)


def test_a_hub_that_does_not_answer_is_named(tmp_path):
    ((message, _),) = load("http://127.0.0.1:9", tmp_path, "flat", f"hf://datasets/{NAME}")
    assert message.startswith(f"The data set {NAME} at revision 'main' can't be found on the hub: ")
    assert message.endswith("; check the name, the revision, HF_ENDPOINT and HF_TOKEN")


@pytest.mark.parametrize(
    ("location", "place"),
    [
        ("hf://datasets/a/b", HubLocation("a/b")),
        ("hf://datasets/a/b@v1.0?split=train", HubLocation("a/b", "v1.0", split="train")),
        ("hf://datasets/a/b?config=c&split=s", HubLocation("a/b", config="c", split="s")),
        ("hf://datasets/a/b@refs/pr/1", HubLocation("a/b", "refs/pr/1")),
    ],
)
def test_a_location_names_data_set_revision_config_and_split(location, place):
    assert parse_hub(location) == place
    assert hub.is_hub(location)
    assert locations.is_remote(location)


@pytest.mark.parametrize(
    "location",
    [
        "hf://",
        "hf://a/b",
        "hf://datasets/squad",
        "hf://models/a/b",
        "hf://datasets/a/b/train.json",
        "hf://datasets/a/b?split",
        "hf://datasets/a/b?split=",
        "hf://datasets/a/b?split=a&split=b",
        "hf://datasets/a/b?subset=c",
        "hf://datasets/a/b?name=c",
    ],
)
def test_another_location_is_refused_with_the_syntax(location):
    with pytest.raises(InputError) as caught:
        locations.is_remote(location)
    assert str(caught.value) == f"The location {location!r} can't be used; give {hub.SYNTAX}"


def test_the_split_of_a_folder_is_a_folder_of_its_own(tmp_path):
    import datasets

    datasets.disable_progress_bars()
    records = [flat_record(each) | {"reasoning_type": each.reasoning_type} for each in QUESTIONS]
    both = datasets.Dataset.from_list(records)
    datasets.DatasetDict(train=both, dev=both.select(range(2))).save_to_disk(tmp_path / "x")

    def read(location):
        return list(locations.read_location("auto", str(location), tmp_path / "none"))

    with pytest.raises(InputError) as caught:
        read(tmp_path / "x")
    assert str(caught.value) == (
        f"The data set {tmp_path / 'x'} has the splits ['dev', 'train']; give the folder of one of "
        f"them, such as {tmp_path / 'x' / 'dev'}"
    )
    assert without_places(read(tmp_path / "x" / "train")) == QUESTIONS
    dev = read(tmp_path / "x" / "dev")
    assert without_places(dev) == QUESTIONS[:2]
    assert dev[1].where == f"{tmp_path / 'x' / 'dev'}: row 2"
