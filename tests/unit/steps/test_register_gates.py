"""The step register judges the winner by the gates of the experiment, and says what they say."""

from dataclasses import replace

import pytest
from mlflow import MlflowClient

from squadron import registry, tracking
from squadron.artifacts import write_record
from squadron.config import Gates, Register
from squadron.errors import InputError
from squadron.models import model_folder
from squadron.steps import _judged_winner
from tests import gated_race
from tests.gated_race import NAME, RACE
from tests.stores import make_store


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return gated_race.write_race(tmp_path_factory.mktemp("gated"))


@pytest.fixture
def race(folder, tmp_path, monkeypatch):
    """Runs the step register with some settings; returns the race's result."""
    monkeypatch.setenv(tracking.URI_VARIABLE, make_store(tmp_path))
    monkeypatch.setenv(tracking.RACE_VARIABLE, str(RACE))
    monkeypatch.delenv("MLFLOW_RUN_ID", raising=False)
    gated_race.open_race()

    def run(*labels, demo=False, licence="", backbone_licence="", **gates):
        known = {str(folder / "backbone"): backbone_licence} if backbone_licence else {}
        options = Register(
            model_name=NAME, demo=demo, backbone_licences=known, gates=Gates(**gates)
        )
        result = tmp_path / "race_result.json"
        return gated_race.run_register(folder, labels, options, result, licence)

    return run


@pytest.fixture
def client(race):
    """A client of the store of the race."""
    return MlflowClient(tracking.tracking_uri())


def verdicts(result):
    return {each.name: each.passed for each in result.gates}


def test_a_failed_gate_registers_nothing_and_says_which_and_why(race):
    result = race("better", "raw", max_ece=0.01, max_megabytes=1e-6, beats_untrained=True)
    assert result.model is None
    assert verdicts(result) == {
        "answers_something": True,
        "beats_untrained": True,
        "calibration": False,
        "size": False,
    }
    assert result.gate == ""
    assert result.refused.startswith(
        "better is not registered: its expected calibration error on select is 0.0500; 0.01 is the "
        "most; its folder has "
    )
    with pytest.raises(InputError):
        registry.find_version(NAME, "candidate")


def test_a_champion_is_not_replaced_if_the_lead_may_be_chance(race):
    result = race("better", "champion", champion_margin=0)
    assert result.winner == "better"
    (lead,) = result.comparisons
    assert lead.difference > 0
    assert not lead.significant
    assert verdicts(result) == {"answers_something": True, "not_worse_than_champion": False}
    assert result.model is None
    assert "its lead over champion is 5.00 points of EM" in result.refused


def test_a_version_of_another_model_is_no_champion(race, folder, tmp_path):
    about = model_folder.read_about(folder / "champion" / "model")
    other = replace(about.contender, backbone="models:/another/1")
    path = folder / "champion" / "model" / "variant.json"
    try:
        write_record(path, replace(about, contender=other))
        result = race("better", "champion", champion_margin=0, max_ece=0.01)
    finally:
        write_record(path, about)
    found = {each.name: each for each in result.gates}["not_worse_than_champion"]
    assert (found.passed, found.measured) == (True, False)


def test_what_the_gates_measure_comes_from_the_race(race, folder):
    result = race(
        *("better", "raw"),
        licence="MIT",
        beats_untrained=True,
        min_has_ans_exact_match=75.5,
        max_ms_per_window=9,
        max_megabytes=1000,
        licences=("Apache-2.0", "MIT"),
        finite_weights=True,
        loads_alone=True,
    )
    found = {each.name: each for each in result.gates}
    assert found["answers_something"].figure == 75.0
    assert found["beats_untrained"].threshold == 25.0
    assert found["has_ans_exact_match"].figure == 75.0
    assert found["latency"].figure == 10.0
    files = [path for path in (folder / "better/model").rglob("*") if path.is_file()]
    assert found["size"].figure == sum(path.stat().st_size for path in files) / 1e6
    # The backbone is a local folder, whose licence nobody knows.
    assert "the licence of its backbone (unknown; see " in found["licence"].why
    assert found["finite_weights"].passed
    assert found["loads_alone"].passed
    assert [name for name, each in found.items() if not each.passed] == [
        "has_ans_exact_match",
        "latency",
        "licence",
    ]


def test_the_licence_of_a_backbone_can_be_stated(race):
    known = {"licence": "MIT", "backbone_licence": "BSD-3-Clause", "max_ece": 0.01}
    found = race("better", licences=("MIT", "BSD-3-Clause"), **known).gates[-1]
    assert found.passed
    assert found.why == (
        "the licences of its backbone (BSD-3-Clause) and of its data (MIT) are accepted"
    )
    found = race("better", licences=("MIT",), **known).gates[-1]
    assert not found.passed
    assert "the licence of its backbone (BSD-3-Clause) is not accepted" in found.why


def test_an_altered_file_of_the_model_fails_a_gate(race, folder):
    path = next((folder / "better" / "model").glob("tokenizer.json"))
    before = path.read_bytes()
    try:
        path.write_bytes(before + b" ")
        result = race("better", "raw", finite_weights=True)
    finally:
        path.write_bytes(before)
    assert not verdicts(result)["finite_weights"]
    assert "tokenizer.json is missing or altered" in result.refused


def test_every_verdict_is_a_tag_of_the_version_also_in_a_demo(race):
    result = race("better", "raw", demo=True, champion_margin=0, max_ece=0.01)
    assert result.gate == ("its expected calibration error on select is 0.0500; 0.01 is the most")
    assert result.model.validation_status == "demo"
    tags = registry.find_version(NAME, "candidate").tags
    assert {key: value for key, value in tags.items() if key.startswith("gate_")} == {
        "gate_answers_something": "passed: its EM on select, 75.00, beats answering nothing to "
        "every question, 20.00",
        "gate_not_worse_than_champion": "passed: not measured: no champion was judged",
        "gate_calibration": "failed: its expected calibration error on select is 0.0500; 0.01 is "
        "the most",
    }


def test_weights_that_come_from_data_without_commercial_use_say_so(race, client):
    client.create_registered_model("origin")
    for data in ("CC-BY-NC-4.0", "MIT"):
        tags = {"licence": "MIT", "data_licence": data}
        client.create_model_version("origin", "file:///nowhere", tags=tags)
    options = Register(backbone_licences={"models:/origin/2": "BSD-3-Clause"})
    found = [_judged_winner.find_licence(f"models:/origin/{n}", options) for n in (1, 2)]
    assert found == ["MIT; it was trained on data under CC-BY-NC-4.0", "BSD-3-Clause"]
    assert _judged_winner.find_licence("models:/origin/2", Register()) == "MIT"
