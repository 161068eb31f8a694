"""Types within types: what records of results and settings are made of."""

from dataclasses import dataclass

import pytest

from squadron.config import from_mapping
from squadron.errors import InputError


@dataclass(frozen=True)
class Inner:
    number: float
    text: str | None = None

    def __post_init__(self):
        if self.number > 100:
            raise InputError(f"number: {self.number} is not allowed; at most 100")


@dataclass(frozen=True)
class Outer:
    count: int | None = None
    one: Inner | None = None
    always: Inner = Inner(0.0)
    by_name: dict[str, Inner] | None = None
    several: tuple[Inner, ...] | None = None
    groups: tuple[tuple[str, ...], ...] = ()
    points: tuple[dict[str, float], ...] = ()
    lists: dict[str, tuple[str, ...]] | None = None
    counts: dict[str, dict[str, int]] | None = None
    limits: dict[str, float | None] | None = None
    anything: dict[str, object] | None = None


@pytest.mark.parametrize(
    ("name", "raw", "value"),
    [
        ("count", None, None),
        ("count", 0, 0),
        ("one", None, None),
        ("one", {"number": 1}, Inner(1.0)),
        ("one", {"number": 1, "text": None}, Inner(1.0)),
        ("one", {"number": 1, "text": ""}, Inner(1.0, "")),
        ("by_name", None, None),
        ("by_name", {}, {}),
        ("by_name", {"a": {"number": 1}, 3: {"number": 2}}, {"a": Inner(1.0), "3": Inner(2.0)}),
        ("several", None, None),
        ("several", [], ()),
        ("several", [{"number": 1}, {"number": 2}], (Inner(1.0), Inner(2.0))),
        ("groups", [], ()),
        ("groups", [["a", "b"], [], ("c",)], (("a", "b"), (), ("c",))),
        ("points", [{"step": 1}, {}], ({"step": 1.0}, {})),
        ("lists", {"a": ["b"], "c": []}, {"a": ("b",), "c": ()}),
        ("counts", {"a": {"b": 1}, "c": {}}, {"a": {"b": 1}, "c": {}}),
        ("limits", {"a": None, "b": 1}, {"a": None, "b": 1.0}),
        ("anything", {"a": [1, {"b": None}]}, {"a": [1, {"b": None}]}),
    ],
)
def test_a_value_becomes_what_its_type_says(name, raw, value):
    found = getattr(from_mapping(Outer, {name: raw}), name)
    assert found == value
    assert repr(found) == repr(value)  # 1 == 1.0 == True


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"count": "1"}, "count: '1' is text; a whole number is needed"),
        ({"count": True}, "count: True is true or false; a whole number is needed"),
        ({"one": 3}, "one: 3 is not allowed; a mapping is needed"),
        ({"one": [{"number": 1}]}, "one: [{'number': 1}] is not allowed; a mapping is needed"),
        ({"one": {}}, "one -> number is missing; it has no default"),
        ({"one": {"number": None}}, "one -> number: None is nothing; a number is needed"),
        ({"one": {"number": 1, "text": 3}}, "one -> text: 3 is a whole number; text is needed"),
        ({"one": {"number": 101}}, "one -> number: 101.0 is not allowed; at most 100"),
        ({"always": {"number": "a"}}, "always -> number: 'a' is text; a number is needed"),
        ({"by_name": []}, "by_name: [] is a list; a mapping is needed"),
        ({"by_name": {"a": 3}}, "by_name -> a: 3 is not allowed; a mapping is needed"),
        (
            {"by_name": {"a": {"number": 1}, "b": {"number": []}}},
            "by_name -> b -> number: [] is a list; a number is needed",
        ),
        ({"by_name": {"a": {"number": 101}}}, "by_name -> a -> number: 101.0 is not allowed; "),
        (
            {"by_name": {"a": {"number": 1, "colour": 2}}},
            "by_name -> a -> colour is not a setting; known: number, text",
        ),
        ({"several": {"number": 1}}, "several: {'number': 1} is a mapping; a list is needed"),
        (
            {"several": [{"number": 1}, {"text": "a"}]},
            "several -> 2 -> number is missing; it has no default",
        ),
        ({"groups": "a"}, "groups: 'a' is text; a list is needed"),
        ({"groups": None}, "groups: None is nothing; a list is needed"),
        ({"groups": [["a"], 3]}, "groups -> 2: 3 is a whole number; a list is needed"),
        ({"groups": [["a"], ["b", 3]]}, "groups -> 2 -> 2: 3 is a whole number; text is needed"),
        ({"points": [{"step": "a"}]}, "points -> 1 -> step: 'a' is text; a number is needed"),
        ({"points": [3]}, "points -> 1: 3 is a whole number; a mapping is needed"),
        ({"lists": {"a": [3]}}, "lists -> a -> 1: 3 is a whole number; text is needed"),
        ({"counts": {"a": 3}}, "counts -> a: 3 is a whole number; a mapping is needed"),
        (
            {"counts": {"a": {"b": 1.5}}},
            "counts -> a -> b: 1.5 is a number; a whole number is needed",
        ),
        ({"limits": {"a": "b"}}, "limits -> a: 'b' is text; a number is needed"),
        (
            {"limits": {"a": float("nan")}},
            "limits -> a: nan is not allowed; a finite number is needed",
        ),
        ({"anything": 3}, "anything: 3 is a whole number; a mapping is needed"),
    ],
)
def test_a_wrong_kind_is_refused_with_its_path(raw, message):
    with pytest.raises(InputError) as caught:
        from_mapping(Outer, raw)
    assert str(caught.value).startswith(message)
    with pytest.raises(InputError) as caught:
        from_mapping(Outer, raw, "a file -> 1")
    assert str(caught.value).startswith(f"a file -> 1 -> {message}")
