"""Writes the page at /docs: the routes and their schemas, without scripts or a network."""

import html
import json
from collections.abc import Iterator, Mapping
from typing import Any

STYLE = (
    ":root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:50rem;"
    "margin:2rem auto;padding:0 1rem}pre{overflow-x:auto;padding:.7rem;border:1px solid;"
    "border-radius:.3rem}code{font-family:ui-monospace,monospace}h2{margin-top:2rem}"
)


def write_docs(openapi: Mapping[str, object]) -> str:
    """Returns the page for an OpenAPI description."""
    info: Any = openapi["info"]
    paths: Any = openapi["paths"]
    title = html.escape(f"{info['title']} {info['version']}")
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{STYLE}</style></head><body><main><h1>{title}</h1>"
        f"<p>{html.escape(info.get('summary', ''))} The same for programs: "
        '<a href="openapi.json">openapi.json</a>.</p>'
        f"{''.join(_write_routes(paths))}</main></body></html>"
    )


def _write_routes(paths: Mapping[str, Any]) -> Iterator[str]:
    for path, methods in paths.items():
        for method, about in methods.items():
            yield f"<h2><code>{method.upper()} {html.escape(path)}</code></h2>"
            yield f"<p>{html.escape(about.get('summary', ''))}</p>"
            content = about.get("requestBody", {}).get("content", {})
            for kind, each in content.items():
                yield from _write_json(f"Body ({kind}), for example:", each.get("example"))
                yield from _write_json("Schema of the body:", each.get("schema"))


def _write_json(title: str, value: object) -> Iterator[str]:
    if value is not None:
        text = html.escape(json.dumps(value, indent=1, ensure_ascii=False))
        yield f"<p>{html.escape(title)}</p><pre><code>{text}</code></pre>"
