"""Runs the server in this process: the socket, uvicorn, and what a signal does."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Generator

import uvicorn

from squadron.errors import InputError
from squadron.serving.app import create_app
from squadron.serving.connections import Connection
from squadron.serving.following import Follower
from squadron.serving.gate import Gate
from squadron.serving.logs import log
from squadron.serving.service import Service
from squadron.serving.settings import Settings

KEEP_ALIVE_SECONDS = 75
"""How long a connection may be idle between two requests. Most proxies close theirs after 60 s, so
that they never send a request to a connection that is just being closed."""
BACKLOG = 2_048


class _Server(uvicorn.Server):
    """Leaves signals to this module: uvicorn would end the process by the signal it got."""

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        yield


def open_socket(host: str, port: int) -> socket.socket:
    """Opens the socket on which the server listens.

    Args:
        host: A name or address of this machine.
        port: The port; 0 for any that is free.

    Raises:
        InputError: If it can't be opened.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio sends small answers at once only if the protocol is named here. Otherwise the system
    # holds the body back until the client has acknowledged the headers, which takes 40 ms.
    listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listening.close()
        raise InputError(
            f"The server can't listen at {host}, port {port}: {error}; give another --port or "
            "--host"
        ) from None
    return listening


def run(
    service: Service,
    listening: socket.socket,
    follower: Follower | None,
    on_start: Callable[[], None],
) -> None:
    """Answers requests until the process gets SIGTERM or SIGINT.

    After SIGTERM the server says that it is not ready, goes on for `drain_seconds`, accepts no new
    connection, answers the requests that it has, and ends. After SIGINT it does not wait. A second
    signal ends it at once.

    Args:
        service: What answers.
        listening: The socket.
        follower: Looks for new versions of the model; None if nothing is followed.
        on_start: Called before the first request.
    """
    if follower:
        follower.start()
    try:
        asyncio.run(_run(service, listening, on_start))
    finally:
        if follower:
            follower.stop()
        service.close()
    log("ended")


def make_config(gate: Gate, settings: Settings) -> uvicorn.Config:
    """Returns uvicorn's settings for an application."""
    return uvicorn.Config(
        gate,
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=max(1, round(settings.request_seconds + settings.body_seconds)),
    )


async def _run(service: Service, listening: socket.socket, on_start: Callable[[], None]) -> None:
    settings = service.settings
    gate = create_app(service)
    server = _Server(make_config(gate, settings))
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, _end, server, gate, service, settings.drain_seconds)
    loop.add_signal_handler(signal.SIGINT, _end, server, gate, service, 0.0)
    on_start()
    await server.serve(sockets=[listening])


def _end(server: uvicorn.Server, gate: Gate, service: Service, wait_seconds: float) -> None:
    """Begins the end of the server; a second call ends it at once."""
    if gate.draining:
        server.force_exit = server.should_exit = True
        return
    log("draining", seconds=wait_seconds)
    gate.draining = service.draining = True
    asyncio.get_running_loop().call_later(wait_seconds, setattr, server, "should_exit", True)
