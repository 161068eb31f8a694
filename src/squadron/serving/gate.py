"""The outermost layer of the server: token, size and time limits, metrics and the log.

It is plain ASGI, because the middleware classes of web frameworks take longer than the rest of the
way of a request.
"""

import asyncio
import hmac
import time
from typing import TYPE_CHECKING, Any

from squadron.serving import page
from squadron.serving.errors import RequestError, show
from squadron.serving.logs import log, log_problem
from squadron.serving.metrics import Metrics
from squadron.serving.responses import error_response
from squadron.serving.settings import Settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

OPEN = ("/ping", "/health", "/v2/health/live", "/v2/health/ready")
"""Paths of probes: they need no token, and the log leaves them out."""
NOTES = "squadron"
"""The key of a scope under which a route notes what the log shows."""
CLIENT_GONE = 499
"""The status in metrics and log if the client went away, as in nginx."""


class _ClientGoneError(Exception):
    """The client closed the connection before its request was complete."""


class Gate:
    """Lets requests through to an application.

    Args:
        app: The application.
        settings: The limits and the token.
        metrics: Counts the requests.
    """

    def __init__(self, app: "ASGIApp", settings: Settings, metrics: Metrics) -> None:
        self._app, self._settings, self._metrics = app, settings, metrics
        self.draining = False
        """Whether the server will end soon. Responses then ask for the connection to be closed."""

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Handles one request; other events go to the application."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start = time.perf_counter()
        response = _Response(send, self)
        notes: dict[str, object] = {}
        scope[NOTES] = notes
        try:
            await self._handle(scope, receive, response)
        except _ClientGoneError:
            response.status = CLIENT_GONE
        except RequestError as error:
            await self._refuse(response, error, scope)
        except Exception as error:
            # The traceback is for the people who run the server, never for the client.
            log_problem("error", error, path=scope["path"])
            # The application has answered already with a sentence.
        self._count(scope, response.status, time.perf_counter() - start, notes)

    async def _handle(self, scope: "Scope", receive: "Receive", response: "_Response") -> None:
        """Checks a request, and gives it with its whole body to the application."""
        self._check_host(scope)
        self._check_token(scope)
        body = b""
        if scope["method"] not in ("GET", "HEAD"):
            body = await self._read_body(scope, receive)
        is_sent = False

        async def replay() -> "Message":
            nonlocal is_sent
            if is_sent:
                return await receive()  # It tells of a client that went away.
            is_sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        try:
            async with asyncio.timeout(self._settings.request_seconds):
                await self._app(scope, replay, response)
        except TimeoutError:
            raise RequestError(
                504,
                f"There was no answer in {self._settings.request_seconds:g} s; send fewer or "
                "shorter texts, or try again later",
            ) from None

    def _check_host(self, scope: "Scope") -> None:
        """Refuses a request for another host.

        A website can give its own name the address of this machine, and its scripts could then read
        what a server without a token answers (DNS rebinding). The browser sends that name.

        Raises:
            RequestError: With status 403.
        """
        host = _header(scope, b"host").decode("latin-1").lower()
        end = host.rfind("]") + 1 if host.startswith("[") else host.find(":")
        name = host[:end] if end > 0 else host
        allowed = self._settings.allowed_hosts
        if allowed and name and name not in allowed and scope["path"] not in OPEN:
            raise RequestError(
                403,
                f"This server does not answer for the host {show(name)}; whoever runs it can allow "
                "that with --allowed-hosts",
            )

    def _check_token(self, scope: "Scope") -> None:
        """Refuses a request without the token.

        Raises:
            RequestError: With status 401.
        """
        # The page asks for the token, so a browser must get it without.
        if not self._settings.token or scope["path"] in OPEN or scope["path"] in page.PATHS:
            return
        given = _header(scope, b"authorization")
        scheme, _, token = given.partition(b" ")
        right = hmac.compare_digest(token.strip(), self._settings.token.encode())
        if scheme.lower() != b"bearer" or not right:
            raise RequestError(
                401,
                "This server needs a token; send the header `Authorization: Bearer TOKEN`",
                headers={"WWW-Authenticate": "Bearer"},
            )

    async def _read_body(self, scope: "Scope", receive: "Receive") -> bytes:
        """Returns the whole body.

        Raises:
            RequestError: With status 413 if it is too large, which is known before it was read
                where the client tells its length; 408 if it does not arrive in time.
        """
        most = self._settings.max_body_bytes
        declared = _header(scope, b"content-length")
        if declared.isdigit() and int(declared) > most:
            raise _too_large(most)
        parts, size = [], 0
        try:
            async with asyncio.timeout(self._settings.body_seconds):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _ClientGoneError
                    parts.append(message.get("body", b""))
                    size += len(parts[-1])
                    if size > most:
                        raise _too_large(most)
                    more = message.get("more_body", False)
        except TimeoutError:
            raise RequestError(
                408,
                f"The body did not arrive in {self._settings.body_seconds:g} s; send it at once",
                headers={"Connection": "close"},
            ) from None
        return b"".join(parts)

    async def _refuse(self, response: "_Response", error: RequestError, scope: "Scope") -> None:
        """Sends an error, unless a response has begun already."""
        if not response.status:
            await error_response(error, scope["path"])(scope, receive_nothing, response)

    def _count(self, scope: "Scope", status: int, seconds: float, notes: dict[str, object]) -> None:
        """Adds a request to the metrics and to the log."""
        route = getattr(scope.get("route"), "path", "unknown")
        self._metrics.count_request(route, status, seconds)
        if route in (*OPEN, "/metrics"):
            return
        log(
            "request",
            method=scope["method"],
            route=route,
            status=status,
            ms=round(1000 * seconds, 2),
            **notes,
        )


class _Response:
    """Passes a response on and remembers its status; 0 until it has begun."""

    def __init__(self, send: "Send", gate: Gate) -> None:
        self._send, self._gate = send, gate
        self.status = 0

    async def __call__(self, message: "Message") -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self._gate.draining:
                headers: list[Any] = list(message.get("headers", ()))
                message = {**message, "headers": [*headers, (b"connection", b"close")]}
        await self._send(message)


async def receive_nothing() -> "Message":
    """Stands for the rest of a request that was refused."""
    return {"type": "http.disconnect"}


def _header(scope: "Scope", name: bytes) -> bytes:
    """Returns the value of a header; b"" if there is none."""
    return next((value for key, value in scope["headers"] if key == name), b"")


def _too_large(most: int) -> RequestError:
    return RequestError(
        413, f"The body has more than {most:,} bytes; send shorter texts or fewer questions"
    )
