"""Reads the fields of JSON records, and notes missing ones and other types as faults."""

from typing import Any, TypeVar

from squadron.config.parsing import shorten
from squadron.data.sources import Answer
from squadron.data.sources._faults import Faults

T = TypeVar("T")


def is_object(record: Any, name: str, where: str, faults: Faults) -> bool:
    """Says whether a record is an object; if not, notes a fault that names the field `name`."""
    if isinstance(record, dict):
        return True
    kind = type(record).__name__
    faults.note(f"{kind} with {name}", f"{where} is {kind}, not an object with {name!r}")
    return False


def get_field(record: dict[str, Any], name: str, kind: type[T], where: str, faults: Faults) -> T:
    """Returns the field of that name, or notes a fault and returns an empty value."""
    if name not in record:
        faults.note(f"no {name}", f"{where} has no field {name!r}")
        return kind()
    return check_type(record[name], name, kind, f"{where}.{name}", faults)


def check_type(value: Any, name: str, kind: type[T], place: str, faults: Faults) -> T:
    """Returns a value of that type, or notes a fault and returns an empty value.

    Args:
        value: What the record holds.
        name: The name of its field, by which faults are counted.
        kind: The type that is needed.
        place: Where the value stands, for the message.
        faults: Gets the fault.
    """
    if isinstance(value, kind) and not isinstance(value, bool):
        return value
    found = type(value).__name__
    faults.note(f"{name} {found}", f"{place} is {found}, {kind.__name__} is needed")
    return kind()


def get_answers(record: dict[str, Any], where: str, faults: Faults) -> list[Answer]:
    """Returns the answers of a record, a list of {"text", "answer_start"}."""
    answers = []
    for n, answer in enumerate(get_field(record, "answers", list, where, faults)):
        place = f"{where}.answers[{n}]"
        if is_object(answer, "text", place, faults):
            text = get_field(answer, "text", str, place, faults)
            answers.append(Answer(text, get_field(answer, "answer_start", int, place, faults)))
    return answers


def get_is_impossible(record: dict[str, Any], where: str, faults: Faults) -> bool:
    """Returns the field `is_impossible`; False without it."""
    is_impossible = record.get("is_impossible", False)
    if not isinstance(is_impossible, bool):
        shown = f"{where}.is_impossible is {shorten(is_impossible)}; true or false is needed"
        faults.note("is_impossible", shown)
    return is_impossible is True


def get_reasoning_type(record: dict[str, Any], where: str, faults: Faults) -> str:
    """Returns the field `reasoning_type`; "" without it or if it is null."""
    reasoning_type = record.get("reasoning_type") or ""
    if not isinstance(reasoning_type, str):
        shown = f"{where}.reasoning_type is {shorten(reasoning_type)}; text is needed"
        faults.note("reasoning_type", shown)
        return ""
    return reasoning_type
