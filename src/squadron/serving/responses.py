"""Writes JSON responses."""

import json

from starlette.responses import Response

from squadron.serving.errors import RequestError


def dump(value: object) -> bytes:
    """Returns a value as JSON text in UTF-8.

    Raises:
        ValueError: If it holds NaN or an infinite number, which JSON does not have.
    """
    return json.dumps(
        value, ensure_ascii=False, allow_nan=False, separators=(",", ":"), check_circular=False
    ).encode()


class JsonResponse(Response):
    """A response with a JSON value."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """Returns the body."""
        return dump(content)


def error_response(error: RequestError, path: str) -> Response:
    """Returns the response of an error.

    Where a path is of the open inference protocol, the message is there twice: that protocol
    (inference_rest.md of kserve/open-inference-protocol) calls it `error`.
    """
    content = error.as_dict()
    if path.startswith("/v2"):
        content["error"] = error.message
    return JsonResponse(content, status_code=error.status, headers=error.headers)
