"""A server that starts steps as copies of itself, so that slow imports happen only once.

`step_processes.py` runs it as a program; no module imports it. It reads requests from the socket
whose number is its argument. A request has two parts: the path of a JSON file, and the write end of
the pipe that takes what the step prints. The JSON file holds the arguments and the environment of
the step, and what the step needs. The answer is a line with the exit code of the step. The server
ends when the other end of the socket is closed.

There are two servers. The first one starts the steps that compute no network. For the others it
makes a copy of itself that imports torch and transformers, and passes their requests on to it.
"""

import atexit
import contextlib
import gc
import importlib
import json
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

EVERY_STEP_IMPORTS = (
    *("kfp.dsl.executor_main", "mlflow", "mlflow.store.tracking.sqlalchemy_store"),
    *("mlflow.tracing.processor.base_mlflow", "sqlalchemy.dialects.sqlite"),
    *("pandas", "pyarrow.parquet", "pyarrow.dataset"),
)
"""Modules that every step imports anyway. No others, because each copy starts with their memory and
`peak_memory_mb` counts it."""
OWN_CODE = "squadron"
"""The package of the steps, which is imported, too. A step reads it again if a file has changed."""
NETWORKS_IMPORT = (
    *("torch", "accelerate", "transformers.modeling_utils", "transformers.optimization"),
    *("transformers.models.auto.modeling_auto", "transformers.models.auto.tokenization_auto"),
    *("transformers.models.bert.modeling_bert", "scipy.optimize"),
)
"""Modules that steps with a network import, for the architecture of the default backbone. None of
them computes with torch: a copy can't use the threads of a process that has done so."""
FIGURES_IMPORT = ("sklearn.linear_model", "scipy.special")
"""Modules that evaluate imports. The first server imports them while a step runs, so that nothing
waits for them."""
LONGEST_PATH = 4096
"""The longest path that Linux allows, in bytes."""
LONGEST_ANSWER = 64
"""More bytes than a line with an exit code has."""


class Server:
    """Starts a step for each request.

    Args:
        requests: The socket with the requests.
    """

    def __init__(self, requests: socket.socket) -> None:
        self._requests = requests
        self._networks: socket.socket | None = None
        """The socket of the copy that has imported what networks need; None without a copy."""
        self._copy = 0
        """The id of the process of that copy."""
        self._has_networks = False
        """Whether this is that copy."""
        self._step = 0
        """The id of the process of the step that runs; 0 if none does."""

    def serve(self) -> tuple[dict[str, Any], int] | None:
        """Answers requests until the socket is closed.

        Returns:
            In the server, None. In each copy that is to run a step, the request and its pipe.
        """
        while True:
            path, pipes, _, _ = socket.recv_fds(self._requests, LONGEST_PATH, 1)
            if not path:
                return None
            request = json.loads(Path(os.fsdecode(path)).read_bytes())
            if request["starts_networks"] and not (self._has_networks or self._networks):
                self._start_networks(pipes[0])
                if self._has_networks:
                    continue
            if request["has_network"] and self._networks:
                socket.send_fds(self._networks, [path], pipes)
                os.close(pipes[0])
                self._import_for_figures()
                answer = self._networks.recv(LONGEST_ANSWER)
            elif child := _copy():
                self._step = child
                os.close(pipes[0])
                self._import_for_figures()
                _, status = os.waitpid(child, 0)
                self._step = 0
                answer = f"{os.waitstatus_to_exitcode(status)}\n".encode()
            else:
                self._close()
                return request, pipes[0]
            if not answer:
                return None  # The copy with the networks was killed.
            try:
                self._requests.sendall(answer)
            except OSError:
                return None  # The other end was killed.

    def _start_networks(self, pipe: int) -> None:
        """Makes the copy of this server for steps with a network. This returns in both.

        Args:
            pipe: Of the step that is about to start. The copy closes it before it imports, because
                the launcher takes the step to have ended when nobody can write to it any more.
        """
        ours, theirs = socket.socketpair()
        self._copy = _copy()
        if self._copy:
            theirs.close()
            self._networks = ours
            return
        ours.close()
        os.close(pipe)
        self._requests.close()
        self._requests, self._has_networks = theirs, True
        _import(NETWORKS_IMPORT)
        # transformers computes this table once in a process, when it loads the first model.
        with contextlib.suppress(Exception):
            table = importlib.import_module("transformers.conversion_mapping")
            table.get_checkpoint_conversion_mapping("bert")

    def _import_for_figures(self) -> None:
        """Imports what evaluate needs, in the first server of a race that computes a network.

        The copy with the networks exists by then, so it does not carry these modules.
        """
        if self._networks:
            _import(FIGURES_IMPORT)

    def end(self, *_: object) -> None:
        """Ends this process, the step that runs, and the copy with the networks and its step.

        The copy may still be importing. A step that goes on without its race would compute for
        hours what nobody waits for, and write where the same race writes when it is started again.
        """
        for child in (self._step, self._copy):
            if child:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(child, signal.SIGTERM)
        os._exit(0)  # Python would first take all modules apart.

    def _close(self) -> None:
        self._requests.close()
        if self._networks:
            self._networks.close()


def main(number: int) -> None:
    """Imports what every step imports, and serves.

    Args:
        number: The file descriptor of the socket with the requests.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # The launcher and the step handle Ctrl-C.
    code = _import_own_code()
    _import(EVERY_STEP_IMPORTS)
    server = Server(socket.socket(fileno=number))
    signal.signal(signal.SIGTERM, server.end)
    found = server.serve()
    if found is None:
        server.end()
    else:
        _run(*found, code)


def _import(names: Sequence[str]) -> None:
    for name in names:
        # A step that needs a missing module fails by itself and says why.
        with contextlib.suppress(ImportError):
            importlib.import_module(name)


def _import_own_code() -> str:
    """Imports the steps and returns a digest of their package, computed before the import.

    It also remembers what each file imports, from which a step computes what it depends on, and
    sets what MLflow reads when it is imported.
    """
    try:
        provenance = importlib.import_module(f"{OWN_CODE}.provenance")
        code = str(provenance.package_digest())
        steps = importlib.import_module(f"{OWN_CODE}.steps")
        provenance.code_digest([f"steps.{each.name}" for each in steps.STEPS])
        importlib.import_module(f"{OWN_CODE}.tracking.store").configure_mlflow()
    except Exception:
        return ""  # A step that can't be imported fails by itself and says why.
    return code


def _forget_changed_code(code: str) -> None:
    """Lets a step import its package again if the package is not as it was when it was imported.

    Args:
        code: What `_import_own_code` returned.
    """
    provenance = sys.modules.get(f"{OWN_CODE}.provenance")
    if code and provenance and provenance.package_digest() == code:
        return
    for name in [each for each in sys.modules if each.partition(".")[0] == OWN_CODE]:
        del sys.modules[name]


def _copy() -> int:
    """Copies this process; returns the id of the copy, and 0 in the copy."""
    # The garbage collector of the copy must not visit what was imported here: that takes time, and
    # each page that it visits would be copied.
    gc.freeze()
    return os.fork()


def _run(request: dict[str, Any], pipe: int, code: str) -> None:
    """Runs one step as `python -m kfp.dsl.executor_main ARGUMENTS` does."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for standard in (1, 2):
        os.dup2(pipe, standard)
    os.close(pipe)
    os.environ.clear()
    os.environ.update(request["environment"])
    tempfile.tempdir = None  # tempfile must read TMPDIR again.
    _forget_changed_code(code)
    sys.path.insert(0, str(Path.cwd()))
    sys.argv = ["executor_main", *request["arguments"]]
    importlib.import_module("kfp.dsl.executor_main").executor_main()
    _leave()


def _leave() -> None:
    """Ends a step that has succeeded as Python would, but does not take its modules apart.

    That takes half a second where torch is imported, and the system frees the memory anyway.
    Source: multiprocessing/popen_fork.py and process.py, which end copies of a process like this.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)


if __name__ == "__main__":
    main(int(sys.argv[1]))
