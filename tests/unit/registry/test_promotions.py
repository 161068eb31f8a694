"""Promotions and rollbacks on a real store: what is recorded, and who wins of two at once.

The other person is played between two calls of the first one; tests/integration/
test_two_at_once.py has real processes.
"""

import json

import pytest
from mlflow import MlflowClient

from squadron import tracking
from squadron.errors import InputError
from squadron.registry import opening, promotions, rollback, versions
from squadron.registry.promotions import Promotion
from squadron.tracking import elections, ledger
from tests.stores import make_store

NAME = "model"


@pytest.fixture
def client(tmp_path, monkeypatch):
    """A client of a store with versions 1 to 4 of a model."""
    uri = make_store(tmp_path)
    monkeypatch.setenv(tracking.URI_VARIABLE, uri)
    monkeypatch.setattr(promotions, "find_user", lambda: "anna")
    client = MlflowClient(uri)
    add_versions(client)
    return client


def add_versions(client, run="run"):
    client.create_registered_model(NAME)
    for number in range(1, 5):
        client.create_model_version(NAME, "file:///nowhere", run_id=f"{run}{number}")


def move(version, expected, alias="staging", **more):
    return promotions.move_alias(NAME, alias, version, expected=expected, **more)


def go_back(alias="staging"):
    holder = promotions.find_holder(NAME, alias)
    target = rollback.find_earlier(NAME, alias).version
    move(target, holder, alias, action=promotions.ROLLBACK)
    return target


def holder(client, alias="staging"):
    return str(client.get_model_version_by_alias(NAME, alias).version)


def test_a_promotion_is_recorded_with_user_time_and_reason(client, monkeypatch):
    monkeypatch.setattr(promotions, "_now", lambda: "2026-11-22T15:40:00Z")
    move("1", "")
    move("2", "1", reason="the first one is slow", forced=True)
    assert holder(client) == "2"
    first, second = promotions.read_history(NAME, "staging")
    assert (first.version, first.previous, first.who) == ("1", "", "anna")
    assert (second.version, second.previous, second.run_id) == ("2", "1", "run2")
    tags = client.get_model_version(NAME, "2").tags
    text = "promoted by anna at 2026-11-22T15:40:00Z, from version 1; forced: the first one is slow"
    assert tags == {"staging_since": text, "previous_staging": "1"}


def test_each_alias_has_its_own_history(client):
    move("1", "")
    move("1", "", alias="production")
    move("2", "1")
    assert [each.version for each in promotions.read_history(NAME, "staging")] == ["1", "2"]
    assert [each.version for each in promotions.read_history(NAME, "production")] == ["1"]
    assert promotions.read_history("another", "staging") == []


def test_an_alias_that_was_moved_since_the_person_looked_stays(client):
    move("1", "")
    move("3", "1")
    with pytest.raises(InputError) as error:
        move("2", "1")
    assert "was moved meanwhile and points at version 3 now: promoted by anna" in str(error.value)
    assert holder(client) == "3"
    assert len(promotions.read_history(NAME, "staging")) == 2


def test_of_two_who_write_the_same_entry_one_wins_and_the_other_is_told(client, monkeypatch):
    move("1", "")
    plain = ledger.add_entry

    def interrupted(client, place, name, text):
        monkeypatch.setattr(ledger, "add_entry", plain)
        monkeypatch.setattr(promotions, "find_user", lambda: "ben")
        move("3", "1")
        return plain(client, place, name, text)

    monkeypatch.setattr(ledger, "add_entry", interrupted)
    with pytest.raises(InputError, match="points at version 3 now: promoted by ben at"):
        move("2", "1")
    assert holder(client) == "3"
    assert [each.version for each in promotions.read_history(NAME, "staging")] == ["1", "3"]
    assert "staging_since" not in client.get_model_version(NAME, "2").tags


class KilledError(Exception):
    """Stands for the end of a process."""


def kill(*arguments):
    raise KilledError


def test_a_move_that_a_killed_process_wrote_is_carried_out_by_the_next_one(client, monkeypatch):
    move("1", "")
    with monkeypatch.context() as patch:
        patch.setattr(promotions, "point_alias", kill)
        with pytest.raises(KilledError):
            move("2", "1")
    assert holder(client) == "1"
    assert promotions.find_holder(NAME, "staging") == "2"
    assert holder(client) == "2"


def test_a_slow_process_does_not_bring_back_an_older_version(client, monkeypatch):
    move("1", "")
    plain = promotions.point_alias

    def slow(client, name, alias, version):
        monkeypatch.setattr(promotions, "point_alias", plain)
        assert promotions.find_holder(NAME, "staging") == "2"  # Another process helps,
        move("3", "2")  # and goes on.
        plain(client, name, alias, version)

    monkeypatch.setattr(promotions, "point_alias", slow)
    move("2", "1")
    assert holder(client) == "3"
    assert [each.version for each in promotions.read_history(NAME, "staging")] == ["1", "2", "3"]


def test_an_alias_that_a_person_moved_in_mlflow_stays(client):
    move("1", "")
    move("2", "1")
    client.set_registered_model_alias(NAME, "staging", "1")
    assert promotions.find_holder(NAME, "staging") == "1"
    move("3", "1")
    assert promotions.read_history(NAME, "staging")[-1].previous == "1"


def test_rollbacks_go_back_any_number_of_steps(client):
    for version, before in (("1", ""), ("2", "1"), ("3", "2")):
        move(version, before)
    assert [go_back(), go_back()] == ["2", "1"]
    assert holder(client) == "1"
    with pytest.raises(InputError, match="points at version 1, and no earlier version is known"):
        go_back()
    move("4", "1")
    assert go_back() == "1"
    actions = [each.action for each in promotions.read_history(NAME, "staging")]
    assert actions == [*["promote"] * 3, *["rollback"] * 2, "promote", "rollback"]


def test_a_version_that_held_the_alias_twice_is_passed_twice(client):
    for version, before in (("1", ""), ("2", "1"), ("1", "2"), ("3", "1")):
        move(version, before)
    assert [go_back(), go_back(), go_back()] == ["1", "2", "1"]


def test_a_rollback_passes_deleted_versions_and_those_of_a_deleted_model(client):
    for version, before in (("1", ""), ("2", "1"), ("3", "2")):
        move(version, before)
    client.delete_model_version(NAME, "2")
    assert go_back() == "1"
    client.delete_registered_model(NAME)
    add_versions(client, run="later")
    with pytest.raises(InputError, match="points at no version, so there is no way back"):
        go_back()
    move("4", "")
    with pytest.raises(InputError, match="no earlier version is known"):
        go_back()


def test_a_rollback_knows_promotions_from_before_there_was_a_history(client):
    for version in ("1", "2", "3"):
        versions.promote(NAME, version, "staging")
    assert [go_back(), go_back()] == ["2", "1"]
    assert holder(client) == "1"


def test_a_rollback_leads_to_the_version_that_a_person_left_in_mlflow(client):
    move("1", "")
    move("2", "1")
    client.set_registered_model_alias(NAME, "staging", "4")
    assert go_back() == "2"
    assert go_back() == "1"


def test_a_version_is_found_by_the_alias_production(client):
    move("2", "", alias="production")
    assert opening.find_named_version("production", "").version == "2"


def test_an_entry_of_a_later_squadron_is_read_and_one_of_somebody_else_is_named(client):
    made = move("1", "")
    place = ledger.find_ledger(client, NAME)
    later = {**vars(made), "version": "2", "ticket": "A-1"}
    ledger.add_entry(client, place, "staging.000002", json.dumps(later))
    assert promotions.read_history(NAME, "staging")[1].version == "2"
    client.log_param(place, "staging.000003", "mine")
    with pytest.raises(InputError, match=r"staging\.000003 .* is no promotion: 'mine'"):
        promotions.read_history(NAME, "staging")


def test_a_long_reason_fits_into_an_entry_and_a_longer_one_is_refused(client):
    reason = "\N{GRINNING FACE}" * promotions.MOST_REASON_CHARACTERS
    move("1", "", reason=reason)
    assert promotions.read_history(NAME, "staging")[0].reason == reason
    with pytest.raises(InputError, match="501 characters; give at most 500"):
        promotions.check_reason(reason + "x")
    assert promotions.check_reason("half \udce9\n a line") == "half ? a line"


def test_an_alias_without_promotions_is_refused():
    with pytest.raises(InputError, match="'candidate' has no promotions; give one of staging, pro"):
        promotions.check_alias("candidate")


def test_a_promotion_reads_as_a_sentence_part():
    found = Promotion("rollback", "staging", "1", "2", "2026-11-22T15:40:00Z", "anna", "it is slow")
    expected = "rolled back by anna at 2026-11-22T15:40:00Z, from version 2; reason: it is slow"
    assert found.describe() == expected
    assert json.dumps(vars(found))


@pytest.mark.parametrize("place", range(1, 8))
def test_a_promotion_that_is_killed_at_any_write_leaves_a_consistent_state(
    client, monkeypatch, place
):
    """There are six writes: the choice of the ledger, the entry, the alias, two tags, the mark."""
    client.set_registered_model_alias(NAME, "staging", "1")
    plain, left = elections.persist, [place]

    def write(function, *arguments, **named):
        left[0] -= 1
        if not left[0]:
            raise KilledError
        return plain(function, *arguments, **named)

    with monkeypatch.context() as patch:
        patch.setattr(elections, "persist", write)
        if place < 7:
            with pytest.raises(KilledError):
                move("2", "1")
        else:
            move("2", "1")
            assert left == [1]  # There is no seventh write, so each was killed once.
    found = promotions.find_holder(NAME, "staging")
    moves = promotions.read_history(NAME, "staging")
    assert found == holder(client) == (moves[-1].version if moves else "1")
    assert ("staging_since" in client.get_model_version(NAME, found).tags) == bool(moves)
    move("3", found)
    assert holder(client) == "3"
    assert go_back() == found
