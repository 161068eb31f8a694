"""Starts the steps of a local race faster: each is a copy of a process with the imports done.

kfp.local starts a new Python for each step, which imports kfp, MLflow and pandas again. Instead, a
server (`preloaded.py`) imports them once and copies itself (docs/decisions/step-processes.md).
"""

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from squadron.steps import STEPS

PROGRAM = "ephemeral_component.py"
"""The file into which kfp's shell script writes the source of a component
(kfp/dsl/component_factory.py)."""
SERVER = Path(__file__).with_name("preloaded.py")
HAVE_NETWORKS = frozenset(each.name for each in STEPS if each.loads_models)
"""The names of the components for which the server imports torch and transformers."""
START_NETWORKS = HAVE_NETWORKS | {STEPS[0].name}
"""The names of the components with which this import begins. If the first step is not taken from
the cache, the next ones are not either, and the import runs beside the first step."""
KFP_RUNTIME = {"_KFP_RUNTIME": "true"}
"""With this variable kfp imports only what a step needs."""


@contextlib.contextmanager
def preloaded_steps() -> Iterator[None]:
    """Makes kfp.local start its steps through the server until the block ends."""
    with StepProcesses() as processes:
        from kfp.local import subprocess_task_handler as kfp_handler

        plain = kfp_handler.run_local_subprocess

        def run(full_command: list[str], env_vars: dict[str, str] | None = None) -> int:
            # The server does what the shell script of kfp does for each component.
            shell, flags, script, *rest = full_command
            if (shell, flags) == ("sh", "-ec") and PROGRAM in script:
                return processes.run(rest[0], rest[1:], os.environ | (env_vars or {}))
            return plain(full_command, env_vars)

        kfp_handler.run_local_subprocess = run
        try:
            yield
        finally:
            kfp_handler.run_local_subprocess = plain


class StepProcesses:
    """Starts the server and sends it steps. It is a context manager; leaving it ends the server."""

    def __init__(self) -> None:
        self._requests, theirs = socket.socketpair()
        with theirs:
            # With -P, Python does not search the folder launch/ for modules.
            self._server = subprocess.Popen(
                [sys.executable, "-P", str(SERVER), str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                env=os.environ | KFP_RUNTIME,
            )
        self._answers = self._requests.makefile()

    def __enter__(self) -> "StepProcesses":
        return self

    def __exit__(self, *_: object) -> None:
        self._answers.close()
        self._requests.close()
        # No step runs any more, and a server may still be importing.
        self._server.terminate()
        self._server.wait()

    def run(self, source: str, arguments: list[str], environment: dict[str, str]) -> int:
        """Runs a component, prints what it prints, and returns its exit code.

        Args:
            source: The Python source of the component.
            arguments: The arguments of kfp's executor, without the path of the source.
            environment: All environment variables of the step.
        """
        with tempfile.TemporaryDirectory() as folder:
            program, request = Path(folder) / PROGRAM, Path(folder) / "request.json"
            program.write_text(source, encoding="utf-8")
            arguments = ["--component_module_path", str(program), *arguments]
            request.write_text(
                json.dumps(
                    {
                        "arguments": arguments,
                        "environment": environment | KFP_RUNTIME,
                        "has_network": not HAVE_NETWORKS.isdisjoint(arguments),
                        "starts_networks": not START_NETWORKS.isdisjoint(arguments),
                    }
                )
            )
            ours, theirs = os.pipe()
            try:
                # If the server has ended, there is no answer, which is handled below.
                with contextlib.suppress(BrokenPipeError):
                    socket.send_fds(self._requests, [os.fsencode(request)], [theirs])
            finally:
                os.close(theirs)
            try:
                with os.fdopen(ours, encoding="utf-8", errors="replace") as printed:
                    for line in printed:
                        print(line, end="")
            except KeyboardInterrupt:
                # The server waits for the step, and the step ends only when it prints again.
                self._server.terminate()
                raise
            answer = self._answers.readline()
            if not answer:
                raise RuntimeError("The process that starts the steps has ended; try again")
            return int(answer)
