"""A race on a Kubeflow Pipelines server: compile its YAML, submit a run, wait for its end.

Whatever can be known here is checked before the first request. Requests go through the API client
that kfp itself uses, with timeouts, which `kfp.Client` does not offer.
"""

import argparse
import json
import math
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from launch.placement import Placement
from launch.plan import check_experiment, plan_arguments
from launch.registered import resolve_models
from squadron import backbones, scratch, storage
from squadron.config import Experiment, digest
from squadron.errors import InputError

TOKEN_VARIABLE = "KFP_TOKEN"
AUTHORITIES_VARIABLE = "SSL_CERT_FILE"
"""A file of certificate authorities to trust instead of the public ones."""
POLL_SECONDS = 10.0
FAILED_POLLS_ALLOWED = 12
"""In a row, while waiting: two minutes of a server that restarts."""
REQUEST_TIMEOUT = (5, 60)
"""Seconds to connect, seconds of silence."""
ACTIVE_STATES = ("RUNTIME_STATE_UNSPECIFIED", "PENDING", "RUNNING", "CANCELING", "PAUSED")
"""A run in any other state has ended; see kubeflow/pipelines `run.proto`, RuntimeState."""
EXIT_CODE_TIMEOUT = 124
"""As coreutils' `timeout` has it: the run goes on, the waiting has ended."""
EXIT_CODE_INTERRUPTED = 130

# distribution/reference: [host[:port]/]path[:tag][@digest]
_IMAGE = re.compile(
    r"(?:[A-Za-z0-9][A-Za-z0-9.-]*(?::\d+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?P<digest>@sha256:[0-9a-f]{64})?",
    re.ASCII,
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")  # RFC 1123
_REMEDIES = {
    401: f"Give a fresh token with --token or {TOKEN_VARIABLE}, or --service-account-token",
    403: "Check that this namespace exists and that the token's owner may create runs in it",
    404: "Give the URL under which /apis/v2beta1/healthz answers",
}


class ServerError(InputError):
    """The server can't be reached or refuses; `passing` if the same request may work later."""

    def __init__(self, sentence: str, *, passing: bool) -> None:
        super().__init__(sentence)
        self.passing = passing


def compile_race(
    experiment: Experiment, build_pipeline: Callable[[Placement], Any], options: argparse.Namespace
) -> int:
    """Writes the pipeline's YAML with this experiment's arguments as defaults.

    Args:
        experiment: Loaded.
        build_pipeline: As pipeline.py defines it.
        options: image, output, native, namespace.

    Returns:
        The exit code, 0.

    Raises:
        InputError: If something can't be compiled; local data only cause a warning.
    """
    check_image(options.image)
    if options.native:
        check_namespace(options.namespace)
    if options.output.suffix not in (".yaml", ".yml"):
        raise InputError(f"--output {options.output}: give a file that ends in .yaml or .yml")
    check_experiment(experiment)
    for sentence in find_local_paths(experiment):
        print(f"Warning: {sentence}", file=sys.stderr)
    experiment = resolve_models(experiment, is_local=False)
    arguments = plan_arguments(experiment, store="")
    pipeline = place_pipeline(build_pipeline, options.image, experiment, arguments)
    from kfp.compiler import Compiler
    from kfp.compiler.compiler_utils import KubernetesManifestOptions

    native = KubernetesManifestOptions(
        pipeline_version_name=version_name(experiment.name, arguments["race"], options.image),
        namespace=options.namespace,
        include_pipeline_manifest=True,
    )
    try:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        Compiler().compile(
            pipeline,
            str(options.output),
            pipeline_parameters=arguments,
            kubernetes_manifest_format=options.native,
            kubernetes_manifest_options=native if options.native else None,
        )
        _drop_defaults_from_comments(options.output)
    except OSError as error:
        raise InputError(f"--output {options.output} can't be written: {error}") from None
    print(f"Wrote {options.output}: experiment {experiment.name!r}, image {options.image}")
    return 0


def _drop_defaults_from_comments(file: Path) -> None:
    """Of the comments on top, where kfp repeats them: mappings in another order every time."""
    text = file.read_text(encoding="utf-8")
    plain = re.sub(r"^(#    \w+: \w+) \[Default: .*\]$", r"\1", text, flags=re.MULTILINE)
    file.write_text(plain, encoding="utf-8")


def submit_race(
    experiment: Experiment, build_pipeline: Callable[[Placement], Any], options: argparse.Namespace
) -> int:
    """Sends a run to the server and, if asked to, waits for its end.

    Args:
        experiment: Loaded.
        build_pipeline: As pipeline.py defines it.
        options: host, image, namespace, token, service_account_token, kfp_experiment, run_name,
            service_account, wait, timeout_minutes.

    Returns:
        The exit code: 0, or as `wait_for_end` gives it.

    Raises:
        InputError: Before the first request if anything given can't be right; later if the server
            can't be reached or refuses.
    """
    host = check_host(options.host)
    check_image(options.image)
    check_names(options)
    local_paths = find_local_paths(experiment)
    if local_paths:
        raise InputError("\n".join(local_paths))
    api = open_api(host, options)
    check_experiment(experiment)
    experiment = resolve_models(experiment, is_local=False)
    arguments = plan_arguments(experiment, store="")
    pipeline = place_pipeline(build_pipeline, options.image, experiment, arguments)
    key = json.loads(arguments["race"])["key"]
    with explained(host, options.namespace):
        run_id = send_run(
            api,
            host,
            pipeline_spec=as_json(pipeline),
            arguments=arguments,
            experiment_name=options.kfp_experiment or experiment.name,
            run_name=options.run_name or f"{experiment.name}-{key[:6]}",
            options=options,
        )
    url = f"{host}/#/runs/details/{run_id}"
    print(url, flush=True)
    if not options.wait:
        return 0
    return wait_for_end(lambda: fetch_run(api, host, run_id, options), url, options.timeout_minutes)


def check_host(host: str) -> str:
    """The host without a slash at its end, if it is the URL of a server."""
    try:
        parts = urlsplit(host)
        is_plain = not (parts.query or parts.fragment or "@" in parts.netloc or parts.port == 0)
        ok = is_plain and parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:  # such as a port that is no number
        ok = False
    if not ok or not re.fullmatch(r"[\x21-\x7e]+", host):
        shown = repr(host) if "@" not in host else "with a user or password"
        raise InputError(
            f"--host {shown} is not allowed; give the URL of the Kubeflow Pipelines API alone, "
            "such as https://kubeflow.example.org/pipeline or http://localhost:8888"
        )
    return host.rstrip("/")


def check_image(image: str) -> None:
    """Refuses an image that may be another one tomorrow: the cluster's cache trusts its name."""
    match = _IMAGE.fullmatch(image)
    if not match or not (match["digest"] or match["tag"] not in (None, "latest")):
        raise InputError(
            f"--image {image!r} is not allowed; give an image with a tag that never moves (not "
            "'latest') or a digest, such as registry.example.org/squadron:GIT_SHA"
        )


def check_namespace(namespace: str) -> None:
    """Refuses what can't be a namespace."""
    if not _LABEL.fullmatch(namespace):
        raise InputError(
            f"--namespace {namespace!r} is not allowed; lower-case letters, digits and '-' only, "
            "at most 63, with a letter or digit at both ends"
        )


def check_names(options: argparse.Namespace) -> None:
    """Refuses names and numbers that the server or Kubernetes would refuse later."""
    check_namespace(options.namespace)
    if not all(_LABEL.fullmatch(part) for part in options.service_account.split(".")):
        raise InputError(
            f"--service-account {options.service_account!r} is not allowed; lower-case letters, "
            "digits, '-' and '.' only, with a letter or digit at both ends"
        )
    for flag, name in (
        ("--run-name", options.run_name),
        ("--kfp-experiment", options.kfp_experiment),
    ):
        if len(name) > 128 or not name.isprintable() or name != name.strip():
            raise InputError(
                f"{flag} {name!r} is not allowed; give at most 128 printable characters without "
                "white space at the ends"
            )
    if not (math.isfinite(options.timeout_minutes) and options.timeout_minutes > 0):
        raise InputError(f"--timeout-minutes {options.timeout_minutes} is not allowed; above 0")


def find_local_paths(experiment: Experiment) -> list[str]:
    """One sentence for every setting that names a path of this machine."""
    data = experiment.data
    places = [("data.train", location) for location in data.train]
    places += [("data.train_only", location) for location in data.train_only]
    places += [("data.test", location) for location in data.test]
    places += [("results", experiment.results)] if experiment.results else []
    local = [(setting, place) for setting, place in places if not storage.is_remote(place)]
    local += [
        (f"contenders.{number}.backbone", contender.backbone)
        for number, contender in enumerate(experiment.contenders, start=1)
        if _is_folder(contender.backbone)
    ]
    return [_copy_sentence(setting, place) for setting, place in local]


def _is_folder(backbone: str) -> bool:
    is_name = backbone == backbones.OFFLINE or storage.is_remote(backbone)
    is_name = is_name or bool(scratch.read_kind(backbone))
    return not is_name and Path(backbone).expanduser().is_dir()


def _copy_sentence(setting: str, place: str) -> str:
    target = f"s3://BUCKET/{Path(place).name}"
    flag = "--recursive " if Path(place).expanduser().is_dir() else ""
    copy = f"copy it with `aws s3 cp {flag}{place} {target}` and "
    return (
        f"{setting}: {place!r} is a path of this machine, which the cluster can't see; "
        f"{copy if setting != 'results' else ''}set {setting}={target}"
    )


def place_pipeline(
    build_pipeline: Callable[[Placement], Any],
    image: str,
    experiment: Experiment,
    arguments: dict[str, Any],
) -> Any:
    """Builds the pipeline for a cluster and makes sure that it takes exactly these arguments.

    Raises:
        InputError: If kfp refuses a resource, or the arguments have other names than the inputs:
            the server would ignore an unknown one.
    """
    try:
        pipeline = build_pipeline(Placement(image, experiment.resources, parallelism=0))
    except ValueError as error:
        raise InputError(f"resources: {error}") from None
    declared = set(pipeline.pipeline_spec.root.input_definitions.parameters)
    if declared != set(arguments):
        raise InputError(
            f"The pipeline takes {sorted(declared)}, but its arguments are {sorted(arguments)}; "
            "pipeline.py and launch/plan.py must agree"
        )
    return pipeline


def as_json(pipeline: Any) -> dict[str, Any]:
    """The compiled pipeline as the API takes it."""
    from google.protobuf.json_format import MessageToDict

    return {
        "pipeline_spec": MessageToDict(pipeline.pipeline_spec),
        "platform_spec": MessageToDict(pipeline.platform_spec),
    }


def version_name(name: str, race: str, image: str) -> str:
    """Of a native PipelineVersion: it can't be changed, so other content needs another name.

    Args:
        name: Of the experiment.
        race: JSON of tracking.Race.
        image: Of the steps.
    """
    plain = name.lower().replace("_", "-").strip("-")[:80]
    return f"squadron-{plain}-{digest(race, image)}"


def open_api(host: str, options: argparse.Namespace) -> Any:
    """A kfp_server_api.ApiClient with its credentials; sends nothing yet."""
    import kfp_server_api as kfp_api
    import urllib3

    configuration = kfp_api.Configuration(host=host)
    # No silent retries: waiting has its own, and everything else should fail at once.
    configuration.retries = urllib3.Retry(
        total=3, connect=0, read=0, other=0, respect_retry_after_header=False
    )
    configuration.ssl_ca_cert = os.environ.get(AUTHORITIES_VARIABLE) or None
    if options.service_account_token:
        if options.token:
            raise InputError("Give either --token or --service-account-token, not both")
        configuration.refresh_api_key_hook = _mounted_token().refresh_api_key_hook
        token = "replaced by the hook before every request"
    else:
        token = (options.token or os.environ.get(TOKEN_VARIABLE, "")).strip()
        if not re.fullmatch(r"[\x21-\x7e]*", token):
            raise InputError(
                f"The token of --token or {TOKEN_VARIABLE} holds white space or unusual "
                "characters; give the bearer token alone"
            )
    if token:
        configuration.api_key["authorization"] = token
        configuration.api_key_prefix["authorization"] = "Bearer"
    return kfp_api.ApiClient(configuration)


def _mounted_token() -> Any:
    from kfp import client

    path = os.environ.get(client.KF_PIPELINES_SA_TOKEN_ENV) or client.KF_PIPELINES_SA_TOKEN_PATH
    if not os.access(path, os.R_OK):
        raise InputError(
            f"--service-account-token: there is no readable token at {path}; it is for pods with a "
            f"projected token, whose path {client.KF_PIPELINES_SA_TOKEN_ENV} can name"
        )
    return client.ServiceAccountTokenVolumeCredentials(path)


def send_run(
    api: Any,
    host: str,
    *,
    pipeline_spec: dict[str, Any],
    arguments: dict[str, Any],
    experiment_name: str,
    run_name: str,
    options: argparse.Namespace,
) -> str:
    """Creates the run, and the server's experiment if there is none; returns the run's id.

    Args:
        api: As `open_api` gives it.
        host: For messages.
        pipeline_spec: As `as_json` gives it.
        arguments: Of the pipeline.
        experiment_name: On the server: a folder of runs.
        run_name: Shown there.
        options: namespace, service_account.
    """
    import kfp_server_api as kfp_api

    health = kfp_api.HealthzServiceApi(api).healthz_service_get_healthz(
        _request_timeout=REQUEST_TIMEOUT
    )
    run = kfp_api.V2beta1Run(
        experiment_id=find_or_create_experiment(api, host, experiment_name, options.namespace),
        display_name=run_name,
        pipeline_spec=pipeline_spec,
        runtime_config=kfp_api.V2beta1RuntimeConfig(parameters=arguments),
        service_account=options.service_account,
    )
    created = kfp_api.RunServiceApi(api).run_service_create_run(
        run, _request_timeout=REQUEST_TIMEOUT
    )
    run_id = require_id(created.run_id, host)
    if not health.multi_user:
        print(
            f"Note: {host} is a single-user server: the run is in the server's own namespace, "
            f"whatever --namespace says ({options.namespace})",
            file=sys.stderr,
        )
    return run_id


def fetch_run(api: Any, host: str, run_id: str, options: argparse.Namespace) -> Any:
    """The run as it stands (V2beta1Run)."""
    import kfp_server_api as kfp_api

    with explained(host, options.namespace):
        return kfp_api.RunServiceApi(api).run_service_get_run(
            run_id, _request_timeout=REQUEST_TIMEOUT
        )


def find_or_create_experiment(api: Any, host: str, name: str, namespace: str) -> str:
    """The id of the server's experiment (a folder of runs) with this name."""
    import kfp_server_api as kfp_api

    experiments = kfp_api.ExperimentServiceApi(api)
    equal = {"operation": "EQUALS", "key": "display_name", "stringValue": name}
    found = experiments.experiment_service_list_experiments(
        filter=json.dumps({"predicates": [equal]}),
        namespace=namespace,
        _request_timeout=REQUEST_TIMEOUT,
    ).experiments
    if found:
        return require_id(found[0].experiment_id, host)
    created = experiments.experiment_service_create_experiment(
        kfp_api.V2beta1Experiment(display_name=name, namespace=namespace),
        _request_timeout=REQUEST_TIMEOUT,
    )
    return require_id(created.experiment_id, host)


def require_id(found: str | None, host: str) -> str:
    """What a server returned as id; a login page answers everything, but has none."""
    if not found:
        raise ServerError(
            f"{host} answers, but not as Kubeflow Pipelines does (a login page?). "
            f"{_REMEDIES[404]}, and a token with --token or {TOKEN_VARIABLE}",
            passing=False,
        )
    return found


@contextmanager
def explained(host: str, namespace: str) -> Iterator[None]:
    """Turns what can go wrong between here and the server into one sentence.

    Raises:
        ServerError: Naming the server, what went wrong and what to check.
    """
    import urllib3
    from kfp_server_api import ApiException

    try:
        yield
    except ApiException as error:
        remedy = _REMEDIES.get(error.status, "")
        raise ServerError(
            f"The server {host} refuses the request for namespace {namespace!r} with "
            f"{error.status}: {_reason(error)}. {remedy}".strip(),
            passing=error.status >= 500 or error.status == 429,
        ) from None
    except (urllib3.exceptions.HTTPError, UnicodeError, OSError) as error:
        reason = getattr(error, "reason", None) or error
        raise ServerError(
            f"The server {host} can't be reached: {reason}. Check the URL, and that this machine "
            f"may reach it; {AUTHORITIES_VARIABLE} names certificate authorities to trust",
            passing=True,
        ) from None


def _reason(error: Any) -> str:
    """The server's own words, on one line."""
    try:
        answer = json.loads(error.body)
        text = answer.get("message") or answer.get("error")
    except (TypeError, ValueError, AttributeError):
        text = None
    return " ".join(str(text or error.reason).split())[:500].rstrip(".")


def wait_for_end(fetch_run: Callable[[], Any], url: str, timeout_minutes: float) -> int:
    """Polls a run until it has ended, and prints every change of its state.

    Args:
        fetch_run: Gives the run as it stands.
        url: Of the run, for messages.
        timeout_minutes: Above 0.

    Returns:
        0 if it succeeded, 1 if it ended otherwise, 124 if time ran out, 130 if interrupted.

    Raises:
        ServerError: If the server refuses, or can't be reached for too long.
    """
    deadline = time.monotonic() + 60 * timeout_minutes
    shown, failures = "", 0
    try:
        while True:
            try:
                run = fetch_run()
                failures = 0
            except ServerError as error:
                failures += 1
                if not error.passing or failures > FAILED_POLLS_ALLOWED:
                    text = f"{error} The run goes on without being watched: {url}"
                    raise ServerError(text, passing=error.passing) from None
            else:
                state = (run.state or ACTIVE_STATES[0]).upper()
                if state != shown:
                    shown = state
                    print(f"{time.strftime('%H:%M:%S')} {state}", flush=True)
                if state not in ACTIVE_STATES:
                    return _report_end(state, run, url)
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                print(
                    f"The run has not ended after {timeout_minutes:g} minutes (state {shown}); it "
                    f"goes on: {url}",
                    file=sys.stderr,
                )
                return EXIT_CODE_TIMEOUT
            time.sleep(min(POLL_SECONDS, remaining))
    except KeyboardInterrupt:
        print(f"No longer waiting; the run goes on: {url}", file=sys.stderr)
        return EXIT_CODE_INTERRUPTED


def _report_end(state: str, run: Any, url: str) -> int:
    if state == "SUCCEEDED":
        return 0
    message = " ".join(str((run.error and run.error.message) or "").split())
    reason = f": {message}" if message else ""
    print(f"The run ended as {state}{reason}. See {url}", file=sys.stderr)
    return 1
