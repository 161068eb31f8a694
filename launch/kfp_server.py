"""Talks to a Kubeflow Pipelines server: sends a run and waits for its end.

Requests go through the API client that kfp itself uses, but with timeouts, which `kfp.Client` does
not offer. An error on the way to the server becomes one sentence.
"""

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from squadron.errors import InputError

TOKEN_VARIABLE = "KFP_TOKEN"
AUTHORITIES_VARIABLE = "SSL_CERT_FILE"
"""A file of certificate authorities to trust instead of the public ones."""
POLL_SECONDS = 10.0
FAILED_POLLS_ALLOWED = 12
"""Failed polls in a row that are allowed: two minutes, enough for a server that restarts."""
REQUEST_TIMEOUT = (5, 60)
"""Seconds to connect, and seconds without an answer."""
ACTIVE_STATES = ("RUNTIME_STATE_UNSPECIFIED", "PENDING", "RUNNING", "CANCELING", "PAUSED")
"""A run in any other state has ended. Source: RuntimeState in run.proto of kubeflow/pipelines."""
EXIT_CODE_TIMEOUT = 124
"""The exit code when the waiting ends before the run, the same as that of coreutils' `timeout`."""
EXIT_CODE_INTERRUPTED = 130
_REMEDIES = {
    401: f"Give a fresh token with --token or {TOKEN_VARIABLE}, or --service-account-token",
    403: "Check that this namespace exists and that the token's owner may create runs in it",
    404: "Give the URL under which /apis/v2beta1/healthz answers",
}


class ServerError(InputError):
    """The server can't be reached, or it refuses a request.

    Args:
        sentence: The server, what went wrong and what to check.
        passing: Whether the same request may work later.
    """

    def __init__(self, sentence: str, *, passing: bool) -> None:
        super().__init__(sentence)
        self.passing = passing


def open_api(host: str, options: argparse.Namespace) -> Any:
    """Returns a kfp_server_api.ApiClient with its credentials. It sends nothing yet."""
    import kfp_server_api as kfp_api
    import urllib3

    configuration = kfp_api.Configuration(host=host)
    # Failed requests are not repeated: waiting repeats its own, and all others should fail at once.
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
    """Creates the run, and the experiment on the server if it is missing; returns the run's id.

    Args:
        api: The client that `open_api` returned.
        host: The URL of the server, for messages.
        pipeline_spec: What `cluster.as_json` returned.
        arguments: The arguments of the pipeline.
        experiment_name: The name of the experiment on the server, which is a folder of runs.
        run_name: The name of the run on the server.
        options: The command line: namespace, service_account.
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
    """Returns the current state of a run (V2beta1Run)."""
    import kfp_server_api as kfp_api

    with explained(host, options.namespace):
        return kfp_api.RunServiceApi(api).run_service_get_run(
            run_id, _request_timeout=REQUEST_TIMEOUT
        )


def find_or_create_experiment(api: Any, host: str, name: str, namespace: str) -> str:
    """Returns the id of the experiment (a folder of runs) with a name; creates a missing one."""
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
    """Returns the id that a server gave.

    Raises:
        ServerError: If there is none: a login page answers every request, but without an id.
    """
    if not found:
        raise ServerError(
            f"{host} answers, but not as Kubeflow Pipelines does (a login page?). "
            f"{_REMEDIES[404]}, and a token with --token or {TOKEN_VARIABLE}",
            passing=False,
        )
    return found


@contextmanager
def explained(host: str, namespace: str) -> Iterator[None]:
    """Turns errors between this machine and the server into one sentence.

    Raises:
        ServerError: With the server, what went wrong and what to check.
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
    """Returns the server's own message on one line."""
    try:
        answer = json.loads(error.body)
        text = answer.get("message") or answer.get("error")
    except (TypeError, ValueError, AttributeError):
        text = None
    return " ".join(str(text or error.reason).split())[:500].rstrip(".")


def wait_for_end(fetch_run: Callable[[], Any], url: str, timeout_minutes: float) -> int:
    """Polls a run until it has ended, and prints every change of its state.

    Args:
        fetch_run: Returns the current state of the run.
        url: The page of the run, for messages.
        timeout_minutes: How long to wait, above 0.

    Returns:
        0 if the run succeeded, 1 if it ended in any other way, 124 if the time ran out, 130 if a
        person interrupted the waiting.

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
