"""Digests of what a step can import, and that a step refuses code other than the planned one."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from launch.plan import plan_race
from squadron import provenance, steps
from squadron.config import build_experiment
from squadron.errors import InputError

ROOT = Path(__file__).resolve().parents[2]


def write(folder: Path, **files: str) -> Path:
    """A package `tiny` of the given modules; "a__b" is the module b of the package a."""
    package = folder / "tiny"
    for name, text in {"__init__": "", **files}.items():
        path = package.joinpath(*name.split("__")) if not name.startswith("__") else package / name
        path = path.with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        (path.parent / "__init__.py").touch()
        path.write_text(text)
    return package


def names(package: Path, *roots: str) -> set[str]:
    found = provenance.reachable_files(roots, package)
    return {str(path.relative_to(package)) for path in found if path.stem != "__init__"}


def test_imports_are_followed_wherever_they_stand(tmp_path):
    package = write(
        tmp_path,
        a="from tiny import b\n",
        b="def late():\n    from tiny.c import thing\n    import tiny.d\n",
        c="from tiny.rooms.e import x\n",
        d="",
        rooms__e="",
        unused="from tiny import a\n",
    )
    assert names(package, "a") == {"a.py", "b.py", "c.py", "d.py", "rooms/e.py"}
    assert names(package, "d", "rooms.e") == {"d.py", "rooms/e.py"}


def test_imports_for_type_checkers_do_not_count(tmp_path):
    text = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from tiny import b\n"
    assert names(write(tmp_path, a=text, b=""), "a") == {"a.py"}


def test_a_template_or_module_that_is_named_counts(tmp_path):
    package = write(tmp_path, a="NAME = 'page.html.j2'\nCODE = 'b.py'\n", b="", c="")
    (package / "templates").mkdir()
    for name in ("page.html.j2", "other.html.j2"):
        (package / "templates" / name).write_text("")
    assert names(package, "a") == {"a.py", "b.py", "templates/page.html.j2"}


def test_packages_around_a_module_count_without_what_they_offer(tmp_path):
    package = write(tmp_path, rooms__a="", rooms__b="", c="from tiny import rooms\n")
    (package / "rooms" / "__init__.py").write_text("from tiny.rooms import a, b\n")
    assert names(package, "rooms.a") == {"rooms/a.py"}
    assert package / "rooms" / "__init__.py" in provenance.reachable_files(["rooms.a"], package)
    assert names(package, "c") == {"c.py", "rooms/a.py", "rooms/b.py"}


def test_a_digest_changes_with_what_is_reached_and_with_nothing_else(tmp_path):
    package = write(tmp_path, a="from tiny import b\n", b="", c="")
    before = provenance.code_digest(["a"], package)
    (package / "c.py").write_text("x = 1\n")
    assert provenance.code_digest(["a"], package) == before
    (package / "b.py").write_text("x = 1\n")
    assert provenance.code_digest(["a"], package) != before
    with pytest.raises(ValueError, match="'nothing' is no module"):
        provenance.code_digest(["nothing"], package)


@pytest.mark.slow
def test_whatever_a_step_loads_stands_in_its_digest():
    """What a process has imported after the first import of each step is in the computed set."""
    for step in ("ingest", "featurize", "train", "predict", "evaluate", "register", "report"):
        code = (
            f"import sys; import squadron.steps._step; from importlib import import_module; "
            f"import_module('squadron.steps.{step}'); "
            "print([getattr(m, '__file__', '') or '' for n, m in sys.modules.items() "
            "if n.startswith('squadron')])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        loaded = {Path(path) for path in ast.literal_eval(done.stdout) if path}
        # `squadron.steps` imports every step, to offer them; see reachable_files.
        others = provenance.reachable_files(["steps"])
        reached = set(provenance.reachable_files([f"steps.{step}"]))
        own = {path for path in loaded if path not in set(others) - reached}
        assert provenance.PACKAGE / "steps" / f"{step}.py" in own
        assert own <= reached


def reached_by(step: str) -> set[str]:
    found = provenance.reachable_files([f"steps.{step}"])
    return {path.relative_to(provenance.PACKAGE).as_posix() for path in found}


def test_each_step_depends_on_what_it_uses_and_no_other():
    page = "reports/templates/report.html.j2"
    assert page in reached_by("report")
    for step in ("ingest", "admit", "featurize", "train", "predict", "evaluate", "register"):
        assert page not in reached_by(step)
        assert f"steps/{step}.py" in reached_by(step)
    assert "reports/templates/model_card.md.j2" in reached_by("register")
    assert {"data/windows.py", "models/training.py", "models/batches.py"} <= reached_by("train")
    assert {"data/windows.py", "models/scratch.py"} <= reached_by("featurize")
    assert "models/training.py" not in reached_by("featurize") | reached_by("predict")
    assert "serving/pyfunc.py" in reached_by("register")


def test_a_step_refuses_other_code_with_one_sentence_and_code_2(tmp_path, capsys):
    planned = provenance.plan_digests(["steps.admit"])
    provenance.check_code("admit", planned)
    other = provenance.Digests("0" * 16, planned.roots)
    with pytest.raises(SystemExit) as caught:
        steps.admit(contenders="[]", examples=tmp_path, digests=str(other))
    assert caught.value.code == 2
    shown = capsys.readouterr().err.strip()
    assert len(shown.splitlines()) == 1
    for words in ("The step admit runs other code", planned.code, "0" * 16, "build the image anew"):
        assert words in shown


def test_other_data_than_planned_are_refused(tmp_path, capsys):
    experiment = build_experiment(
        {
            "name": "x",
            "data": {"train": str(tmp_path / "data.json")},
            "contenders": ["pretrained"],
        }
    )
    corpus = (ROOT / "examples" / "corpus.json").read_text()
    (tmp_path / "data.json").write_text(corpus)
    planned = plan_race(experiment).arguments
    given = {"data": planned["data"], "digests": planned["ingest_digests"]}
    (tmp_path / "data.json").write_text(corpus + " ")
    with pytest.raises(SystemExit) as caught:
        steps.ingest(**given, examples=tmp_path / "examples")
    assert caught.value.code == 2
    assert "data.json has other content than when the race was planned" in capsys.readouterr().err
    assert not (tmp_path / "examples").exists()
    (tmp_path / "data.json").write_text(corpus)
    steps.ingest(**given, examples=tmp_path / "examples")


def test_another_backbone_than_planned_is_refused():
    planned = provenance.Digests("", (), backbones={"b": "1"})
    planned.check_backbone("b", "1")
    planned.check_backbone("never planned", "2")
    with pytest.raises(InputError, match="The backbone b has other content than when the race"):
        planned.check_backbone("b", "2")


def test_digests_survive_their_json():
    given = provenance.Digests("abc", ("steps.train",), {"f": "1"}, {"b": "2"})
    assert provenance.read_digests(str(given)) == given
    assert set(json.loads(str(given))) == {"code", "roots", "data", "backbones"}


def test_the_commit_is_the_images_where_the_image_says_it(monkeypatch):
    monkeypatch.setenv(provenance.COMMIT_VARIABLE, "4f2a9c1")
    assert provenance.commit() == "4f2a9c1"
    monkeypatch.delenv(provenance.COMMIT_VARIABLE)
    assert provenance.commit() != "4f2a9c1"
