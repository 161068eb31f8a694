"""Reads the JSON body of a request, and refuses what JSON allows but no request needs."""

import json
import math
import re
from collections.abc import Sequence
from typing import Any

from squadron.serving.errors import RequestError, show

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
_MOST_DIGITS = 40


def parse_json(body: bytes, max_depth: int) -> object:
    """Returns the value of a JSON text.

    Two keys with one name in an object, NaN, infinite and very long numbers, and text that is no
    Unicode (a lone surrogate) are refused, because programs read them differently.

    Args:
        body: The text in UTF-8.
        max_depth: How deep lists and objects may be nested.

    Raises:
        RequestError: With status 400, if it is not such a text.
    """
    if not body:
        raise RequestError(400, "The body is empty; send a JSON object")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestError(
            400, f"The body is not UTF-8 (byte {error.start} is wrong); send JSON in UTF-8"
        ) from None
    _check_depth(body, max_depth)
    try:
        found = _DECODER.decode(text)
    except RequestError:
        raise
    except RecursionError:
        raise _too_deep(max_depth) from None
    except json.JSONDecodeError as error:
        raise RequestError(
            400,
            f"The body is not valid JSON: {error.msg} at line {error.lineno}, column "
            f"{error.colno}; send a JSON object",
        ) from None
    if "\\u" in text:
        _check_text(found)
    return found


def _check_depth(body: bytes, max_depth: int) -> None:
    """Refuses a body that is nested too deeply, before it is parsed."""
    if body.count(b"[") + body.count(b"{") <= max_depth:
        return
    depth = 0
    for character in _STRING.sub(b"", body):
        if character in b"[{":
            depth += 1
            if depth > max_depth:
                raise _too_deep(max_depth)
        elif character in b"]}":
            depth -= 1


def _too_deep(max_depth: int) -> RequestError:
    return RequestError(
        400, f"The body is nested too deeply; at most {max_depth} lists and objects in each other"
    )


def _check_text(value: object) -> None:
    """Refuses a lone surrogate anywhere in a parsed value, which no encoding can hold."""
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            try:
                each.encode()
            except UnicodeEncodeError:
                raise RequestError(
                    400,
                    f"The body has half of a character (a lone surrogate) in {show(each)}; send "
                    "whole Unicode characters",
                ) from None
        elif isinstance(each, dict):
            waiting += [*each.keys(), *each.values()]
        elif isinstance(each, list):
            waiting += each


def _read_object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise RequestError(
            400, f"The body has the key {show(twice)} twice in one object; give it once"
        )
    return found


def _read_integer(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise RequestError(
            400, f"The body has a number with {len(text)} digits; at most {_MOST_DIGITS}"
        )
    return int(text)


def _read_number(text: str) -> float:
    found = float(text)
    if not math.isfinite(found):
        raise RequestError(400, f"The body has the number {show(text)}, which is too large")
    return found


def _refuse_constant(name: str) -> float:
    raise RequestError(400, f"The body has {name}, which is no JSON; send a finite number or null")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_read_object,
    parse_int=_read_integer,
    parse_float=_read_number,
    parse_constant=_refuse_constant,
)
