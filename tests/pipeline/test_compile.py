"""`pipeline.py compile`: what the cluster is told, for every experiment of the folder.

After a change that is meant, write the golden file anew and read its difference:
UPDATE_GOLDEN=1 pytest tests/pipeline/test_compile.py
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from google.protobuf.json_format import MessageToDict
from kfp.components import load_component_from_file

from launch import placement
from launch.command_line import main
from pipeline import build_pipeline
from squadron.config import load_experiment

ROOT = Path(__file__).resolve().parents[2]
EXPERIMENTS = sorted((ROOT / "experiments").glob("*.yaml"))
GOLDEN = ROOT / "tests" / "golden" / "example.yaml"
IMAGE = "registry.example.org/squadron:4f2a9c1"
GPU_STEPS = {"exec-train", "exec-predict"}
STEPS = {
    "exec-open-race",
    "exec-ingest",
    "exec-admit",
    "exec-featurize",
    *GPU_STEPS,
    "exec-evaluate",
    "exec-register",
    "exec-report",
    "exec-close-race",
}

DOCUMENT_STEPS = {"exec-passages", "exec-index", "exec-answer"}

Json = dict[str, Any]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SQUADRON_GIT_SHA", "4f2a9c1")
    monkeypatch.chdir(ROOT)


def data_flags(experiment: Path) -> list[str]:
    """Puts the project's own corpus in the place of data that a person must bring."""
    data = load_experiment(experiment).data
    given = {name: getattr(data, name) for name in ("train", "train_only", "test")}
    return [
        flag
        for name, locations in given.items()
        if any(not Path(location).exists() for location in locations)
        for flag in ("--set", f"data.{name}=examples/corpus.json")
    ]


def compile_to(folder: Path, *flags: str, experiment: str = "experiments/example.yaml") -> Path:
    output = folder / "pipeline.yaml"
    command = ["compile", experiment, "--image", IMAGE, "--output", str(output), *flags]
    assert main(command, build_pipeline) == 0
    return output


def read(file: Path) -> tuple[Json, Json]:
    """(pipeline spec, the executors of its platform spec)."""
    spec, platforms = yaml.safe_load_all(file.read_text(encoding="utf-8"))
    return spec, platforms["platforms"]["kubernetes"]["deploymentSpec"]["executors"]


def executors(spec: Json) -> dict[str, Json]:
    return {
        name: executor["container"]
        for name, executor in spec["deploymentSpec"]["executors"].items()
    }


def tasks(component: Json) -> Iterator[tuple[str, Json]]:
    yield from component.get("dag", {}).get("tasks", {}).items()


def all_tasks(spec: Json) -> dict[str, Json]:
    return {
        name: task
        for component in (spec["root"], *spec["components"].values())
        for name, task in tasks(component)
    }


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, compiled without any option. Compiling takes seconds, so tests share it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setenv("SQUADRON_GIT_SHA", "4f2a9c1")
        return compile_to(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> tuple[Json, Json]:
    """The example, compiled with everything that resources can ask for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        resources = [
            "resources.gpu_count=1",
            "resources.gpu_type=amd.com/gpu",
            "resources.node_selector={disk: ssd}",
            "resources.tolerations=[amd.com/gpu, batch]",
            "resources.checkpoint_claim=checkpoints",
            "resources.cpu='6'",
            "resources.memory=24Gi",
            "resources.step_cpu='1'",
            "resources.step_memory=6Gi",
            "resources.image_pull_secret=registry",
        ]
        flags = [flag for setting in resources for flag in ("--set", setting)]
        return read(compile_to(tmp_path_factory.mktemp("example"), *flags))


def test_there_are_experiments() -> None:
    assert len(EXPERIMENTS) >= 2


@pytest.mark.slow
@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_experiment_compiles(
    experiment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec, platforms = read(
        compile_to(tmp_path, *data_flags(experiment), experiment=str(experiment))
    )
    has_documents = load_experiment(experiment).documents.are_given
    steps = STEPS | DOCUMENT_STEPS if has_documents else STEPS
    assert set(executors(spec)) == set(platforms) == steps
    defaults = {
        name: parameter["defaultValue"]
        for name, parameter in spec["root"]["inputDefinitions"]["parameters"].items()
    }
    annotations = [each["podMetadata"]["annotations"] for each in platforms.values()]
    (race,) = {each["squadron/race"] for each in annotations}
    assert race.startswith(f"{experiment.stem}/")
    contenders = load_experiment(experiment).contenders
    # No registry can be asked, so the champion stays away, and that is said.
    labels = [contender.label for contender in contenders if contender.variant != "champion"]
    assert [contender["label"] for contender in defaults["contenders"]] == labels
    shown = capsys.readouterr().err
    assert "Warning: data.train: " in shown
    assert ("champion: MLFLOW_TRACKING_URI names no" in shown) == (len(labels) < len(contenders))


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> tuple[Json, Json]:
    """The experiment with documents, compiled for a cluster with accelerators."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        patch.setenv("SQUADRON_GIT_SHA", "4f2a9c1")
        flags = ("--set", "resources.gpu_count=1", "--set", "resources.node_selector={disk: ssd}")
        experiment = "experiments/documents.yaml"
        return read(compile_to(tmp_path_factory.mktemp("found"), *flags, experiment=experiment))


def test_a_race_with_documents_searches_before_its_contenders_answer(
    documents: tuple[Json, Json],
) -> None:
    found = all_tasks(documents[0])
    artifacts = {
        name: {
            key: (given.get("taskOutputArtifact") or given)
            for key, given in found[name]["inputs"].get("artifacts", {}).items()
        }
        for name in ("passages", "index", "answer", "register", "report")
    }
    assert artifacts["passages"]["examples"]["producerTask"] == "ingest"
    assert "open-race" in found["passages"]["dependentTasks"]
    assert artifacts["index"]["passages"]["producerTask"] == "passages"
    assert set(artifacts["answer"]) == {"evaluation", "examples", "found", "model", "passages"}
    assert artifacts["answer"]["evaluation"]["producerTask"] == "evaluate"
    # What is compared and registered is what the step answer hands on.
    (loop,) = [
        component["dag"]
        for component in documents[0]["components"].values()
        if "evaluate" in component.get("dag", {}).get("tasks", {})
    ]
    sources = [
        (source["producerSubtask"], source["outputArtifactKey"])
        for output in loop["outputs"]["artifacts"].values()
        for source in output["artifactSelectors"]
    ]
    assert set(sources) == {("answer", "answered"), ("train", "model")}


def test_the_step_that_answers_runs_where_models_predict(documents: tuple[Json, Json]) -> None:
    spec, platforms = documents
    chosen = {name for name, settings in platforms.items() if "nodeSelector" in settings}
    assert chosen == {*GPU_STEPS, "exec-answer"}
    assert "accelerator" in executors(spec)["exec-answer"]["resources"]


@pytest.mark.slow
def test_a_document_that_is_not_there_or_can_not_be_seen_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["compile", "experiments/documents.yaml", "--image", IMAGE, "--output"]
    command += [str(tmp_path / "p.yaml"), "--set", "documents.files=[no.pdf]"]
    assert main(command, build_pipeline) == 2
    assert "documents -> files: no.pdf does not exist" in capsys.readouterr().err
    compile_to(tmp_path, experiment="experiments/documents.yaml")
    said = capsys.readouterr().err
    assert "documents.files: 'examples/handbook.pdf' is a path of this machine" in said


@pytest.mark.slow
def test_a_profile_is_compiled_and_an_unknown_one_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiment = ROOT / "experiments" / "spanbert_squad2.yaml"
    flags = [*data_flags(experiment), "--profile", "cpu"]
    spec, _ = read(compile_to(tmp_path, *flags, experiment=str(experiment)))
    parameters = spec["root"]["inputDefinitions"]["parameters"]
    settings = [json.loads(c["settings"]) for c in parameters["contenders"]["defaultValue"]]
    assert {each["backbone"] for each in settings} == {"all-MiniLM-L6-v2"}
    capsys.readouterr()
    command = ["compile", str(experiment), "--image", IMAGE, "--profile", "gpu"]
    assert main(command, build_pipeline) == 2
    assert "'gpu' is not a profile; there are: cpu" in capsys.readouterr().err


@pytest.mark.slow
def test_compiling_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    files = []
    for seed in ("1", "2"):
        file = tmp_path / f"{seed}.yaml"
        command = ["pipeline.py", "compile", "experiments/example.yaml", "--image", IMAGE]
        done = subprocess.run(
            [sys.executable, *command, "--output", str(file)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert done.stdout == f"Wrote {file}: experiment 'example', image {IMAGE}\n"
        assert done.stderr.count("\n") == 2, "the data are local, and there is no champion"
        files.append(file.read_bytes())
    assert files[0] == files[1]
    # kfp's comments repeat the defaults, whose mappings it puts in any order.
    assert b"[Default" not in files[0]


def test_kfp_reads_what_was_compiled(plain: Path) -> None:
    loaded = load_component_from_file(str(plain))
    assert loaded.name == "squadron"
    assert loaded.description == "Extractive question answering: train, race, register"


# --- the golden file ---


def normalize(file: Path) -> list[Any]:
    """The compiled documents without what changes with every commit: versions and digests."""
    spec, platforms = yaml.safe_load_all(file.read_text(encoding="utf-8"))
    spec["sdkVersion"] = "<version>"
    for parameter in spec["root"]["inputDefinitions"]["parameters"].values():
        if "defaultValue" in parameter:
            parameter["defaultValue"] = mask(parameter["defaultValue"])
    return [spec, mask(platforms)]


def mask(value: Any) -> Any:
    """JSON inside strings is opened, so that the golden file can be read."""
    if isinstance(value, str):
        if value[:1] in ("{", "["):
            return mask(json.loads(value))
        return re.sub(r"^example/[0-9a-f]{16}$", "example/<key>", value)
    if isinstance(value, list):
        return [mask(item) for item in value]
    if isinstance(value, dict):
        return {
            name: f"<{name}>" if name == "code" or _is_digest(item) else mask(item)
            for name, item in value.items()
        }
    return value


def _is_digest(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{16,64}", value) is not None


def test_the_compiled_example_is_the_golden_file(plain: Path) -> None:
    compiled = normalize(plain)
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_text(yaml.safe_dump_all(compiled, width=100), encoding="utf-8")
    golden = list(yaml.safe_load_all(GOLDEN.read_text(encoding="utf-8")))
    assert differences(golden, compiled) == []


def differences(golden: Any, compiled: Any, path: str = "") -> list[str]:
    """Both ways: what is missing, what is new, what is other."""
    if isinstance(golden, dict) and isinstance(compiled, dict):
        found = [f"{path}/{key} is gone" for key in golden.keys() - compiled.keys()]
        found += [f"{path}/{key} is new" for key in compiled.keys() - golden.keys()]
        for key in golden.keys() & compiled.keys():
            found += differences(golden[key], compiled[key], f"{path}/{key}")
        return sorted(found)
    if isinstance(golden, list) and isinstance(compiled, list) and len(golden) == len(compiled):
        pairs = enumerate(zip(golden, compiled, strict=True))
        return [text for n, (a, b) in pairs for text in differences(a, b, f"{path}/{n}")]
    return [] if golden == compiled else [f"{path}: {golden!r} became {compiled!r}"]


def test_the_comparison_sees_both_sides_and_values() -> None:
    assert differences({"a": 1, "b": [1, 2]}, {"b": [1, 3], "c": 1}) == [
        "/a is gone",
        "/b/1: 2 became 3",
        "/c is new",
    ]
    assert differences([1], [1, 2]) == [": [1] became [1, 2]"]


# --- what a task gets ---


def test_only_train_and_predict_ask_for_accelerators(example: tuple[Json, Json]) -> None:
    containers = executors(example[0])
    accelerators = {
        name: container["resources"]["accelerator"]
        for name, container in containers.items()
        if "accelerator" in container["resources"]
    }
    assert set(accelerators) == GPU_STEPS
    assert {a["resourceType"] for a in accelerators.values()} == {"amd.com/gpu"}
    assert accelerators["exec-predict"]["resourceCount"] == "1"


def test_a_contender_that_does_not_train_asks_for_no_accelerator_in_train(
    example: tuple[Json, Json],
) -> None:
    spec, _ = example
    count = executors(spec)["exec-train"]["resources"]["accelerator"]["resourceCount"]
    train = all_tasks(spec)["train"]
    (contenders,) = [
        parameter["defaultValue"]
        for name, parameter in spec["root"]["inputDefinitions"]["parameters"].items()
        if name == "contenders"
    ]
    asked = {
        item["label"]: resolve(count, resolve_inputs(train["inputs"]["parameters"], item))
        for item in contenders
    }
    trained = {"span", "crf", "reasoning", "lora", "prompt_tuning", "compact"}
    assert asked == {"starter": "0", "floor": "0"} | dict.fromkeys(trained, "1")


def resolve_inputs(inputs: Json, item: Json) -> dict[str, str]:
    """What the driver makes of a task's inputs in a loop over `item`.

    It follows resolveInputs in backend/src/v2/driver/resolve.go of kubeflow/pipelines: a component
    input must be one that the loop has, and a selector takes one field of it.
    """
    loop = {"pipelinechannel--contenders-loop-item": item}
    resolved = {}
    for name, given in inputs.items():
        value = loop.get(given.get("componentInputParameter", ""))
        selector = given.get("parameterExpressionSelector", "")
        match = re.fullmatch(r'parseJson\(string_value\)\["(\w+)"\]', selector)
        if value is not None and match:
            resolved[name] = value[match[1]]
        elif match:
            raise AssertionError(f"parent DAG does not have input parameter of {name}")
    return resolved


def resolve(value: str, inputs: dict[str, str]) -> str:
    """A field of the pod as resolvePodSpecInputRuntimeParameter does (driver/util.go)."""
    match = re.search(r"\$.inputs.parameters\['(.+?)'\]", value)
    return inputs[match[1]] if match else value


def test_every_step_has_requests_and_limits(example: tuple[Json, Json]) -> None:
    for name, container in executors(example[0]).items():
        wanted = container["resources"]
        cpu, memory = ("6", "24Gi") if name in GPU_STEPS else ("1", "6Gi")
        assert wanted["resourceCpuRequest"] == wanted["resourceCpuLimit"] == cpu, name
        assert wanted["resourceMemoryRequest"] == wanted["resourceMemoryLimit"] == memory, name


@pytest.mark.slow
@pytest.mark.parametrize(
    "experiment",
    [path for path in EXPERIMENTS if "\n  cpu:" in path.read_text(encoding="utf-8")],
    ids=lambda path: path.stem,
)
def test_a_cpu_profile_asks_for_no_accelerator(experiment: Path, tmp_path: Path) -> None:
    flags = [*data_flags(experiment), "--profile", "cpu"]
    spec, platforms = read(compile_to(tmp_path, *flags, experiment=str(experiment)))
    assert "accelerator" not in json.dumps(executors(spec))
    assert not any("tolerations" in settings for settings in platforms.values())


def test_every_step_is_retried_with_a_growing_wait(example: tuple[Json, Json]) -> None:
    found = {name: t for name, t in all_tasks(example[0]).items() if "cachingOptions" in t}
    assert {f"exec-{name}" for name in found} == STEPS
    for name, task in found.items():
        policy = task["retryPolicy"]
        assert policy["maxRetryCount"] == 3, name
        first, factor = seconds(policy["backoffDuration"]), policy["backoffFactor"]
        waits = [first * factor**attempt for attempt in range(3)]
        # Long enough for a server that restarts, short enough for input that stays bad.
        assert 600 < sum(waits) < 900, waits
        # Argo counts the attempts' own run time, too, and stops what runs when this is over.
        assert seconds(policy["backoffMaxDuration"]) >= 7 * 24 * 3600, name


def seconds(text: str) -> float:
    return float(text.removesuffix("s"))


def test_a_local_run_fails_at_once_and_asks_for_nothing() -> None:
    place = placement.Placement(image="local", resources=None, parallelism=1)
    spec = MessageToDict(build_pipeline(place).pipeline_spec)
    assert not any("retryPolicy" in task for task in all_tasks(spec).values())
    assert not any("resources" in container for container in executors(spec).values())


def test_only_train_and_predict_are_sent_to_chosen_nodes(example: tuple[Json, Json]) -> None:
    platforms = example[1]
    for key in ("nodeSelector", "tolerations", "pvcMount"):
        assert {name for name, settings in platforms.items() if key in settings} == GPU_STEPS
    for name in GPU_STEPS:
        assert platforms[name]["nodeSelector"] == {"labels": {"disk": "ssd"}}
        assert platforms[name]["tolerations"] == [
            {"key": key, "operator": "Exists", "effect": "NoSchedule"}
            for key in ("amd.com/gpu", "batch")
        ]
        (mount,) = platforms[name]["pvcMount"]
        assert (mount["constant"], mount["mountPath"]) == ("checkpoints", "/checkpoints")
        environment = executors(example[0])[name]["env"]
        assert environment == [{"name": "SQUADRON_CHECKPOINTS", "value": "/checkpoints"}]


@pytest.mark.slow
def test_without_accelerators_none_is_asked_for(tmp_path: Path) -> None:
    spec, platforms = read(compile_to(tmp_path, "--set", "resources.gpu_count=0"))
    for name in GPU_STEPS:
        assert "accelerator" not in executors(spec)[name]["resources"]
        assert "tolerations" not in platforms[name]


def references(settings: Json) -> dict[str, tuple[str, bool]]:
    """Each environment variable of a step: what it comes from, and whether it may be missing."""
    found = {}
    for kind, name, key in (
        ("configMapAsEnv", "configMapName", "configMapKey"),
        ("secretAsEnv", "secretName", "secretKey"),
    ):
        for source in settings[kind]:
            for pair in source["keyToEnv"]:
                place = f"{source[name]}.{pair[key]}"
                assert pair["envVar"] not in found
                found[pair["envVar"]] = (place, source["optional"])
    return found


def test_every_step_gets_servers_credentials_and_authorities_by_reference(
    example: tuple[Json, Json],
) -> None:
    optional = {
        "AWS_ENDPOINT_URL": "squadron-config.AWS_ENDPOINT_URL",
        "AWS_DEFAULT_REGION": "squadron-config.AWS_DEFAULT_REGION",
        "SQUADRON_S3_CHECKSUMS": "squadron-config.SQUADRON_S3_CHECKSUMS",
        "AWS_ACCESS_KEY_ID": "squadron-s3.AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY": "squadron-s3.AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN": "squadron-s3.AWS_SESSION_TOKEN",
        "MLFLOW_TRACKING_USERNAME": "squadron-mlflow.MLFLOW_TRACKING_USERNAME",
        "MLFLOW_TRACKING_PASSWORD": "squadron-mlflow.MLFLOW_TRACKING_PASSWORD",
        "MLFLOW_TRACKING_TOKEN": "squadron-mlflow.MLFLOW_TRACKING_TOKEN",
        "HF_TOKEN": "squadron-hub.HF_TOKEN",
        "SSL_CERT_FILE": "squadron-ca.path",
        "REQUESTS_CA_BUNDLE": "squadron-ca.path",
        "AWS_CA_BUNDLE": "squadron-ca.path",
    }
    wanted = {name: (place, True) for name, place in optional.items()}
    wanted["MLFLOW_TRACKING_URI"] = ("squadron-config.MLFLOW_TRACKING_URI", False)
    for settings in example[1].values():
        assert references(settings) == wanted
        (bundle,) = settings["configMapAsVolume"]
        assert (bundle["configMapName"], bundle["mountPath"]) == ("squadron-ca", "/etc/squadron-ca")
        assert bundle["optional"] is True
        (pull,) = settings["imagePullSecret"]
        assert pull["secretName"] == "registry"


def test_without_a_pull_secret_none_is_named(plain: Path) -> None:
    _, platforms = read(plain)
    assert not any("imagePullSecret" in settings for settings in platforms.values())


@pytest.mark.slow
def test_no_secret_of_the_submitter_is_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {key for keys in placement.SECRETS.values() for key in keys} | {"KFP_TOKEN"}
    for name in names:
        monkeypatch.setenv(name, f"value-of-{name}")
    text = compile_to(tmp_path).read_text(encoding="utf-8")
    assert "value-of-" not in text
    # Nothing is set by value but where checkpoints go, which would be part of the cache key.
    spec, _ = read(tmp_path / "pipeline.yaml")
    assert not any("env" in container for container in executors(spec).values())


def test_the_manifests_define_what_the_steps_read() -> None:
    text = (ROOT / "manifests/base/config.yaml").read_text(encoding="utf-8")
    maps = {d["metadata"]["name"]: d for d in yaml.safe_load_all(text) if d["kind"] == "ConfigMap"}
    keys = {*placement.CONFIG_KEYS, *placement.OPTIONAL_CONFIG_KEYS}
    assert keys == set(maps[placement.CONFIG_MAP]["data"])
    readme = (ROOT / "manifests/README.md").read_text(encoding="utf-8")
    documented = {placement.AUTHORITIES, *placement.SECRETS}
    documented |= {key for keys in placement.SECRETS.values() for key in keys}
    assert {name for name in documented if f"`{name}`" not in readme} == set()
    assert f"path={placement.AUTHORITIES_MOUNT}/ca.crt" in readme
    runner = (ROOT / "manifests/base/runner.yaml").read_text(encoding="utf-8")
    accounts = [d for d in yaml.safe_load_all(runner) if d["kind"] == "ServiceAccount"]
    assert "squadron-runner" in [account["metadata"]["name"] for account in accounts]


def test_no_step_runs_as_root(example: tuple[Json, Json]) -> None:
    wanted = {"runAsUser": "10001", "runAsGroup": "10001", "runAsNonRoot": True}
    assert [settings["securityContext"] for settings in example[1].values()] == [wanted] * len(
        STEPS
    )


def test_every_step_runs_the_image(example: tuple[Json, Json]) -> None:
    assert {container["image"] for container in executors(example[0]).values()} == {IMAGE}


def test_no_step_installs_anything(example: tuple[Json, Json]) -> None:
    for name, container in executors(example[0]).items():
        text = " ".join([*container["command"], *container["args"]])
        assert re.findall(r"\b(pip|apt|apt-get|uv|conda|ensurepip)\b", text) == [], name


def test_all_but_the_first_and_the_last_step_are_cached(example: tuple[Json, Json]) -> None:
    found = all_tasks(example[0])
    steps = {name: task for name, task in found.items() if "cachingOptions" in task}
    assert {f"exec-{name}" for name in steps} == STEPS
    uncached = {n for n, task in steps.items() if not task["cachingOptions"].get("enableCache")}
    assert uncached == {"open-race", "close-race"}


def test_cached_steps_depend_on_digests_of_code_and_content(example: tuple[Json, Json]) -> None:
    found = all_tasks(example[0])
    for name in ("ingest", "admit", "register", "report"):
        channel = f"pipelinechannel--{name}_digests"
        parameters = found[name]["inputs"]["parameters"]
        assert parameters["digests"] == {"componentInputParameter": channel}
    for name in ("featurize", "train", "predict", "evaluate"):
        parameters = found[name]["inputs"]["parameters"]
        given = ("entry", "entry") if name == "featurize" else ("contender", "settings")
        for key, field in (given, ("digests", name)):
            assert parameters[key] == {
                "componentInputParameter": "pipelinechannel--contenders-loop-item",
                "parameterExpressionSelector": f'parseJson(string_value)["{field}"]',
            }


def test_the_race_reaches_every_step_without_being_part_of_its_cache_key(
    example: tuple[Json, Json],
) -> None:
    """The backend counts parameters and the container's own variables; see cacheutils/cache.go."""
    spec, platforms = example
    for name, platform in platforms.items():
        annotations = platform["podMetadata"]["annotations"]
        assert re.fullmatch(r"example/[0-9a-f]{16}", annotations["squadron/race"])
        assert {
            "name": "SQUADRON_RACE",
            "fieldPath": "metadata.annotations['squadron/race']",
        } in platform["fieldPathAsEnv"]
        own = {each["name"] for each in executors(spec)[name].get("env", [])}
        assert own <= {"SQUADRON_CHECKPOINTS"}
    key = annotations["squadron/race"].partition("/")[2]
    assert key not in json.dumps(spec)
    registered = all_tasks(spec)["register"]["inputs"]["parameters"]
    assert registered["opened"]["taskOutputParameter"]["producerTask"] == "open-race"


def test_the_closing_step_runs_whatever_happened(example: tuple[Json, Json]) -> None:
    root = dict(tasks(example[0]["root"]))
    assert root["close-race"]["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"


def test_contenders_are_not_held_back_on_a_cluster(example: tuple[Json, Json]) -> None:
    (loop,) = [task for task in all_tasks(example[0]).values() if "parameterIterator" in task]
    assert "iteratorPolicy" not in loop


# --- Kubernetes-native resources ---


@pytest.mark.slow
def test_native_resources_are_a_pipeline_and_its_version(tmp_path: Path, plain: Path) -> None:
    file = compile_to(tmp_path, "--native", "--namespace", "team-a")
    pipeline, version = yaml.safe_load_all(file.read_text(encoding="utf-8"))
    for resource, kind in ((pipeline, "Pipeline"), (version, "PipelineVersion")):
        assert (resource["apiVersion"], resource["kind"]) == (
            "pipelines.kubeflow.org/v2beta1",
            kind,
        )
        assert resource["metadata"]["namespace"] == "team-a"
    assert version["spec"]["pipelineName"] == pipeline["metadata"]["name"] == "squadron"
    assert re.fullmatch(r"squadron-example-[0-9a-f]{16}", version["metadata"]["name"])
    spec, platforms = yaml.safe_load_all(plain.read_text(encoding="utf-8"))
    assert version["spec"]["pipelineSpec"] == spec
    assert version["spec"]["platformSpec"] == platforms


@pytest.mark.slow
def test_another_image_is_another_version(tmp_path: Path) -> None:
    names = []
    for image in ("squadron:1", "squadron:2"):
        file = compile_to(tmp_path, "--native", "--image", image)
        names.append(list(yaml.safe_load_all(file.read_text()))[1]["metadata"]["name"])
    assert names[0] != names[1]


# --- refusals ---

REFUSED = {
    "no image": (["--image", ""], "--image ''"),
    "latest": (["--image", "squadron:latest"], "not 'latest'"),
    "json": (["--output", "p.json"], "--output p.json"),
    "namespace": (["--native", "--namespace", "A"], "--namespace 'A'"),
    "missing data": (["--set", "data.train=none.json"], "none.json"),
    "two GPUs": (["--set", "resources.gpu_count=2"], "resources -> gpu_count: 2 is not allowed"),
    "bad memory": (["--set", "resources.memory=lots"], "resources: "),
    "unwritable": (["--output", "/proc/none/p.yaml"], "/proc/none/p.yaml can't be written"),
}


@pytest.mark.parametrize(("flags", "words"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_compiled_ends_in_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], words: str
) -> None:
    output = tmp_path / "pipeline.yaml"
    command = ["compile", "experiments/example.yaml", "--image", IMAGE, "--output", str(output)]
    assert main([*command, *flags], build_pipeline) == 2
    assert words in capsys.readouterr().err
    assert not output.exists()
