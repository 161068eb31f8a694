"""`pipeline.py submit` against an HTTP server and an S3 server on loopback."""

import dataclasses
import functools
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from kfp import dsl

from launch import kfp_server
from launch.cluster import find_local_paths
from launch.command_line import main
from launch.placement import Placement
from launch.plan import plan_race
from pipeline import build_pipeline
from squadron import storage
from squadron.config import build_experiment, load_experiment
from squadron.errors import InputError
from tests.limits import PATIENCE_SECONDS
from tests.pipeline.kfp_server import (
    EXPERIMENT_ID,
    RUN_ID,
    Request,
    Script,
    running_kfp_server,
)
from tests.s3_server import running_s3_server

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENT = "experiments/example.yaml"
IMAGE = "registry.example.org:5000/team/squadron:4f2a9c1"
REMOTE_DATA = "data.train=s3://squad/corpus.json"
HUB_BACKBONE = "backbone=google/bert_uncased_L-2_H-128_A-2"
"""A name costs no time; the offline default is hashed (90 MB)."""
TWO = "contenders=[span, pretrained]"
"""A champion would be looked for in a registry, and told of where there is none."""
SETTINGS = ["--set", REMOTE_DATA, "--set", HUB_BACKBONE, "--set", TWO]
SENT = ["GET /healthz", "GET /experiments", "POST /experiments", "POST /runs"]
POLL = f"GET /runs/{RUN_ID}"

Submit = Callable[..., int]


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    with running_s3_server() as url:
        client = boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        client.create_bucket(Bucket="squad")
        client.upload_file(str(ROOT / "examples/corpus.json"), "squad", "corpus.json")
        client.put_object(Bucket="squad", Key="backbone/config.json", Body=b"{}")
        yield url


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch, s3_url: str) -> None:
    for name in list(os.environ):
        if name.startswith(("AWS_", "SQUADRON_", "KFP_", "KF_", "SSL_CERT")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("SQUADRON_GIT_SHA", "4f2a9c1")
    monkeypatch.setattr(kfp_server, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(storage, "content_digest", DIGEST_ONCE)
    monkeypatch.chdir(ROOT)


@pytest.fixture
def server() -> Iterator[Script]:
    with running_kfp_server(Script()) as script:
        yield script


DIGEST_ONCE = functools.cache(storage.content_digest)
"""A new S3 client costs 0.1 s; the data stay the same."""
BUILT: dict[str, Any] = {}


def build_once(place: Placement) -> Any:
    """kfp walks the whole stack with every setting of a task: 0.3 s a pipeline under pytest."""
    if repr(place) not in BUILT:
        BUILT[repr(place)] = build_pipeline(place)
    return BUILT[repr(place)]


@pytest.fixture
def submit(server: Script) -> Submit:
    def run(*arguments: str, host: str = "", pipeline: Callable[..., Any] = build_once) -> int:
        """Later arguments win over these."""
        given = [*SETTINGS, "--host", host or server.url, "--image", IMAGE]
        return main(["submit", EXPERIMENT, *given, *arguments], pipeline)

    return run


def sent(server: Script, call: str) -> Request:
    found = [r for r in server.requests if f"{r.method} {r.path}" == call]
    assert len(found) == 1
    return found[0]


# --- what is sent ---


def test_a_run_is_created_in_a_new_experiment(
    server: Script, submit: Submit, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit() == 0
    assert server.calls == SENT
    assert capsys.readouterr().out == f"{server.url}/#/runs/details/{RUN_ID}\n"
    looked_for = sent(server, "GET /experiments").query
    assert looked_for["namespace"] == ["squadron"]
    assert json.loads(looked_for["filter"][0]) == {
        "predicates": [{"operation": "EQUALS", "key": "display_name", "stringValue": "example"}]
    }
    created = sent(server, "POST /experiments").body
    assert created == {"display_name": "example", "namespace": "squadron"}


def test_an_experiment_that_exists_is_used(server: Script, submit: Submit) -> None:
    server.experiment_exists = True
    assert submit() == 0
    assert server.calls == ["GET /healthz", "GET /experiments", "POST /runs"]


def test_the_run_carries_exactly_the_arguments_of_the_plan(server: Script, submit: Submit) -> None:
    assert submit() == 0
    body = sent(server, "POST /runs").body
    plan = plan_race(load_experiment(Path(EXPERIMENT), (REMOTE_DATA, HUB_BACKBONE, TWO)))
    # On a cluster each contender also says how many GPUs its training asks for.
    gpus = [{"gpus": "1"}, {"gpus": "0"}]
    contenders = zip(plan.arguments["contenders"], gpus, strict=True)
    wanted = {**plan.arguments, "contenders": [item | more for item, more in contenders]}
    assert body["runtime_config"] == {"parameters": wanted}
    spec = body["pipeline_spec"]["pipeline_spec"]
    assert set(spec["root"]["inputDefinitions"]["parameters"]) == set(plan.arguments)
    assert body["display_name"] == f"example-{plan.race.key[:6]}"
    assert body["experiment_id"] == EXPERIMENT_ID
    assert body["service_account"] == "squadron-runner"
    assert set(body) == {
        "display_name",
        "experiment_id",
        "pipeline_spec",
        "runtime_config",
        "service_account",
    }


@pytest.mark.slow
def test_the_run_carries_the_pipeline_as_it_is_compiled(
    server: Script, submit: Submit, tmp_path: Path
) -> None:
    import yaml

    assert submit() == 0
    file = tmp_path / "pipeline.yaml"
    flags = [*SETTINGS, "--image", IMAGE, "--output", str(file)]
    assert main(["compile", EXPERIMENT, *flags], build_pipeline) == 0
    spec, platforms = yaml.safe_load_all(file.read_text(encoding="utf-8"))
    for parameter in spec["root"]["inputDefinitions"]["parameters"].values():
        parameter.pop("defaultValue", None)
        parameter.pop("isOptional", None)
    carried = sent(server, "POST /runs").body["pipeline_spec"]
    for parameter in carried["pipeline_spec"]["root"]["inputDefinitions"]["parameters"].values():
        parameter.pop("defaultValue", None)
        parameter.pop("isOptional", None)
    assert carried == {"pipeline_spec": spec, "platform_spec": platforms}


def test_names_that_are_given_are_used(server: Script, submit: Submit) -> None:
    flags = ["--run-name", "Friday's race", "--kfp-experiment", "Squad races"]
    assert submit(*flags, "--namespace", "team-a", "--service-account", "runner.v2") == 0
    assert sent(server, "GET /experiments").query["namespace"] == ["team-a"]
    created = sent(server, "POST /experiments").body
    assert created == {"display_name": "Squad races", "namespace": "team-a"}
    run = sent(server, "POST /runs").body
    assert (run["display_name"], run["service_account"]) == ("Friday's race", "runner.v2")


def test_a_slash_after_the_host_changes_nothing(
    server: Script, submit: Submit, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(host=f"{server.url}/") == 0
    assert server.calls == SENT
    assert capsys.readouterr().out == f"{server.url}/#/runs/details/{RUN_ID}\n"


def test_a_single_user_server_is_pointed_out(
    server: Script, submit: Submit, capsys: pytest.CaptureFixture[str]
) -> None:
    server.multi_user = False
    assert submit() == 0
    assert "single-user" in capsys.readouterr().err


@pytest.mark.slow
def test_the_offline_default_backbone_is_no_local_path(server: Script, submit: Submit) -> None:
    assert submit("--set", "backbone=all-MiniLM-L6-v2") == 0
    assert server.calls == SENT


@pytest.mark.slow
def test_a_remote_backbone_is_not_fetched(
    server: Script, submit: Submit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert submit("--set", "backbone=s3://squad/backbone") == 0
    assert list(tmp_path.iterdir()) == []
    contenders = sent(server, "POST /runs").body["runtime_config"]["parameters"]["contenders"]
    assert all("s3://squad/backbone" in item["settings"] for item in contenders)


# --- tokens ---


def authorizations(server: Script) -> set[str | None]:
    return {request.headers.get("authorization") for request in server.requests}


def test_without_a_token_no_header_is_sent(server: Script, submit: Submit) -> None:
    assert submit() == 0
    assert authorizations(server) == {None}


def test_the_token_of_the_environment_is_sent_with_every_request(
    server: Script, submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KFP_TOKEN", "from-environment\n")
    assert submit("--wait") == 0
    assert authorizations(server) == {"Bearer from-environment"}


def test_a_given_token_wins(
    server: Script, submit: Submit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KFP_TOKEN", "from-environment")
    assert submit("--token", "given") == 0
    assert authorizations(server) == {"Bearer given"}


def test_the_pods_token_is_read_again_before_every_request(
    server: Script, submit: Submit, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text("first\n")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(token))
    answer = server.answer

    def rotate(request: Request) -> tuple[int, str]:
        token.write_text("second\n")
        return answer(request)

    monkeypatch.setattr(server, "answer", rotate)
    assert submit("--service-account-token") == 0
    assert [request.headers["authorization"] for request in server.requests] == [
        "Bearer first",
        *["Bearer second"] * 3,
    ]


# --- refused before anything is sent ---

DATA = "--set=data.train"
REFUSED = {
    "no host": (["--host", ""], "--host ''"),
    "no scheme": (["--host", "kubeflow.example.org"], "--host 'kubeflow.example.org'"),
    "other scheme": (["--host", "ftp://kubeflow"], "--host 'ftp://kubeflow'"),
    "a page": (["--host", "http://kubeflow/#/runs"], "--host 'http://kubeflow/#/runs'"),
    "a password": (["--host", "http://user:hunter2@kubeflow"], "with a user or password"),
    "bad port": (["--host", "http://kubeflow:eight"], "--host 'http://kubeflow:eight'"),
    "no image": (["--image", ""], "--image ''"),
    "no tag": (["--image", "registry:5000/squadron"], "'registry:5000/squadron'"),
    "latest": (["--image", "squadron:latest"], "not 'latest'"),
    "latest of a registry": (["--image", "a.io/b/squadron:latest"], "not 'latest'"),
    "no image name": (["--image", "Not An Image:1"], "'Not An Image:1'"),
    "short digest": (["--image", "squadron@sha256:abc"], "'squadron@sha256:abc'"),
    "namespace": (["--namespace", "Team_A"], "--namespace 'Team_A'"),
    "empty namespace": (["--namespace", ""], "--namespace ''"),
    "long namespace": (["--namespace", "a" * 64], "at most 63"),
    "run name": (["--run-name", "two\nlines"], "--run-name"),
    "long run name": (["--run-name", "r" * 129], "at most 128"),
    "experiment": (["--kfp-experiment", " padded"], "--kfp-experiment ' padded'"),
    "service account": (["--service-account", "Runner"], "--service-account 'Runner'"),
    "no service account": (["--service-account", ""], "--service-account ''"),
    "timeout": (["--timeout-minutes", "nan"], "--timeout-minutes nan"),
    "zero timeout": (["--timeout-minutes", "0"], "--timeout-minutes 0"),
    "token": (["--token", "a b"], "bearer token alone"),
    "two tokens": (["--token", "a", "--service-account-token"], "not both"),
    "no pod": (["--service-account-token"], "no readable token"),
    "local data": ([f"{DATA}=examples/corpus.json"], "data.train: 'examples/corpus.json'"),
    "local train_only": (["--set=data.train_only=examples/corpus.json"], "data.train_only: 'ex"),
    "local declared data": (
        ["--set=trained_on.files=examples/corpus.json"],
        "contenders.1.trained_on.files: 'examples/c",
    ),
    "local test data": (["--set=data.test=examples/corpus.json"], "data.test: 'examples/c"),
    "missing data": ([f"{DATA}=s3://squad/none.json"], "s3://squad/none.json"),
    "local results": (["--set=results=runs/results"], "set results=s3://BUCKET/results"),
    "local backbone": (["--set=contenders.2.backbone=src"], "contenders.2.backbone: 'src'"),
    "unknown backbone": (["--set=backbone=./none"], "'./none'"),
    "unknown variant": (["--set=contenders.1.variant=spam"], "'spam' is not a variant"),
    "bad memory": (["--set=resources.memory=lots"], "resources: "),
}


@pytest.mark.parametrize(("flags", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_right_is_refused_before_anything_is_sent(
    server: Script,
    submit: Submit,
    capsys: pytest.CaptureFixture[str],
    flags: list[str],
    words: str,
) -> None:
    assert submit(*flags) == 2
    assert server.calls == []
    printed = capsys.readouterr()
    assert words in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""
    assert "hunter2" not in printed.err


@pytest.mark.slow
@pytest.mark.parametrize(
    "image",
    [
        "squadron:1.0.0",
        "localhost:5000/squadron:4f2a9c1",
        "ghcr.io/team/squadron@sha256:" + "0" * 64,
        "ghcr.io/team/squadron:latest@sha256:" + "0" * 64,
    ],
)
def test_a_pinned_image_reaches_every_step(server: Script, submit: Submit, image: str) -> None:
    assert submit("--image", image) == 0
    spec = sent(server, "POST /runs").body["pipeline_spec"]["pipeline_spec"]
    executors = spec["deploymentSpec"]["executors"].values()
    assert {executor["container"]["image"] for executor in executors} == {image}


def test_a_local_path_is_refused_with_the_way_out(
    submit: Submit, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(f"{DATA}=examples/corpus.json", "--set=results=s3://squad/results") == 2
    assert capsys.readouterr().err == (
        "data.train: 'examples/corpus.json' is a path of this machine, which the cluster can't "
        "see; copy it with `aws s3 cp examples/corpus.json s3://BUCKET/corpus.json` and set "
        "data.train=s3://BUCKET/corpus.json\n"
    )


def test_a_document_of_this_machine_is_a_local_path() -> None:
    settings = {
        "name": "documents",
        "contenders": ["span"],
        "data": {
            "train": "s3://squad/b",
            "synthesize": {"files": ["s3://squad/c.pdf", "docs/d.pdf"]},
        },
    }
    (sentence,) = find_local_paths(build_experiment(settings))
    assert sentence.startswith("data.synthesize.files: 'docs/d.pdf' is a path of this machine")


def test_a_data_set_of_the_hub_is_no_local_path_and_no_place_for_results() -> None:
    settings = {
        "name": "hub",
        "contenders": ["span"],
        "data": {"train": ["hf://datasets/space/name?split=train"]},
    }
    experiment = build_experiment(settings)
    assert find_local_paths(experiment) == []
    with pytest.raises(InputError, match="The location 'hf://datasets/a/b' can't be used"):
        find_local_paths(dataclasses.replace(experiment, results="hf://datasets/a/b"))


def test_a_pipeline_with_other_inputs_than_the_plan_is_refused(
    server: Script, submit: Submit, capsys: pytest.CaptureFixture[str]
) -> None:
    def build_another(place: Placement) -> Any:
        from components import ingest

        @dsl.pipeline(name="another")
        def another(data: str, surprise: str) -> None:
            ingest(data=data, digests="")

        return another

    assert submit(pipeline=build_another) == 2
    assert server.calls == []
    assert "'surprise'" in capsys.readouterr().err


# --- a server that refuses or is not there ---

LOGIN_PAGE = "<html>Please sign in</html>"
ANSWERS = {
    "401": ("GET /healthz", 401, '{"message": "no token"}', ["401: no token", "KFP_TOKEN"]),
    "403": ("GET /experiments", 403, '{"error": "denied"}', ["403: denied", "'squadron'"]),
    "404": ("GET /healthz", 404, "page not found", ["404", "/apis/v2beta1/healthz"]),
    "unknown namespace": (
        "POST /runs",
        400,
        '{"message": "namespaces \\"squadron\\" not found"}',
        ['400: namespaces "squadron" not found'],
    ),
    "500": ("POST /experiments", 500, '{"message": "database\\nis down"}', ["500: database is"]),
    "no JSON object": ("GET /experiments", 502, "[1]", ["502: Bad Gateway"]),
    "a login page": ("POST /runs", 200, LOGIN_PAGE, ["a login page?"]),
}


@pytest.mark.parametrize(("call", "status", "body", "words"), ANSWERS.values(), ids=ANSWERS)
def test_a_server_that_refuses_is_explained(
    server: Script,
    submit: Submit,
    capsys: pytest.CaptureFixture[str],
    call: str,
    status: int,
    body: str,
    words: list[str],
) -> None:
    server.answers = {call: [(status, body)]}
    assert submit("--token", "s3cret") == 2
    assert server.calls[-1] == call
    printed = capsys.readouterr()
    assert printed.out == ""
    assert server.url in printed.err
    assert "s3cret" not in printed.err
    assert printed.err.count("\n") == 1
    for word in words:
        assert word in printed.err


def test_an_unreachable_host_ends_in_a_sentence() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"http://127.0.0.1:{free.getsockname()[1]}"
    command = [sys.executable, "pipeline.py", "submit", EXPERIMENT, "--host", host]
    done = subprocess.run(
        [*command, "--image", IMAGE, "--set", REMOTE_DATA, "--set", TWO],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"The server {host} can't be reached: ")
    assert done.stderr.count("\n") == 1


def test_a_silent_host_is_asked_once_and_ends_in_a_sentence(
    submit: Submit, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kfp_server, "REQUEST_TIMEOUT", (0.2, 0.2))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        assert submit(host=f"http://127.0.0.1:{silent.getsockname()[1]}") == 2
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()
    assert "Read timed out" in capsys.readouterr().err


def test_a_host_without_the_expected_certificate_ends_in_a_sentence(
    server: Script, submit: Submit, capsys: pytest.CaptureFixture[str]
) -> None:
    assert submit(host=server.url.replace("http:", "https:")) == 2
    assert "SSL_CERT_FILE" in capsys.readouterr().err


# --- waiting ---


@pytest.mark.parametrize(
    ("state", "code"),
    [("SUCCEEDED", 0), ("FAILED", 1), ("SKIPPED", 1), ("CANCELED", 1), ("ERROR", 1), ("error", 1)],
)
def test_waiting_ends_with_every_terminal_state(
    server: Script, submit: Submit, capsys: pytest.CaptureFixture[str], state: str, code: int
) -> None:
    server.states = ["PENDING", "RUNNING", "RUNNING", state]
    assert submit("--wait", "--timeout-minutes", "60") == code
    assert server.calls == SENT + [POLL] * 4
    printed = capsys.readouterr()
    states = [line.split()[-1] for line in printed.out.splitlines()[1:]]
    assert states == ["PENDING", "RUNNING", state.upper()]
    assert (f"ended as {state.upper()}" in printed.err) == (code == 1)


def test_a_run_that_is_being_canceled_has_not_ended(server: Script, submit: Submit) -> None:
    server.states = ["RUNNING", "CANCELING", "PAUSED", "CANCELED"]
    assert submit("--wait", "--timeout-minutes", "60") == 1
    assert server.calls.count(POLL) == 4


def test_the_servers_reason_of_a_failure_is_shown(
    server: Script, submit: Submit, capsys: pytest.CaptureFixture[str]
) -> None:
    server.states, server.error = ["FAILED"], "train: no GPU\nleft"
    assert submit("--wait") == 1
    assert "ended as FAILED: train: no GPU left. See http" in capsys.readouterr().err


def test_waiting_ends_when_the_time_is_up(
    server: Script, submit: Submit, capsys: pytest.CaptureFixture[str]
) -> None:
    server.states = ["RUNNING"]
    assert submit("--wait", "--timeout-minutes", "0.002") == 124
    printed = capsys.readouterr().err
    assert "not ended after 0.002 minutes (state RUNNING)" in printed
    assert f"{server.url}/#/runs/details/{RUN_ID}" in printed


def test_waiting_survives_a_server_that_restarts_again_and_again(
    server: Script, submit: Submit
) -> None:
    away = [(503, ""), (502, "<html>"), (429, "")] * (kfp_server.FAILED_POLLS_ALLOWED // 3)
    assert len(away) == kfp_server.FAILED_POLLS_ALLOWED
    running = (200, json.dumps({"run_id": RUN_ID, "state": "RUNNING"}))
    server.answers = {POLL: [*away, running, *away]}
    assert submit("--wait", "--timeout-minutes", "60") == 0
    assert server.calls.count(POLL) == 2 * len(away) + 2


def test_waiting_gives_up_on_a_server_that_stays_away(
    server: Script, submit: Submit, capsys: pytest.CaptureFixture[str]
) -> None:
    server.answers = {POLL: [(503, "")] * 100}
    assert submit("--wait", "--timeout-minutes", "60") == 2
    assert server.calls.count(POLL) == kfp_server.FAILED_POLLS_ALLOWED + 1
    assert "The run goes on without being watched: http" in capsys.readouterr().err


def test_waiting_ends_at_once_when_the_token_has_expired(server: Script, submit: Submit) -> None:
    server.states = ["RUNNING"]
    server.answers = {POLL: [(401, "")]}
    assert submit("--wait", "--timeout-minutes", "60") == 2
    assert server.calls.count(POLL) == 1


def test_an_interrupted_wait_leaves_the_run_alone(
    server: Script,
    submit: Submit,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    server.states = ["RUNNING"]
    monkeypatch.setattr(kfp_server.time, "sleep", interrupt)
    assert submit("--wait") == 130
    assert "the run goes on: http" in capsys.readouterr().err
    assert server.calls == [*SENT, POLL]
