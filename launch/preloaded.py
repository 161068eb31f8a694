"""A server that starts steps as copies of itself, so that slow imports happen only once.

`step_processes.py` runs it as a program; no module imports it. It reads requests from the socket
whose number is its argument. A request has two parts: the path of a JSON file, and the write end of
the pipe that takes what the step prints. The JSON file holds the arguments and the environment of
the step, and whether it needs a network. The answer is a line with the exit code of the step. The
server ends when the other end of the socket is closed.
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
"""Modules that every step imports anyway. No others, because each copy starts with their memory and
`peak_memory_mb` counts it. No module of Squadron, because a step must read its current code."""
NETWORKS_IMPORT = ("torch", "accelerate", "transformers.modeling_utils", "scipy.optimize")
"""Modules that every network imports. The server imports them before the first step that needs a
network, so that a race whose steps all come from the cache never imports them."""
LONGEST_PATH = 4096
"""The longest path that Linux allows, in bytes."""


def serve(number: int) -> None:
    """Starts a step for each request.

    It returns in the server when the socket is closed, and in each copy when its step ends.

    Args:
        number: The file descriptor of the socket.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The launcher and the step handle Ctrl-C.
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
        # A step that needs a missing module fails by itself and says why.
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
    tempfile.tempdir = None  # tempfile must read TMPDIR again.
    sys.path.insert(0, str(Path.cwd()))
    sys.argv = ["executor_main", *request["arguments"]]
    importlib.import_module("kfp.dsl.executor_main").executor_main()


if __name__ == "__main__":
    serve(int(sys.argv[1]))
