"""The page at `/`, on which a person tries a served model in a browser.

Owns how the page's files are sent. The files are in the folder `page/`: plain HTML, CSS and
JavaScript without a build. They use the same routes as any other client and need no network.
"""

import hashlib
from importlib import resources

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

MEDIA_TYPES = {
    "index.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "answer.js": "text/javascript; charset=utf-8",
    "words.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
"""The files of the page; no other file is sent."""

PATHS = {"/" if name == "index.html" else f"/page/{name}": name for name in MEDIA_TYPES}
"""Where they are -> their names."""

HEADERS = {
    # The page may load and ask only what this server sends. A browser that knows trusted types
    # refuses any text that would be read as HTML.
    "Content-Security-Policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'self'; require-trusted-types-for 'script'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # A browser keeps the files and asks each time whether they have changed.
    "Cache-Control": "no-cache",
}


def add_page(app: Starlette) -> None:
    """Adds the page at `/` and its files at `/page/NAME`; none is in the OpenAPI document."""
    for path, name in PATHS.items():
        _add_file(app, path, name)


def _add_file(app: Starlette, path: str, name: str) -> None:
    """Adds one file, which is read once and stays in memory."""
    content = resources.files("squadron.serving").joinpath("page", name).read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    headers = {**HEADERS, "ETag": f'"{digest}"'}

    async def send(request: Request) -> Response:
        known = request.headers.get("If-None-Match", "")
        # A proxy that compresses writes W/ before the tag.
        if headers["ETag"] in {tag.strip().removeprefix("W/") for tag in known.split(",")}:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type=MEDIA_TYPES[name], headers=headers)

    app.add_route(path, send, methods=["GET"], include_in_schema=False)
