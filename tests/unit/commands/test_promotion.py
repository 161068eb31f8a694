"""The commands around promotion on a real store, through the command line of `squadron`."""

import json

import pyarrow as pa
import pytest
from mlflow import MlflowClient

from squadron import tracking
from squadron.__main__ import main
from squadron.artifacts import ERRORS, SCORES, write_table
from squadron.registry import promotions
from tests.stores import make_store

NAME = "squadron-tiny"
PARAGRAPHS = 12
WHEN = "2026-11-22T15:40:00Z"
# Version -> for each of two questions per paragraph, whether it is answered right.
RIGHT = {"1": (True, False), "2": (True, True), "3": (False, False), "4": (True, True)}


def write_judgement(folder, right):
    """The files of the select split of a version that answers these questions right."""
    scores, errors = [], []
    for paragraph in range(PARAGRAPHS):
        for place, is_right in enumerate(right):
            # One paragraph is like no other, so that the interval has a width.
            is_right = is_right and not (paragraph == 0 and place == 1)
            about = {"id": f"{paragraph}-{place}", "paragraph": paragraph, "title": paragraph % 2}
            scores.append({**about, "exact_match": float(is_right), "f1": float(is_right)})
            if not is_right:
                errors.append(
                    {
                        "id": about["id"],
                        "question": f"Who is {about['id']}?",
                        "golds": ["Ada"] if place else [],
                        "answer": "" if place else "Bob",
                        "score": 1.0,
                        "kind": "wrong_place",
                        "excerpt": "Ada met Bob.",
                        **dict.fromkeys(("answer_start", "answer_end"), -1),
                        **dict.fromkeys(("gold_start", "gold_end"), -1),
                    }
                )
    for name, rows, schema, version in (
        ("scores", scores, SCORES, "scores/3"),
        ("errors", errors, ERRORS, "errors/1"),
    ):
        table = pa.Table.from_pylist(rows, schema=schema)
        write_table(folder / "select" / f"{name}.parquet", table, schema=version, made_from="m")


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    """A store with versions 1 to 4. Version 3 failed two gates, version 4 is a demo."""
    folder = tmp_path_factory.mktemp("store")
    uri = make_store(folder)
    client = MlflowClient(uri)
    experiment = client.create_experiment("tiny", (folder / "artifacts").as_uri())
    parent = client.create_run(experiment, run_name="tiny-0123ab").info.run_id
    client.create_registered_model(NAME)
    for version, right in RIGHT.items():
        run = client.create_run(experiment, tags={"mlflow.parentRunId": parent}).info.run_id
        write_judgement(folder / version, right)
        client.log_artifacts(run, str(folder / version), "evaluation")
        figure = 50.0 * sum(right)
        for name, value in (("exact_match", figure), ("f1", figure + 2)):
            client.log_metric(run, f"select_{name}", value)
            client.log_metric(run, f"select_{name}_low", value - 5)
            client.log_metric(run, f"select_{name}_high", value + 5)
        tags = {
            "validation_status": "demo" if version == "4" else "passed",
            "contender": "span",
            "select_digest": "another" if version == "4" else "digest",
            "select_examples": str(2 * PARAGRAPHS),
            "gate_finite": "passed: all weights are finite",
        }
        if version == "3":
            tags |= {"gate_latency": "failed: p50 is 210 ms, at most 100", "gate_size": "failed: x"}
        client.create_model_version(NAME, "file:///nowhere", run_id=run, tags=tags)
    client.set_registered_model_alias(NAME, "candidate", "2")
    return uri


@pytest.fixture
def client(uri, monkeypatch):
    """A client of the store, in which no alias but candidate is set and nothing is recorded."""
    monkeypatch.setenv(tracking.URI_VARIABLE, uri)
    monkeypatch.setattr(promotions, "find_user", lambda: "anna")
    monkeypatch.setattr(promotions, "_now", lambda: WHEN)
    client = MlflowClient(uri)
    yield client
    for alias in promotions.PROMOTED:
        client.delete_registered_model_alias(NAME, alias)
    for version in RIGHT:
        for tag in client.get_model_version(NAME, version).tags:
            if tag.endswith(("_since", "_staging")):
                client.delete_model_version_tag(NAME, version, tag)
    ledger = tracking.ledger.find_ledger(client, NAME)
    if ledger:
        client.delete_run(ledger)


def shown(capsys, *arguments):
    """What a command prints."""
    capsys.readouterr()
    assert main(arguments) == 0
    return capsys.readouterr().out


def refused(capsys, *arguments):
    """The one sentence of a command that refuses."""
    capsys.readouterr()
    assert main(arguments) == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    return sentence


def promote(capsys, version, *more):
    return shown(capsys, "promote", version, "--to", "staging", "--yes", *more)


def holder(client, alias="staging"):
    found = client.get_registered_model(NAME).aliases.get(alias, "")
    return str(found)


def answer(monkeypatch, text):
    monkeypatch.setattr("builtins.input", lambda prompt: text)


def test_models_lists_versions_with_figures_gates_and_promotions(client, capsys):
    promote(capsys, "2")
    text = shown(capsys, "models")
    assert max(map(len, text.splitlines())) <= 80
    lines = text.splitlines()
    assert lines[0] == NAME
    assert [line for line in lines if line.startswith("  version")] == [
        "  version 4",
        "  version 3",
        "  version 2: candidate, staging",
        "  version 1",
    ]
    assert ("    select      EM 100.00 (95.0–105.0), F1 102.00 (97.0–107.0), 24 questions") in lines
    assert "span of the race tiny-0123ab" in text
    assert "1 passed; failed: latency (p50 is 210 ms, at most 100), size (x)" in text
    assert f"    staging     promoted by anna at {WHEN}" in lines
    assert "    status      demo" in lines


def test_models_as_json(client, capsys):
    promote(capsys, "2", "--reason", "it is better")
    rows = json.loads(shown(capsys, "models", NAME, "--json"))
    assert [row["version"] for row in rows] == ["4", "3", "2", "1"]
    row = rows[2]
    assert row["figures"]["select_exact_match"] == {"value": 100.0, "low": 95.0, "high": 105.0}
    assert row["aliases"] == ["candidate", "staging"]
    assert (row["race"], row["validation_status"]) == ("tiny-0123ab", "passed")
    (move,) = row["promotions"]
    assert (move["who"], move["when"], move["reason"]) == ("anna", WHEN, "it is better")
    assert not rows[1]["gates"]["latency"]["passed"]


def test_promote_compares_with_the_present_version(client, capsys):
    promote(capsys, "1")
    text = promote(capsys, "candidate")
    assert max(map(len, text.splitlines()[:-2])) <= 80
    words = " ".join(text.split())
    assert "EM on select 100.00 (95.0–105.0) 50.00 (45.0–55.0) +50.00" in words
    # Version 2 alone is right in 11 of 24 questions: the second one of all paragraphs but one.
    assert "On the same 24 questions of select version 2 leads by 45.83 points of EM" in words
    assert "p 0.001). This is more than chance." in words
    assert (
        "Right in both: 12, in version 2 alone: 11, in version 1 alone: 0, in neither: 1." in words
    )
    assert "Right in version 2 alone, 3 of 11:" in words
    assert "Who is 1-1? Right: 'Ada'. Answer of version 1: nothing." in words
    assert "Status: passed Gates: 1 passed" in words
    assert f"staging: {NAME} version 2, promoted by anna at {WHEN}, from version 1" in words
    assert f"To go back: squadron rollback staging --model {NAME}" in words
    assert holder(client) == "2"


def test_promote_asks_and_takes_only_yes(client, capsys, monkeypatch):
    answer(monkeypatch, "n")
    assert "Nothing was changed." in shown(capsys, "promote", "1", "--to", "staging")
    assert holder(client) == ""
    answer(monkeypatch, "y")
    shown(capsys, "promote", "1", "--to", "production")
    assert (holder(client), holder(client, "production")) == ("", "1")


def test_promote_without_anybody_to_ask_is_refused(client, capsys, monkeypatch):
    def ask(prompt):
        raise EOFError

    monkeypatch.setattr("builtins.input", ask)
    assert refused(capsys, "promote", "1", "--to", "staging") == (
        "There is nobody to ask; add --yes to go on without asking"
    )
    assert holder(client) == ""


@pytest.mark.parametrize("more", [[], ["--yes"]])
def test_a_version_that_failed_gates_is_refused_by_their_names(client, capsys, monkeypatch, more):
    answer(monkeypatch, "y")
    assert refused(capsys, "promote", "3", "--to", "staging", *more) == (
        f"{NAME} version 3 is not promoted: it failed the gates latency and size. To promote it "
        "all the same, add --force REASON; the reason is recorded"
    )
    assert holder(client) == ""


def test_a_demo_is_refused_and_promoted_by_force(client, capsys):
    assert "it comes from a demo, whose figures rank nothing" in refused(
        capsys, "promote", "4", "--to", "staging", "--yes"
    )
    text = promote(capsys, "4", "--force", "to try the page")
    assert f"promoted by anna at {WHEN}; forced: to try the page" in text
    (move,) = promotions.read_history(NAME, "staging")
    assert (move.forced, move.reason) == (True, "to try the page")
    assert holder(client) == "4"


def test_a_version_that_no_race_passed_is_refused(client, capsys):
    client.delete_model_version_tag(NAME, "1", "validation_status")
    try:
        assert "no race has passed it (its validation_status is missing)" in refused(
            capsys, "promote", "1", "--to", "staging", "--yes"
        )
    finally:
        client.set_model_version_tag(NAME, "1", "validation_status", "passed")


def test_a_version_that_is_worse_by_more_than_chance_is_refused(client, capsys):
    promote(capsys, "2")
    assert "it is worse than version 2 by more than chance" in refused(
        capsys, "promote", "1", "--to", "staging", "--yes"
    )
    text = promote(capsys, "1", "--force", "version 2 is too slow")
    assert "forced: version 2 is too slow" in text
    assert holder(client) == "1"


@pytest.fixture
def licensed(client):
    """Sets tags of version 1, which are removed afterwards."""
    known = {"licence": "", "data_licence": "", "backbone": ""}

    def set_tags(**tags):
        for key, value in tags.items():
            client.set_model_version_tag(NAME, "1", key, value)

    yield set_tags
    for key in known:
        if key in client.get_model_version(NAME, "1").tags:
            client.delete_model_version_tag(NAME, "1", key)


@pytest.mark.parametrize(
    ("tags", "what"),
    [
        ({"licence": "CC-BY-NC-4.0", "data_licence": "MIT"}, "backbone (CC-BY-NC-4.0)"),
        ({"licence": "MIT", "data_licence": "cc-by-nc-sa-4.0"}, "data (cc-by-nc-sa-4.0)"),
        # A version that was registered before the licence was known here.
        (
            {"licence": "unknown; see org/x", "backbone": "SpanBERT/spanbert-large-cased"},
            "backbone (CC-BY-NC-4.0)",
        ),
    ],
)
def test_a_licence_that_forbids_commercial_use_is_refused_for_production_only(
    client, capsys, licensed, tags, what
):
    licensed(**tags)
    promote(capsys, "1")
    to_production = ("promote", "1", "--to", "production", "--yes")
    assert refused(capsys, *to_production) == (
        f"{NAME} version 1 is not promoted: the licence of its {what} forbids commercial use. To "
        "promote it all the same, add --force REASON; the reason is recorded"
    )
    assert (holder(client), holder(client, "production")) == ("1", "")
    shown(capsys, *to_production, "--force", "only students use it")
    (move,) = promotions.read_history(NAME, "production")
    assert (move.forced, move.reason) == (True, "only students use it")


def test_licences_are_shown_and_unknown_ones_named_before_production(client, capsys, licensed):
    licensed(licence="Apache-2.0")
    assert "Licences: backbone Apache-2.0; data unknown\n" in promote(capsys, "1")
    text = " ".join(shown(capsys, "promote", "1", "--to", "production", "--yes").split())
    assert (
        "data unknown. Nobody has stated the licence of its data; find out whether it allows this "
        "use production:" in text
    )
    licensed(data_licence="MIT")
    promotions.move_alias(NAME, "production", "2", expected="1")
    text = shown(capsys, "promote", "1", "--to", "production", "--yes", "--force", "a test")
    assert "Licences: backbone Apache-2.0; data MIT\n" in text


def test_an_empty_reason_to_force_is_refused(client, capsys):
    sentence = refused(capsys, "promote", "3", "--to", "staging", "--force", " ", "--yes")
    assert sentence.startswith("--force needs a reason, which is recorded")


def test_a_reason_to_force_that_was_not_needed_is_kept_as_a_reason(client, capsys):
    promote(capsys, "1", "--force", "no doubt")
    (move,) = promotions.read_history(NAME, "staging")
    assert (move.forced, move.reason) == (False, "no doubt")


def test_a_version_that_has_the_alias_is_not_promoted_again(client, capsys):
    promote(capsys, "1")
    assert promote(capsys, "1") == f"staging of {NAME} is version 1 already.\n"
    assert len(promotions.read_history(NAME, "staging")) == 1


def test_a_person_who_decided_by_an_older_version_is_told(client, capsys, monkeypatch):
    promote(capsys, "1")

    def decide(prompt):
        promotions.move_alias(NAME, "staging", "3", expected="1")
        return "y"

    monkeypatch.setattr("builtins.input", decide)
    assert refused(capsys, "promote", "2", "--to", "staging") == (
        f"The alias 'staging' of {NAME} was moved meanwhile and points at version 3 now: promoted "
        f"by anna at {WHEN}, from version 1. Nothing was changed; look at that version and decide "
        "again"
    )
    assert holder(client) == "3"


def test_versions_of_different_select_splits_are_told_apart(client, capsys):
    promote(capsys, "1")
    text = promote(capsys, "4", "--force", "a test")
    assert "were judged on different select splits (digests another and" in " ".join(text.split())


def test_rollback_goes_back_step_by_step_and_asks(client, capsys, monkeypatch):
    promote(capsys, "1")
    promote(capsys, "2")
    promote(capsys, "4", "--force", "a test")
    answer(monkeypatch, "no")
    assert "Nothing was changed." in shown(capsys, "rollback", "staging")
    text = shown(capsys, "rollback", "staging", "--yes", "--reason", "it is a demo")
    assert text.splitlines()[0] == f"staging of {NAME}: version 4 -> 2"
    assert text.splitlines()[-1] == (
        f"staging: {NAME} version 2, rolled back by anna at {WHEN}, from version 4; "
        "reason: it is a demo"
    )
    shown(capsys, "rollback", "staging", "--yes", "--model", NAME)
    assert holder(client) == "1"
    assert refused(capsys, "rollback", "staging", "--yes") == (
        f"The alias 'staging' of {NAME} points at version 1, and no earlier version is known; "
        "`squadron models` lists the versions that can be promoted"
    )


def test_history_shows_the_last_move_first(client, capsys):
    promote(capsys, "1")
    promote(capsys, "3", "--force", "the gate measured the latency of another machine")
    shown(capsys, "rollback", "staging", "--yes")
    lines = shown(capsys, "history", "staging").splitlines()
    assert lines[0] == f"staging of {NAME}"
    assert lines[1].split() == ["when", "what", "version", "who", "why"]
    assert lines[2].split() == [WHEN, "rollback", "3", "->", "1", "anna", "-"]
    assert lines[3].split()[:6] == [WHEN, "forced", "1", "->", "3", "anna"]
    assert lines[4].split()[-1] == "machine"  # A long reason continues on the next line.
    assert lines[-1].split() == [WHEN, "promotion", "-", "->", "1", "anna", "-"]
    rows = json.loads(shown(capsys, "history", "staging", "--json"))
    assert [row["action"] for row in rows] == ["rollback", "promote", "promote"]
    assert rows[1]["reason"] == "the gate measured the latency of another machine"


def test_history_says_that_the_alias_was_moved_in_mlflow(client, capsys):
    promote(capsys, "1")
    client.set_registered_model_alias(NAME, "staging", "2")
    text = shown(capsys, "history", "staging")
    assert text.splitlines()[-1] == (
        "Now it points at version 2; that was done in MLflow, and nothing says by whom."
    )


def test_compare_shows_two_versions_side_by_side(client, capsys):
    words = " ".join(shown(capsys, "compare", "3", "candidate").split())
    assert "version 3 trails by 95.83 points of EM" in words
    assert (
        "Right in version 2 alone, 3 of 23: Who is 0-0? Right: no answer. Answer of version 3"
        in (words)
    )
    found = json.loads(shown(capsys, "compare", "3", "2", "--json"))
    assert found["versions"] == ["3", "2"]
    assert (found["comparison"]["first_alone"], found["comparison"]["second_alone"]) == (0, 23)
    assert found["comparison"]["lead"]["significant"]


def test_compare_says_why_two_versions_cannot_be_compared(client, capsys):
    text = " ".join(shown(capsys, "compare", "1", "4").split())
    assert text.endswith(
        f"{NAME} version 1 and {NAME} version 4 can't be compared question by question, because "
        "they were judged on different select splits (digests digest and another)."
    )
    assert json.loads(shown(capsys, "compare", "1", "4", "--json"))["comparison"] is None


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["models", "nope"], "The model 'nope' is not registered in"),
        (["promote", "9", "--to", "staging"], "has no version or alias '9'"),
        (["promote", "1", "--to", "staging", "--model", "nope"], "give one of: squadron-tiny"),
        (["rollback", "stagin"], "The alias 'stagin' has no promotions; give one of staging, prod"),
        (["rollback", "staging"], "points at no version, so there is no way back; promote one"),
        (["history", "candidate"], "The alias 'candidate' has no promotions"),
        (
            ["history", "production"],
            "has no history: no `squadron promote` has moved it. It is not",
        ),
        (["history", "staging", "--model", "nope"], "The model 'nope' is not registered"),
        (["compare", "1", "9"], "has no version or alias '9'"),
        (["compare", "2", "candidate"], "are squadron-tiny version 2; give two versions"),
    ],
)
def test_bad_input_is_one_sentence(client, capsys, arguments, words):
    assert words in refused(capsys, *arguments)
