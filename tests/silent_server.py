"""A server on loopback that takes every connection and never answers."""

import contextlib
import socket
from collections.abc import Iterator


@contextlib.contextmanager
def running_silent_server() -> Iterator[str]:
    """Yields its address, such as http://127.0.0.1:40001.

    The system completes the connections; nobody accepts or reads them.
    """
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
