"""Races of the champion: the registered model against those who challenge it."""

import json
import re
from pathlib import Path

import pytest

from tests.pipeline.tiny_race import client, run, write_experiment

pytestmark = pytest.mark.slow

NOTE = "champion: squadron-tiny has no registered version yet; it joins the next race"


def races(folder: Path) -> list[Path]:
    """The published races, first to last."""
    return sorted((folder / "results").iterdir(), key=lambda place: place.stat().st_mtime)


def summary(race: Path) -> dict:
    return json.loads((race / "summary" / "race_result.json").read_text())


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory):
    """The same command three times: (the folder, what each showed, their logs)."""
    folder = tmp_path_factory.mktemp("champion")
    # Its windows and longest answer are not the experiment's.
    span = {"variant": "span", "windows": {"max_length": 96, "stride": 16}}
    span["predict"] = {"max_answer_tokens": 0}
    write_experiment(folder, [span, "champion"], epochs=1)
    shown, logs = [], []
    log = folder / "runs" / "pipeline.log"
    for _ in range(3):
        seen = len(log.read_text()) if log.exists() else 0
        done = run(folder)
        assert done.returncode == 0, done.stderr + done.stdout
        shown.append(done)
        logs.append(log.read_text()[seen:])
    return folder, shown, logs


def test_without_a_version_the_champion_is_left_out_and_a_line_says_so(three):
    folder, shown, _ = three
    assert [NOTE in done.stderr for done in shown] == [True, False, False]
    assert shown[0].stderr.count("\n") == 1
    assert [row["label"] for row in summary(races(folder)[0])["contenders"]] == ["span"]


def test_the_champion_scores_as_what_it_was_made_from_and_stays(three):
    folder, shown, _ = three
    first, second = (summary(race) for race in races(folder))
    assert first["winner"] == "span"
    assert second["winner"] == "champion"
    assert second["model"] == {**first["model"], "kept": True}
    assert len(client(folder).search_model_versions("name = 'squadron-tiny'")) == 1
    rows = {row["label"]: row for row in second["contenders"]}
    for split in ("select", "test"):
        assert rows["champion"][split] == rows["span"][split]
    assert rows["champion"]["trainable_parameters"] == 0
    assert rows["champion"]["registered_as"] == "version 1"
    why = f"highest EM on select, {rows['span']['select']['exact_match']:.2f}"
    tie = "champion shares this EM with span; it is ahead of span by fewer trained parameters (0)."
    for done in shown[1:]:
        lines = done.stdout.splitlines()
        assert f"Winner: champion (version 1) ({why})." in lines
        assert tie in lines
        assert "The champion stays: squadron-tiny version 1, alias 'candidate'." in lines
        assert done.stderr == ""


def test_the_champion_gives_the_very_answers_of_what_it_was_made_from(three):
    folder, _, _ = three
    race = races(folder)[1]
    for name in ("answers.json", "nbest.json"):
        ours, theirs = (
            (race / label / "evaluation" / "test" / name).read_bytes()
            for label in ("champion", "span")
        )
        assert ours == theirs
    answering = [
        json.loads((race / label / "evaluation" / "metrics.json").read_text())["answering"]
        for label in ("champion", "span")
    ]
    assert answering[0] == answering[1]
    assert answering[0]["null_threshold"] is not None


def test_the_champion_races_on_its_own_windows(three):
    folder, _, _ = three
    found = [
        json.loads(file.read_text())
        for file in (folder / "runs" / "pipeline").rglob("windows/windows.json")
    ]
    # Those of span in the first race and those of the champion in the second one are the same.
    assert len(found) == 2
    assert len({about["made_from"] for about in found}) == 1
    assert found[0]["settings"]["max_length"] == 96
    experiment = json.loads((folder / "tiny.yaml").read_text())
    assert experiment["windows"]["max_length"] == 128


def test_no_challenger_trains_again_in_the_second_race(three):
    folder, _, logs = three
    first, second = (
        json.loads((race / "span" / "model" / "variant.json").read_text()) for race in races(folder)
    )
    assert second == first
    progress = '"title": "train      span"'
    assert progress in logs[0], "no progress was seen in the first race"
    assert progress not in logs[1]
    # Each of these runs once: for the champion. All of span comes from the cache.
    for step in ("admit", "featurize", "train", "predict", "evaluate", "register", "report"):
        assert len(re.findall(rf"Executing task \S*'{step}'", logs[1])) == 1
    assert not re.search(r"Executing task \S*'ingest'", logs[1])


def test_the_third_race_is_the_second_and_comes_from_the_cache(three):
    folder, _, logs = three
    ran = [log.count("Executing task") for log in logs]
    assert len(races(folder)) == 2
    assert ran[0] > 2
    assert ran[1] > 2
    assert ran[2] == 2  # open_race and close_race only
    names = [r.data.tags["squadron.contender"] for r in all_runs(folder)]
    assert sorted(names) == ["-", "-", "champion", "span", "span"]


def all_runs(folder: Path):
    mlflow = client(folder)
    experiment = mlflow.get_experiment_by_name("tiny")
    return mlflow.search_runs([experiment.experiment_id])
