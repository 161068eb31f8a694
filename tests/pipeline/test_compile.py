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
def example(tmp_path_factory: pytest.TempPathFactory) -> tuple[Json, Json]:
    """With a node selector, a claim and two accelerators."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        resources = [
            "resources.gpu_count=2",
            "resources.gpu_type=amd.com/gpu",
            "resources.node_selector={disk: ssd}",
            "resources.tolerations=[amd.com/gpu, batch]",
            "resources.checkpoint_claim=checkpoints",
            "resources.cpu=6",
            "resources.memory=24Gi",
        ]
        flags = [flag for setting in resources for flag in ("--set", setting)]
        flags[flags.index("resources.cpu=6")] = "resources.cpu='6'"
        return read(compile_to(tmp_path_factory.mktemp("example"), *flags))


def test_there_are_experiments() -> None:
    assert len(EXPERIMENTS) >= 2


@pytest.mark.parametrize("experiment", EXPERIMENTS, ids=lambda path: path.stem)
def test_every_experiment_compiles(
    experiment: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec, platforms = read(
        compile_to(tmp_path, *data_flags(experiment), experiment=str(experiment))
    )
    assert set(executors(spec)) == set(platforms) == STEPS
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


def test_kfp_reads_what_was_compiled(tmp_path: Path) -> None:
    loaded = load_component_from_file(str(compile_to(tmp_path)))
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


def test_the_compiled_example_is_the_golden_file(tmp_path: Path) -> None:
    compiled = normalize(compile_to(tmp_path))
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
    asking = {name for name, container in containers.items() if "resources" in container}
    assert asking == GPU_STEPS
    for name in GPU_STEPS:
        wanted = containers[name]["resources"]
        accelerator = wanted["accelerator"]
        assert accelerator["resourceType"] == "amd.com/gpu"
        assert accelerator["resourceCount"] == "2"
        assert wanted["resourceCpuRequest"] == "6"
        assert wanted["resourceMemoryRequest"] == wanted["resourceMemoryLimit"] == "24Gi"


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


def test_without_accelerators_none_is_asked_for(tmp_path: Path) -> None:
    spec, platforms = read(compile_to(tmp_path, "--set", "resources.gpu_count=0"))
    for name in GPU_STEPS:
        assert "accelerator" not in executors(spec)[name]["resources"]
        assert "tolerations" not in platforms[name]


def test_every_step_gets_places_and_secrets_of_the_manifests(example: tuple[Json, Json]) -> None:
    for settings in example[1].values():
        (config,) = settings["configMapAsEnv"]
        (secret,) = settings["secretAsEnv"]
        assert config["configMapName"] == "squadron-config"
        assert {(k["configMapKey"], k["envVar"]) for k in config["keyToEnv"]} == {
            (key, key) for key in placement.CONFIG_KEYS
        }
        assert secret["secretName"] == "squadron-s3"
        assert {(k["secretKey"], k["envVar"]) for k in secret["keyToEnv"]} == {
            (key, key) for key in placement.SECRET_KEYS
        }


def test_the_manifests_define_what_the_steps_read() -> None:
    text = (ROOT / "manifests/base/config.yaml").read_text(encoding="utf-8")
    maps = {d["metadata"]["name"]: d for d in yaml.safe_load_all(text) if d["kind"] == "ConfigMap"}
    assert set(placement.CONFIG_KEYS) <= set(maps[placement.CONFIG_MAP]["data"])
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
    for name in ("ingest", "featurize", "register"):
        parameters = found[name]["inputs"]["parameters"]
        assert parameters["digests"] == {"componentInputParameter": "pipelinechannel--digests"}
    for name in ("train", "predict", "evaluate"):
        parameters = found[name]["inputs"]["parameters"]
        for key, field in (("contender", "settings"), ("digests", "digests")):
            assert parameters[key] == {
                "componentInputParameter": "pipelinechannel--contenders-loop-item",
                "parameterExpressionSelector": f'parseJson(string_value)["{field}"]',
            }


def test_the_closing_step_runs_whatever_happened(example: tuple[Json, Json]) -> None:
    root = dict(tasks(example[0]["root"]))
    assert root["close-race"]["triggerPolicy"]["strategy"] == "ALL_UPSTREAM_TASKS_COMPLETED"


def test_contenders_are_not_held_back_on_a_cluster(example: tuple[Json, Json]) -> None:
    (loop,) = [task for task in all_tasks(example[0]).values() if "parameterIterator" in task]
    assert "iteratorPolicy" not in loop


# --- Kubernetes-native resources ---


def test_native_resources_are_a_pipeline_and_its_version(tmp_path: Path) -> None:
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
    spec, platforms = yaml.safe_load_all(compile_to(tmp_path).read_text(encoding="utf-8"))
    assert version["spec"]["pipelineSpec"] == spec
    assert version["spec"]["platformSpec"] == platforms


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
