"""A uvicorn connection with a limit on the time of the headers, and JSON for what is no HTTP."""

import asyncio
import contextlib
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from squadron.serving.errors import RequestError
from squadron.serving.responses import dump

HEADER_SECONDS = 20.0
"""How long a client may take to send the headers of a request."""


class Connection(H11Protocol):
    """One connection of a client."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins to watch the connection."""
        super().connection_made(transport)
        self._is_half = True
        self._since = self.loop.time()
        self._watch = self.loop.call_later(HEADER_SECONDS, self._check)

    def connection_lost(self, exc: Exception | None) -> None:
        """Ends the watch."""
        self._watch.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Notes when a request begins."""
        if not self._is_busy() and not self._is_half:
            self._is_half, self._since = True, self.loop.time()
        super().data_received(data)

    def on_response_complete(self) -> None:
        """Notes that nothing of a next request has come."""
        self._is_half = False
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answers what is no HTTP in the shape of all errors."""
        error = RequestError(400, f"The request is no valid HTTP: {msg.rstrip('.')}; send HTTP/1.1")
        body = dump(error.as_dict())
        headers = [("content-type", "application/json"), ("connection", "close")]
        headers.append(("content-length", str(len(body))))
        events: tuple[Any, ...] = (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=body),
            h11.EndOfMessage(),
        )
        with contextlib.suppress(h11.LocalProtocolError):  # An answer has begun already.
            for event in events:
                self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def _is_busy(self) -> bool:
        """Says whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def _check(self) -> None:
        """Closes the connection if a request began long ago and its headers are not complete."""
        left = HEADER_SECONDS
        if self._is_half and not self._is_busy():
            left = self._since + HEADER_SECONDS - self.loop.time()
            if left <= 0:
                self.transport.close()
                return
        self._watch = self.loop.call_later(max(left, 0.1), self._check)
