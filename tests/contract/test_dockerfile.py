"""Checks the text of docker/Dockerfile; test_image.sh checks the built image.

A checker takes the text and returns a list of problems; for each, a damaged text shows that it sees
what it is for.
"""

from __future__ import annotations

import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "docker" / "Dockerfile"
FINAL = ("pipeline", "serve")

Checker = Callable[[str], list[str]]


@dataclass
class Stage:
    """One FROM and the instructions that follow it."""

    parent: str
    instructions: list[tuple[str, str]] = field(default_factory=list)


def parse_stages(text: str) -> dict[str, Stage]:
    """Reads the stages by name. The text before the first FROM is the stage ""."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    stages = {"": Stage(parent="")}
    current = ""
    for line in joined.splitlines():
        word, _, rest = line.strip().partition(" ")
        if word == "FROM":
            parent, _, current = rest.partition(" AS ")
            stages[current] = Stage(parent=parent)
        elif word:
            stages[current].instructions.append((word.upper(), " ".join(rest.split())))
    return stages


def follow(stages: dict[str, Stage], name: str) -> list[tuple[str, str]]:
    """Returns the instructions that make up an image, those of its parent stages first."""
    stage = stages[name]
    inherited = follow(stages, stage.parent) if stage.parent in stages else []
    return inherited + stage.instructions


def last(instructions: list[tuple[str, str]], word: str) -> str:
    return next((rest for name, rest in reversed(instructions) if name == word), "")


def read_environment(instructions: list[tuple[str, str]]) -> dict[str, str]:
    pairs = [pair for word, rest in instructions if word == "ENV" for pair in rest.split()]
    return dict(pair.split("=", 1) for pair in pairs)


def check_targets(text: str) -> list[str]:
    stages = parse_stages(text)
    problems = [f"no stage {name}" for name in FINAL if name not in stages]
    if list(stages)[-1] != "pipeline":
        problems.append("a build without --target does not make the pipeline image")
    return problems


def check_entry_point(text: str) -> list[str]:
    stages = parse_stages(text)
    return [f"{name}: ENTRYPOINT" for name in FINAL if last(follow(stages, name), "ENTRYPOINT")]


def check_user(text: str) -> list[str]:
    stages = parse_stages(text)
    users = {name: last(follow(stages, name), "USER") for name in FINAL}
    return [
        f"{name}: USER {user!r} is not two numbers above 0"
        for name, user in users.items()
        if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)
    ]


def check_command(text: str) -> list[str]:
    """CMD is a list (no shell around it) and installs nothing."""
    stages = parse_stages(text)
    problems = []
    for name in FINAL:
        command = last(follow(stages, name), "CMD")
        if not command.startswith("["):
            problems.append(f"{name}: CMD is not a list: {command!r}")
        elif {"pip", "apt-get", "install"} & set(" ".join(json.loads(command)).split()):
            problems.append(f"{name}: CMD installs something")
    return problems


def check_final_stages(text: str) -> list[str]:
    """A final image consists of the base, a user and one copied environment."""
    stages = parse_stages(text)
    problems = []
    for name in FINAL:
        for word, rest in follow(stages, name):
            if word == "ADD" or (word == "COPY" and not rest.startswith("--from=")):
                problems.append(f"{name}: {word} {rest} copies from outside the build stages")
            if word == "COPY" and rest.split()[1:] != ["/opt/squadron", "/opt/squadron"]:
                problems.append(f"{name}: {word} {rest} copies more than the environment")
            if word == "RUN" and re.search(r"\b(pip|apt|apt-get|curl|wget)\b", rest):
                problems.append(f"{name}: RUN {rest} installs in a final stage")
    return problems


def check_base(text: str) -> list[str]:
    stages = parse_stages(text)
    default = dict(rest.partition("=")[::2] for word, rest in stages[""].instructions)
    problems = [
        f"{name}: FROM {stage.parent} bypasses BASE_IMAGE"
        for name, stage in stages.items()
        if name and stage.parent not in ("${BASE_IMAGE}", *stages)
    ]
    if default.get("BASE_IMAGE") != "python:3.11-slim-bookworm":
        problems.append(f"BASE_IMAGE is {default.get('BASE_IMAGE')}")
    return problems


def check_environment(text: str) -> list[str]:
    """Every cache is below /tmp, as a read-only root needs it."""
    stages = parse_stages(text)
    below = [
        "HOME",
        "TMPDIR",
        "HF_HOME",
        "MPLCONFIGDIR",
        "XDG_CACHE_HOME",
        "TORCHINDUCTOR_CACHE_DIR",
    ]
    problems = []
    for name in FINAL:
        values = read_environment(follow(stages, name))
        for key in below:
            if not (values.get(key, "") + "/").startswith("/tmp/"):
                problems.append(f"{name}: {key} is {values.get(key)!r}, not below /tmp")
        for key in ("PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"):
            if values.get(key) != "1":
                problems.append(f"{name}: {key} is not 1")
        if "HF_HUB_OFFLINE" in values:
            problems.append(f"{name}: HF_HUB_OFFLINE is forced")
        if values.get("SQUADRON_GIT_SHA") != "${GIT_SHA}":
            problems.append(f"{name}: SQUADRON_GIT_SHA is not the build's GIT_SHA")
    return problems


def check_labels(text: str) -> list[str]:
    stages = parse_stages(text)
    wanted = {"title", "description", "licenses", "revision"}
    problems = []
    for name in FINAL:
        found = set(
            re.findall(r"opencontainers\.image\.(\w+)=", last(stages[name].instructions, "LABEL"))
        )
        problems += [f"{name}: no label {label}" for label in sorted(wanted - found)]
    return problems


def check_versions(text: str) -> list[str]:
    """The versions are equal to those of pyproject.toml and constraints.txt."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    problems = []
    if (kfp := re.findall(r"'(kfp==[^']+)'", text)) != project["optional-dependencies"]["pipeline"][
        :1
    ]:
        problems.append(f"kfp: {kfp} is not what pyproject.toml says")
    torch = re.search(r"^ARG TORCH_VERSION=(\S+)", text, re.M)
    if torch is None or f"torch=={torch[1]}" not in constraints:
        problems.append("TORCH_VERSION is not the torch of constraints.txt")
    if re.search(r"\.\[[^]]*\b(dev|pipeline)\b", text):
        problems.append("the extra dev or pipeline is installed: compilers and test tools")
    return problems


CHECKERS: list[Checker] = [
    check_targets,
    check_entry_point,
    check_user,
    check_command,
    check_final_stages,
    check_base,
    check_environment,
    check_labels,
    check_versions,
]


@pytest.fixture(scope="module")
def text() -> str:
    return DOCKERFILE.read_text(encoding="utf-8")


@pytest.mark.parametrize("check", CHECKERS, ids=lambda check: check.__name__)
def test_dockerfile_has_no_problem(check: Checker, text: str) -> None:
    assert check(text) == []


USER = "USER 10001:10001"
COPY = "COPY --from=build-pipeline /opt/squadron /opt/squadron"
BREAKS: list[tuple[Checker, str, str, str]] = [
    (check_targets, "AS pipeline", "AS steps", "no stage pipeline"),
    (check_entry_point, USER, f'{USER}\nENTRYPOINT ["python"]', "pipeline: ENTRYPOINT"),
    (check_user, USER, "USER squadron", "'squadron'"),
    (check_user, USER, "USER 0:0", "'0:0'"),
    (check_user, COPY, f"{COPY}\nUSER root", "pipeline: USER 'root'"),
    (check_command, 'CMD ["squadron-serve"]', "CMD squadron-serve", "not a list"),
    (check_command, '["squadron-serve"]', '["sh", "-c", "pip install x"]', "installs something"),
    (check_final_stages, COPY, f"{COPY}\nCOPY src /src", "outside the build stages"),
    (check_final_stages, COPY, f"{COPY}\nRUN apt-get install git", "in a final stage"),
    (check_final_stages, COPY, "COPY --from=build-pipeline / /", "more than the environment"),
    (check_base, "FROM ${BASE_IMAGE} AS runtime", "FROM python:3.12 AS runtime", "bypasses"),
    (check_base, "=python:3.11-slim-bookworm", "=python:latest", "python:latest"),
    (check_environment, "HF_HOME=/tmp/huggingface", "HF_HOME=/root/hub", "HF_HOME"),
    (check_environment, "PYTHONUNBUFFERED=1", "A=1", "PYTHONUNBUFFERED"),
    (check_environment, "ENV SQUADRON_GIT_SHA=${GIT_SHA}", "ENV HF_HUB_OFFLINE=1", "forced"),
    (check_environment, "ENV SQUADRON_GIT_SHA=${GIT_SHA}", "", "SQUADRON_GIT_SHA"),
    (check_labels, "image.revision=", "image.version=", "no label revision"),
    (check_versions, "'kfp==2.17.0'", "'kfp==2.16.0'", "kfp"),
    (check_versions, "TORCH_VERSION=2.13.0", "TORCH_VERSION=2.12.0", "TORCH_VERSION"),
    (check_versions, "serving,onnx]", "serving,onnx,dev]", "extra dev"),
]


@pytest.mark.parametrize(
    ("check", "old", "new", "message"), BREAKS, ids=[f"{c.__name__}-{m}" for c, _, _, m in BREAKS]
)
def test_a_damaged_dockerfile_is_caught(
    check: Checker, old: str, new: str, message: str, text: str
) -> None:
    assert old in text
    problems = check(text.replace(old, new))
    assert any(message in problem for problem in problems), problems


def test_every_checker_has_a_damaged_dockerfile() -> None:
    assert {check for check, _, _, _ in BREAKS} == set(CHECKERS)


def test_the_build_context_is_a_whitelist_of_what_is_copied(text: str) -> None:
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    allowed = {rule.removeprefix("!") for rule in rules if rule.startswith("!")}
    copied = {
        source.removeprefix("./")
        for stage in parse_stages(text).values()
        for word, rest in stage.instructions
        if word == "COPY" and not rest.startswith("--from=")
        for source in rest.split()[:-1]
    }
    assert allowed == copied
    assert {path for path in copied if not (ROOT / path).exists()} == set()


def test_the_serve_script_becomes_the_server(text: str, tmp_path: Path) -> None:
    """Then the server gets the signals of the container, and can end its requests."""
    assert "COPY docker/serve.sh /opt/squadron/bin/squadron-serve" in text
    script = ROOT / "docker" / "serve.sh"
    squadron = tmp_path / "squadron"
    squadron.write_text('#!/bin/sh\necho "$$" "$@"\n')
    squadron.chmod(0o755)
    own = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    command = ["sh", str(script), "--drain-seconds", "2"]
    uri = {"MODEL_URI": "models:/a name@staging"}
    with subprocess.Popen(command, env=own | uri, stdout=subprocess.PIPE, text=True) as started:
        said, _ = started.communicate()
    assert said == (
        f"{started.pid} serve --model models:/a name@staging --host 0.0.0.0 --port 8080 "
        "--drain-seconds 2\n"
    )
    refused = subprocess.run(command, env=own, capture_output=True, text=True)
    assert refused.returncode == 2
    assert "set MODEL_URI, for example models:/squadron@staging" in refused.stderr
