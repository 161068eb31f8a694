"""Reads JSON and YAML that people wrote: what can't be used later is a ValueError here.

The parsers of both languages stop with other errors than ValueError where a text is nested deeply,
and YAML lets through what fails far from the file: numbers that Python does not print, half
surrogate pairs, and aliases that make a small file enormous.
"""

import json
import reprlib
from typing import Any

MAX_DEPTH = 32
"""Levels of a YAML file. An experiment has about six."""
MAX_VALUES = 100_000
"""Values of a YAML file, each alias counted where it is used."""
MAX_BITS = 4096
"""Of whole numbers in YAML: about 1,200 digits, which a message can still show."""


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
        """Refuses a key that stands twice, of which YAML would keep the last."""

        # Before merged keys (`<<`) are added to a mapping, which may well repeat its own.
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
    """Returns a value as a message shows it, a few levels deep and on one line."""
    printer = reprlib.Repr()
    printer.maxlevel = 3
    printer.maxstring = printer.maxother = printer.maxlong = 80
    try:
        return printer.repr(value)
    except ValueError:  # a whole number of thousands of digits
        return f"a {type(value).__name__} too large to print"


def _check_keys(node: Any) -> None:
    """Compares those keys of one mapping that are texts or numbers."""
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
    """Python's words on long numbers are about Python's settings."""
    if str(error).startswith("Exceeds the limit"):
        return ValueError("it has a number of more than 4,300 digits")
    return error
