"""Reads JSON and YAML that people wrote; a text that cannot be used is a ValueError.

The parsers of both languages raise other errors than ValueError if a text is nested deeply. The
YAML parser also accepts values that fail later and far from the file: numbers that Python does not
print, half surrogate pairs, and aliases that make a small file enormous.
"""

import json
import reprlib
from typing import Any

MAX_DEPTH = 32
"""The most levels of a YAML file. An experiment has about six."""
MAX_VALUES = 100_000
"""The most values of a YAML file. An alias counts wherever it is used."""
MAX_BITS = 4096
"""The most bits of a whole number in YAML: about 1,200 digits, which a message can still show."""


def parse_json(text: str | bytes) -> Any:
    """Reads JSON.

    Raises:
        ValueError: If it is no JSON, is nested too deeply, or has a number of thousands of digits.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError as error:
        raise _without_advice(error) from None


def parse_yaml(text: str) -> Any:
    """Reads YAML into plain values that can be printed, stored and walked through.

    Raises:
        yaml.YAMLError: If it is no YAML.
        ValueError: If a key stands twice in a mapping, if it has more than MAX_DEPTH levels, more
            than MAX_VALUES values, a whole number of more than MAX_BITS bits, or half a surrogate
            pair.
    """
    import yaml

    class Loader(yaml.SafeLoader):
        """Refuses a key that stands twice. YAML would keep the last of the two."""

        # Keys are compared before YAML adds merged ones (`<<`), which may repeat a mapping's own.
        def compose_mapping_node(self, anchor: Any) -> Any:
            node = super().compose_mapping_node(anchor)
            _check_keys(node)
            return node

    try:
        value = yaml.load(text, Loader)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except ValueError as error:
        raise _without_advice(error) from None
    _check_values(value)
    return value


def shorten(value: object) -> str:
    """Returns a value as a message shows it: on one line, and a few levels deep."""
    printer = reprlib.Repr()
    printer.maxlevel = 3
    printer.maxstring = printer.maxother = printer.maxlong = 80
    try:
        return printer.repr(value)
    except ValueError:  # a whole number of thousands of digits
        return f"a {type(value).__name__} too large to print"


def _check_keys(node: Any) -> None:
    """Refuses a mapping in which a text or a number is a key twice."""
    line_of: dict[tuple[str, str], int] = {}
    for key, _ in node.value:
        name = (key.tag, key.value)
        if not isinstance(key.value, str) or key.value == "<<":
            continue
        line = key.start_mark.line + 1
        if name in line_of:
            first = line_of[name]
            where = f"line {line}" if first == line else f"lines {first} and {line}"
            raise ValueError(
                f"the key {shorten(key.value)} stands twice, in {where}; keep one of them"
            )
        line_of[name] = line


def _check_values(value: Any) -> None:
    """Refuses what is nested too deeply, too large, or cannot be encoded."""
    waiting = [(value, 1)]
    count = 0
    while waiting:
        here, depth = waiting.pop()
        count += 1
        if depth > MAX_DEPTH:
            raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
        if count > MAX_VALUES:
            raise ValueError(f"it has more than {MAX_VALUES:,} values, aliases counted")
        if isinstance(here, dict):
            waiting += [(each, depth + 1) for pair in here.items() for each in pair]
        elif isinstance(here, list | tuple | set):
            waiting += [(each, depth + 1) for each in here]
        elif isinstance(here, int) and here.bit_length() > MAX_BITS:
            raise ValueError(f"it has a whole number of more than {MAX_BITS} bits")
        elif isinstance(here, str):
            try:
                here.encode()
            except UnicodeEncodeError:
                raise ValueError(f"it has half a surrogate pair in {shorten(here)}") from None


def _without_advice(error: ValueError) -> ValueError:
    """Returns the error in words for users; Python's words advise to change Python's settings."""
    if str(error).startswith("Exceeds the limit"):
        return ValueError("it has a number of more than 4,300 digits")
    return error
