"""Steps that start as copies of a loaded process end as steps that start by themselves do."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from kfp.local import subprocess_task_handler as kfp_handler

from launch.step_processes import SERVER, StepProcesses, preloaded_steps
from tests.limits import PATIENCE_SECONDS

pytestmark = pytest.mark.slow  # Starting the server and each step takes seconds.
PRINTS = """
import os, sys, tempfile
print("out", os.environ["COLOUR"], tempfile.gettempdir(), "STALE" in os.environ)
print("err", file=sys.stderr)
"""
SCRIPT = """program_path=$(mktemp -d)
printf "%s" "$0" > "$program_path/ephemeral_component.py"
_KFP_RUNTIME=true python3 -m kfp.dsl.executor_main \
  --component_module_path "$program_path/ephemeral_component.py" "$@"
"""
"""As kfp/dsl/component_factory.py makes it."""


def make_command(body, folder, shell="sh", name="work"):
    """What kfp.local starts for a component whose function has this body."""
    source = f"def {name}():\n" + "\n".join(f"    {line}" for line in body.strip().splitlines())
    outputs = {"parameters": {}, "outputFile": str(folder / "outputs.json")}
    arguments = ["--executor_input", json.dumps({"inputs": {}, "outputs": outputs})]
    script = kfp_handler.replace_python_executable([SCRIPT], sys.executable)[0]
    return [shell, "-ec", script, source, *arguments, "--function_to_execute", name]


@pytest.fixture(scope="module", autouse=True)
def loaded():
    os.environ["STALE"] = "1"
    try:
        with preloaded_steps():
            yield
    finally:
        del os.environ["STALE"]


def run(command, capsys, **variables):
    """(exit code, what was printed) by way of the server."""
    code = kfp_handler.run_local_subprocess(command, variables)
    return code, capsys.readouterr().out


def test_a_step_prints_to_the_launcher_and_sees_its_own_environment(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("STALE")
    (tmp_path / "own").mkdir()
    code, printed = run(
        make_command(PRINTS, tmp_path), capsys, COLOUR="red", TMPDIR=str(tmp_path / "own")
    )
    assert code == 0, printed
    assert f"out red {tmp_path / 'own'} False\n" in printed
    assert "err\n" in printed


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("pass", 0),
        ("import sys; sys.exit(2)", 2),
        ("import sys; sys.exit('a sentence')", 1),
        ("raise ValueError('a reason')", 1),
        ("import os; os._exit(7)", 7),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
    ],
)
def test_a_step_ends_with_the_code_that_its_own_python_would_give(body, code, tmp_path, capsys):
    ended, printed = run(make_command(body, tmp_path), capsys)
    assert ended == code, printed
    alone = subprocess.run(make_command(body, tmp_path), capture_output=True, text=True)
    # A shell adds 128 to the number of a signal.
    assert alone.returncode == (code if code >= 0 else 128 - code)
    for said in ("a sentence", "ValueError: a reason"):
        assert (said in printed) == (said in alone.stdout + alone.stderr)


def test_what_a_step_leaves_to_its_end_is_done(tmp_path, capsys):
    body = f"import atexit, pathlib\natexit.register(pathlib.Path({str(tmp_path / 'end')!r}).touch)"
    assert run(make_command(body, tmp_path), capsys)[0] == 0
    assert (tmp_path / "end").exists()


def test_a_thread_that_a_step_has_started_ends_first(tmp_path, capsys):
    body = f"""
import pathlib, threading, time
def late():
    time.sleep(0.3)
    pathlib.Path({str(tmp_path / "late")!r}).touch()
threading.Thread(target=late).start()
"""
    assert run(make_command(body, tmp_path), capsys)[0] == 0
    assert (tmp_path / "late").exists()


SHOW_IMPORTS = """
import sys
names = ("squadron.steps", "torch", "transformers", "sklearn.linear_model")
print("has", *(name in sys.modules for name in names))
"""


def test_only_a_step_with_a_network_starts_with_torch_and_only_others_with_sklearn(
    tmp_path, capsys
):
    # In this order, because the networks are imported for the first step that needs them.
    for name, has in (("train", True), ("report", False), ("predict", True), ("work", False)):
        code, printed = run(make_command(SHOW_IMPORTS, tmp_path, name=name), capsys)
        assert code == 0, printed
        assert f"has True {has} {has} {not has}\n" in printed


def test_a_step_imports_its_package_again_if_a_file_has_changed():
    program = """
import sys
from launch import preloaded
code = preloaded._import_own_code()
assert code
preloaded._forget_changed_code(code)
print("squadron.steps" in sys.modules)
preloaded._forget_changed_code("as it was before")
print(any(name.partition(".")[0] == "squadron" for name in sys.modules))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=SERVER.parent.parent, capture_output=True, text=True
    )
    assert done.stdout.split() == ["True", "False"], done.stderr


def test_steps_share_nothing(tmp_path, capsys):
    body = "import builtins\nassert not hasattr(builtins, 'mark')\nbuiltins.mark = 1"
    for _ in range(2):
        assert run(make_command(body, tmp_path), capsys)[0] == 0


def test_a_step_draws_other_random_numbers_than_the_one_before(tmp_path, capsys):
    # The two generators without a seed that the imported libraries share with a copy.
    body = "import random, uuid\nprint('drawn', random.random(), uuid.uuid4())"
    drawn = {run(make_command(body, tmp_path), capsys)[1].partition("drawn")[2] for _ in range(3)}
    assert len(drawn) == 3


def test_a_command_that_kfp_does_not_make_today_runs_as_before(tmp_path, capsys):
    command = make_command("print('alone')", tmp_path, shell="bash")
    code, printed = run(command, capsys)
    assert code == 0
    assert "alone\n" in printed


def test_a_server_that_has_died_ends_the_race_with_a_sentence(tmp_path):
    with StepProcesses() as processes:
        processes._server.kill()
        processes._server.wait()
        with pytest.raises(RuntimeError, match="The process that starts the steps has ended"):
            processes.run("", [], dict(os.environ))


def is_running(process):
    """Whether a process does anything; one that has ended may wait for its parent to notice."""
    try:
        return bool(Path(f"/proc/{process}/cmdline").read_bytes())
    except FileNotFoundError:
        return False


def test_no_server_outlives_a_race_that_ends_while_it_imports(tmp_path):
    with StepProcesses() as processes:
        body, *arguments = make_command("pass", tmp_path, name="ingest")[3:]
        assert processes.run(body, arguments, dict(os.environ)) == 0
        # The copy that imports torch beside the first step, which has ended before.
        server = processes._server.pid
        (copy,) = Path(f"/proc/{server}/task/{server}/children").read_text().split()
        assert is_running(copy)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while is_running(copy) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(copy)


SLOW_IMPORT = """
import pathlib, time
deadline = time.monotonic() + 30
while not pathlib.Path({go!r}).exists() and time.monotonic() < deadline:
    time.sleep(0.05)
if time.monotonic() > deadline:
    pathlib.Path({waited!r}).touch()
"""


def test_the_first_step_ends_while_the_networks_are_imported(tmp_path, monkeypatch):
    go, waited = tmp_path / "go", tmp_path / "waited"
    module = tmp_path / "modules" / "accelerate.py"  # one of those that networks import
    module.parent.mkdir()
    module.write_text(SLOW_IMPORT.format(go=str(go), waited=str(waited)))
    monkeypatch.setenv("PYTHONPATH", str(module.parent))
    with StepProcesses() as processes:
        body, *arguments = make_command("pass", tmp_path, name="ingest")[3:]
        assert processes.run(body, arguments, dict(os.environ)) == 0
        go.touch()
        body, *arguments = make_command("pass", tmp_path, name="train")[3:]
        assert processes.run(body, arguments, dict(os.environ)) == 0
    assert not waited.exists(), "the step ended only after the import had given up"


SLEEPS = """
import os, pathlib, time
place = pathlib.Path(os.environ["PLACE"])
place.with_suffix(".new").write_text(str(os.getpid()))
place.with_suffix(".new").rename(place)
time.sleep(60)
place.with_suffix(".outlived").touch()
"""
LAUNCHER = """
import json, os, signal, sys
from launch.step_processes import StepProcesses
signal.signal(signal.SIGTERM, signal.default_int_handler)  # as launch/local.py does
source, *arguments = json.loads(sys.argv[1])
with StepProcesses() as processes:
    processes.run(source, arguments, dict(os.environ))
"""


@pytest.mark.parametrize("name", ["report", "train"])  # without and with a network
def test_no_step_outlives_a_race_that_a_signal_ends(tmp_path, name):
    place, command = tmp_path / "step", make_command(SLEEPS, tmp_path, name=name)
    launcher = subprocess.Popen(
        [sys.executable, "-c", LAUNCHER, json.dumps(command[3:])],
        cwd=SERVER.parent.parent,
        env=os.environ | {"PLACE": str(place)},
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not place.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    step = place.read_text()
    launcher.send_signal(signal.SIGTERM)
    try:
        launcher.wait(PATIENCE_SECONDS)
        while is_running(step) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not place.with_suffix(".outlived").exists()
    finally:
        launcher.kill()


def test_the_server_ends_with_its_launcher(tmp_path):
    program = (
        "import os, subprocess, sys\n"
        "from launch.step_processes import StepProcesses\n"
        "print(StepProcesses()._server.pid, flush=True)\n"
        "os._exit(9)\n"
    )
    root = SERVER.parent.parent
    with subprocess.Popen(
        [sys.executable, "-c", program], cwd=root, stdout=subprocess.PIPE, text=True
    ) as launcher:
        # The server holds the pipe, too: the end of what is read is the server's end.
        assert launcher.stdout.read().strip().isdigit()
    assert launcher.returncode == 9
