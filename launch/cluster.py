"""Starts a race on a Kubeflow Pipelines server: compiles its YAML, or submits a run and waits.

Everything that this machine can check is checked before the first request.
"""

import argparse
import math
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from launch.kfp_server import explained, fetch_run, open_api, send_run, wait_for_end
from launch.placement import Placement, count_gpus, take_gpus_from_items
from launch.plan import Plan, check_experiment, plan_race
from launch.registered import resolve_models
from squadron import provenance, storage
from squadron.config import Experiment, digest
from squadron.data import locations
from squadron.errors import InputError
from squadron.models import backbones, scratch
from squadron.tracking import Race

# distribution/reference: [host[:port]/]path[:tag][@digest]
_IMAGE = re.compile(
    r"(?:[A-Za-z0-9][A-Za-z0-9.-]*(?::\d+)?/)?[a-z0-9]+(?:[._/-]+[a-z0-9]+)*"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?P<digest>@sha256:[0-9a-f]{64})?",
    re.ASCII,
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")  # RFC 1123


def compile_race(
    experiment: Experiment, build_pipeline: Callable[[Placement], Any], options: argparse.Namespace
) -> int:
    """Writes the pipeline's YAML with this experiment's arguments as defaults.

    Args:
        experiment: The experiment as it was loaded.
        build_pipeline: The function of pipeline.py.
        options: The command line: image, output, native, namespace.

    Returns:
        The exit code, 0.

    Raises:
        InputError: If something can't be compiled. Local data only cause a warning.
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
    plan = plan_with_gpus(experiment)
    pipeline = place_pipeline(build_pipeline, options.image, experiment, plan)
    from kfp.compiler import Compiler
    from kfp.compiler.compiler_utils import KubernetesManifestOptions

    native = KubernetesManifestOptions(
        pipeline_version_name=version_name(plan.race, options.image),
        namespace=options.namespace,
        include_pipeline_manifest=True,
    )
    try:
        options.output.parent.mkdir(parents=True, exist_ok=True)
        Compiler().compile(
            pipeline,
            str(options.output),
            pipeline_parameters=plan.arguments,
            kubernetes_manifest_format=options.native,
            kubernetes_manifest_options=native if options.native else None,
        )
        _drop_defaults_from_comments(options.output)
    except OSError as error:
        raise InputError(f"--output {options.output} can't be written: {error}") from None
    print(f"Wrote {options.output}: experiment {experiment.name!r}, image {options.image}")
    return 0


def _drop_defaults_from_comments(file: Path) -> None:
    """Removes the default values from the comments at the top of a compiled pipeline.

    kfp repeats the defaults there, and writes mappings in another order every time.
    """
    text = file.read_text(encoding="utf-8")
    plain = re.sub(r"^(#    \w+: \w+) \[Default: .*\]$", r"\1", text, flags=re.MULTILINE)
    file.write_text(plain, encoding="utf-8")


def submit_race(
    experiment: Experiment, build_pipeline: Callable[[Placement], Any], options: argparse.Namespace
) -> int:
    """Sends a run to the server and, with `--wait`, waits for its end.

    Args:
        experiment: The experiment as it was loaded.
        build_pipeline: The function of pipeline.py.
        options: The command line: host, image, namespace, token, service_account_token,
            kfp_experiment, run_name, service_account, wait, timeout_minutes.

    Returns:
        The exit code: 0, or what `wait_for_end` returns.

    Raises:
        InputError: If an option or a setting is wrong, before the first request; if the server
            can't be reached or refuses, after it.
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
    plan = plan_with_gpus(experiment)
    pipeline = place_pipeline(build_pipeline, options.image, experiment, plan)
    warn_of_other_code(options.image)
    with explained(host, options.namespace):
        run_id = send_run(
            api,
            host,
            pipeline_spec=as_json(pipeline),
            arguments=plan.arguments,
            experiment_name=options.kfp_experiment or experiment.name,
            run_name=options.run_name or f"{experiment.name}-{plan.race.key[:6]}",
            options=options,
        )
    url = f"{host}/#/runs/details/{run_id}"
    print(url, flush=True)
    if not options.wait:
        return 0
    return wait_for_end(lambda: fetch_run(api, host, run_id, options), url, options.timeout_minutes)


def check_host(host: str) -> str:
    """Returns the URL of the server without a slash at its end.

    Raises:
        InputError: If it is not the plain URL of a server.
    """
    try:
        parts = urlsplit(host)
        is_plain = not (parts.query or parts.fragment or "@" in parts.netloc or parts.port == 0)
        ok = is_plain and parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:  # for example, the port is not a number
        ok = False
    if not ok or not re.fullmatch(r"[\x21-\x7e]+", host):
        shown = repr(host) if "@" not in host else "with a user or password"
        raise InputError(
            f"--host {shown} is not allowed; give the URL of the Kubeflow Pipelines API alone, "
            "such as https://kubeflow.example.org/pipeline or http://localhost:8888"
        )
    return host.rstrip("/")


def check_image(image: str) -> None:
    """Refuses an image whose name may mean another image later.

    The cache of the cluster knows an image by its name alone.
    """
    match = _IMAGE.fullmatch(image)
    if not match or not (match["digest"] or match["tag"] not in (None, "latest")):
        raise InputError(
            f"--image {image!r} is not allowed; give an image with a tag that never moves (not "
            "'latest') or a digest, such as registry.example.org/squadron:GIT_SHA"
        )


def check_namespace(namespace: str) -> None:
    """Refuses a text that Kubernetes does not allow as a namespace."""
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
    """Returns one sentence for every setting that names a path of this machine."""
    data = experiment.data
    places = [("data.train", location) for location in data.train]
    places += [("data.train_only", location) for location in data.train_only]
    places += [("data.test", location) for location in data.test]
    places += [("data.synthesize.files", location) for location in data.synthesize.files]
    places += [
        (f"contenders.{number}.trained_on.files", location)
        for number, contender in enumerate(experiment.contenders, start=1)
        for location in contender.trained_on.files
    ]
    places += [("documents.files", location) for location in experiment.documents.files]
    local = [(setting, place) for setting, place in places if not locations.is_remote(place)]
    if experiment.results and not storage.is_remote(experiment.results):
        local.append(("results", experiment.results))
    local += [
        (f"contenders.{number}.backbone", contender.backbone)
        for number, contender in enumerate(experiment.contenders, start=1)
        if _is_folder(contender.backbone)
    ]
    return [_copy_sentence(setting, place) for setting, place in local]


def _is_folder(backbone: str) -> bool:
    is_name = backbones.is_shipped(backbone) or storage.is_remote(backbone)
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


def plan_with_gpus(experiment: Experiment) -> Plan:
    """Returns the plan of a race in which each contender says how many GPUs it trains on."""
    plan = plan_race(experiment)
    contenders = count_gpus(plan.arguments["contenders"], experiment)
    return replace(plan, arguments={**plan.arguments, "contenders": contenders})


def place_pipeline(
    build_pipeline: Callable[[Placement], Any],
    image: str,
    experiment: Experiment,
    plan: Plan,
) -> Any:
    """Builds the pipeline for a cluster and checks that it takes exactly the planned arguments.

    The server would ignore an argument that the pipeline does not know.

    Raises:
        InputError: If kfp refuses a resource, or the names of inputs and arguments differ.
    """
    place = Placement(
        image,
        experiment.resources,
        parallelism=0,
        race=str(plan.race),
        has_documents=experiment.documents.are_given,
    )
    try:
        pipeline = build_pipeline(place)
    except ValueError as error:
        raise InputError(f"resources: {error}") from None
    declared = set(pipeline.pipeline_spec.root.input_definitions.parameters)
    if declared != set(plan.arguments):
        raise InputError(
            f"The pipeline takes {sorted(declared)}, but its arguments are "
            f"{sorted(plan.arguments)}; pipeline.py and launch/plan.py must agree"
        )
    take_gpus_from_items(pipeline.pipeline_spec)
    return pipeline


def as_json(pipeline: Any) -> dict[str, Any]:
    """Returns the compiled pipeline in the form that the API takes."""
    from google.protobuf.json_format import MessageToDict

    return {
        "pipeline_spec": MessageToDict(pipeline.pipeline_spec),
        "platform_spec": MessageToDict(pipeline.platform_spec),
    }


def version_name(race: Race, image: str) -> str:
    """Returns the name of a native PipelineVersion, which another race or image does not share.

    A PipelineVersion can't be changed, so other content needs another name.

    Args:
        race: The race of this plan.
        image: The image of the steps.
    """
    plain = race.name.lower().replace("_", "-").strip("-")[:80]
    return f"squadron-{plain}-{digest(str(race), image)}"


def warn_of_other_code(image: str) -> None:
    """Prints a warning if the image holds, or may hold, other code than this checkout.

    Each step compares its code with the plan and refuses to run other code. The warning says so
    before the run is sent.

    Args:
        image: The image of the steps. A tag of 7 to 40 hexadecimal digits is taken for a commit.
    """
    here = provenance.commit()
    if here.endswith("-dirty"):
        print(
            f"Warning: this checkout differs from its commit {here.removesuffix('-dirty')}; steps "
            "refuse to run if the image holds other code than the files here",
            file=sys.stderr,
        )
    match = _IMAGE.fullmatch(image)
    tag = (match["tag"] or "") if match else ""
    is_commit = re.fullmatch(r"[0-9a-f]{7,40}", tag) is not None
    if is_commit and here != "unknown" and not here.startswith(tag):
        print(
            f"Warning: the image's tag names the commit {tag}, and this checkout is at {here}; "
            "steps refuse to run if their code differs: submit from the commit of the image",
            file=sys.stderr,
        )
