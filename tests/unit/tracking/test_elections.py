"""Every order in which two processes can look, decide and create ends with one run.

The other process is played between two calls of the first one; tests/integration/
test_two_at_once.py has real processes.
"""

import pytest
from mlflow.entities import ViewType
from mlflow.exceptions import MlflowException

from squadron import tracking
from squadron.tracking import elections
from tests.stores import make_store

WANTED = "tags.race = 'k'"


@pytest.fixture(scope="module")
def uri(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("store"))


@pytest.fixture
def client(uri, monkeypatch):
    monkeypatch.setenv(tracking.URI_VARIABLE, uri)
    return tracking.connect()


@pytest.fixture
def experiment(client, request):
    return client.create_experiment(request.node.name)


def create(client, experiment, start_time=None):
    run = client.create_run(experiment, start_time=start_time, tags={"race": "k"})
    return run.info.run_id


def choose(client, experiment):
    return elections.choose_run(client, experiment, WANTED, lambda: create(client, experiment))


def active(client, experiment):
    return [run.info.run_id for run in client.search_runs([experiment])]


class Interrupted:
    """A client that lets another process do something before a call of a method."""

    def __init__(self, client, method, other, call=1):
        self.client, self.method, self.other, self.left = client, method, other, call

    def __getattr__(self, name):
        if name == self.method:
            self.left -= 1
            if self.left == 0:
                self.other()
        return getattr(self.client, name)


def test_a_run_is_created_once_and_found_again(client, experiment):
    assert elections.find_chosen(client, experiment, WANTED) == ""
    first = choose(client, experiment)
    assert choose(client, experiment) == first
    assert elections.find_chosen(client, experiment, WANTED) == first
    assert active(client, experiment) == [first]


def test_the_earliest_of_undecided_runs_is_chosen_and_the_others_are_deleted(client, experiment):
    late, early = create(client, experiment, 2000), create(client, experiment, 1000)
    assert elections.find_chosen(client, experiment, WANTED) == early
    assert choose(client, experiment) == early
    assert active(client, experiment) == [early]
    assert client.get_run(late).info.lifecycle_stage == "deleted"


def test_a_choice_stays_when_an_earlier_run_becomes_visible(client, experiment):
    chosen = choose(client, experiment)
    create(client, experiment, start_time=1)
    assert elections.find_chosen(client, experiment, WANTED) == chosen
    assert choose(client, experiment) == chosen
    assert active(client, experiment) == [chosen]


@pytest.mark.parametrize("method", ["search_runs", "create_run", "log_param", "delete_run"])
def test_another_process_may_be_faster_at_any_moment(client, experiment, method):
    others = []
    if method == "delete_run":
        create(client, experiment, 1000)
        create(client, experiment, 2000)

    def be_faster():
        others.append(choose(client, experiment))

    mine = choose(Interrupted(client, method, be_faster), experiment)
    assert others == [mine]
    assert active(client, experiment) == [mine]


@pytest.mark.parametrize("start_time", [1, 9_999_999_999_999])
def test_a_run_that_appears_before_the_choice_is_no_second_winner(client, experiment, start_time):
    others = []

    def appear():
        create(client, experiment, start_time)
        others.append(choose(client, experiment))

    mine = choose(Interrupted(client, "log_param", appear), experiment)
    assert others == [mine]
    assert active(client, experiment) == [mine]


@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_process_that_saw_one_run_less_is_no_second_winner(client, experiment, call):
    seen = create(client, experiment, 2000)  # by a process that now chooses it
    create(client, experiment, 1000)
    others = []

    def go_on():
        is_chosen = elections._decide(client, seen, elections.YES) == elections.YES
        others.append(seen if is_chosen else choose(client, experiment))

    mine = choose(Interrupted(client, "log_param", go_on, call), experiment)
    assert others == [mine] * len(others)
    assert active(client, experiment) == [mine]


def test_what_killed_processes_left_is_deleted(client, experiment):
    turned_down = create(client, experiment, 1000)
    client.log_param(turned_down, elections.CHOSEN, elections.NO)
    chosen = choose(client, experiment)
    assert chosen != turned_down
    create(client, experiment, 500)
    elections.delete_others(client, experiment, WANTED, chosen)
    assert active(client, experiment) == [chosen]
    deleted = client.search_runs([experiment], run_view_type=ViewType.DELETED_ONLY)
    assert len(deleted) == 2


def test_a_choice_that_a_person_deleted_is_made_anew(client, experiment):
    gone = choose(client, experiment)
    client.delete_run(gone)
    again = choose(client, experiment)
    assert again != gone
    assert active(client, experiment) == [again]


def test_a_clash_is_repeated_and_another_error_is_not(monkeypatch):
    monkeypatch.setattr(elections.time, "sleep", lambda seconds: None)
    codes = ["BAD_REQUEST", "TEMPORARILY_UNAVAILABLE"]

    def write(value):
        if codes:
            raise MlflowException("clash", error_code=_number(codes.pop(0)))
        return value

    assert elections.persist(write, "written") == "written"
    codes += ["RESOURCE_DOES_NOT_EXIST"]
    with pytest.raises(MlflowException):
        elections.persist(write, "never")
    codes += ["BAD_REQUEST"] * 99
    with pytest.raises(MlflowException):
        elections.persist(write, "never")
    assert len(codes) == 91


def _number(name):
    from mlflow.protos import databricks_pb2

    return databricks_pb2.ErrorCode.Value(name)
