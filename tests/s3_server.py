"""A real S3 server for tests: that of moto, in a process of its own on a free loopback port.

It stores, lists, versions and takes uploads in parts as S3 does, but it checks no rights.
tests/integration/test_storage_ceph.py tests rights with another server.
"""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

_START_SECONDS = 600.0
_STOP_SECONDS = 10.0


@contextmanager
def running_s3_server() -> Iterator[str]:
    """Starts a server, yields its endpoint URL and stops it."""
    with TemporaryDirectory(prefix="s3-server-") as folder:
        log = Path(folder) / "log.txt"
        # Port 0: the server takes a free one itself and logs it, so no other process can.
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
        with log.open("wb") as stream:
            process = subprocess.Popen(command, stdout=stream, stderr=subprocess.STDOUT)
        try:
            yield _wait_for_endpoint(process, log)
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for_endpoint(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"Running on (http://127\.0\.0\.1:\d+)", log.read_text(errors="replace"))
        if found:
            return found.group(1)
        time.sleep(0.05)
    raise RuntimeError(f"moto_server did not start:\n{log.read_text(errors='replace')}")
