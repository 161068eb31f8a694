"""Reads the JSON body of a request that a route gets."""

from typing import TYPE_CHECKING

from squadron.serving.errors import RequestError, show
from squadron.serving.json_body import parse_json

if TYPE_CHECKING:
    from starlette.requests import Request

JSON = "application/json"


async def read_json(request: "Request", max_depth: int) -> object:
    """Returns the value of a JSON body.

    Raises:
        RequestError: With status 415 if the body says that it is something else, 400 if it is not
            valid JSON.
    """
    _check_type(request)
    return parse_json(await request.body(), max_depth)


def _check_type(request: "Request") -> None:
    """Refuses other content types, other encodings than UTF-8, and compressed bodies."""
    given = request.headers.get("content-type", "")
    kind, *parameters = [part.strip().lower() for part in given.split(";")]
    if kind != JSON:
        raise RequestError(
            415, f"The content type is {show(given) if given else 'missing'}; send {JSON}"
        )
    for each in parameters:
        name, _, value = each.partition("=")
        if each and (
            name.strip() != "charset" or value.strip().strip('"') not in ("utf-8", "utf8")
        ):
            raise RequestError(
                415, f"The content type has {show(each)}; leave it out or send charset=utf-8"
            )
    encoding = request.headers.get("content-encoding", "identity")
    if encoding.lower() != "identity":
        raise RequestError(
            415, f"The body has the content encoding {show(encoding)}; send it as it is"
        )
