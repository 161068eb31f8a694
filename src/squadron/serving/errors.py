"""The errors that the server answers with, all in one shape."""

from collections.abc import Mapping

CODES = {
    400: "BAD_REQUEST",
    401: "UNAUTHENTICATED",
    403: "FORBIDDEN_HOST",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: "BODY_TOO_SLOW",
    413: "BODY_TOO_LARGE",
    415: "UNSUPPORTED_MEDIA_TYPE",
    422: "INVALID_PARAMETER_VALUE",
    429: "QUEUE_FULL",
    500: "INTERNAL_ERROR",
    503: "NOT_READY",
    504: "TIMED_OUT",
}
"""Status -> error_code."""


class RequestError(Exception):
    """A request can't be answered.

    Args:
        status: One of CODES.
        message: One sentence with the thing, its value, what is allowed and the fix.
        field: The path of the wrong value, such as "inputs[0].context"; "" if it is none.
        headers: More headers of the response.
    """

    def __init__(
        self, status: int, message: str, field: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.field = field
        self.headers = dict(headers or {})

    def as_dict(self) -> dict[str, str | None]:
        """Returns the body of the response."""
        code = CODES.get(self.status, "BAD_REQUEST")
        return {"error_code": code, "message": self.message, "field": self.field or None}


def show(value: object, most: int = 60) -> str:
    """Returns a value of a request as it may stand in a message: short, on one line, printable."""
    text = ascii(value)
    return text if len(text) <= most else f"{text[:most]}..."
