"""A server that starts steps as copies of itself, with the slow imports already done.

Run as a program by `step_processes.py`, and imported by nobody. It reads requests from the socket
whose number is its argument. A request is the path of a JSON file (the step's arguments and
environment, and what is imported before it starts) and the write end of the pipe that takes what
the step prints. The answer is a line with the step's exit code. The end of the socket ends the
server.
"""

import contextlib
import importlib
import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

EVERY_STEP_IMPORTS = (
    *("kfp.dsl.executor_main", "mlflow", "mlflow.store.tracking.sqlalchemy_store"),
    *("pandas", "pyarrow.parquet"),
)
"""Only what each step imports anyway: a copy starts with this memory, and `peak_memory_mb` counts
it. Nothing of Squadron: a step reads its own code when it starts."""
NETWORKS_IMPORT = ("torch", "accelerate", "transformers.modeling_utils", "scipy.optimize")
"""What a network imports in any case. It is imported before the first step that asks for it, so
that a race that comes from the cache does without."""
LONGEST_PATH = 4096
"""Bytes: what Linux allows."""


def serve(number: int) -> None:
    """Starts a step per request.

    It returns in the server at the end of the socket, and in each step at the step's end.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the launcher and the step
    _import(EVERY_STEP_IMPORTS)
    with socket.socket(fileno=number) as requests:
        while True:
            path, pipes, _, _ = socket.recv_fds(requests, LONGEST_PATH, 1)
            if not path:
                return
            request = json.loads(Path(os.fsdecode(path)).read_bytes())
            if request["has_network"]:
                _import(NETWORKS_IMPORT)
            child = os.fork()
            if child == 0:
                break
            os.close(pipes[0])
            _, status = os.waitpid(child, 0)
            requests.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    _run(request, pipes[0])


def _import(names: Sequence[str]) -> None:
    for name in names:
        # A step that misses such a module fails by itself, and says why.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _run(request: dict[str, Any], pipe: int) -> None:
    """Runs one step as `python -m kfp.dsl.executor_main ARGUMENTS` does."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for standard in (1, 2):
        os.dup2(pipe, standard)
    os.close(pipe)
    os.environ.clear()
    os.environ.update(request["environment"])
    tempfile.tempdir = None  # so that TMPDIR is read again
    sys.path.insert(0, str(Path.cwd()))
    sys.argv = ["executor_main", *request["arguments"]]
    importlib.import_module("kfp.dsl.executor_main").executor_main()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
