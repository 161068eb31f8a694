from dataclasses import dataclass
from typing import Annotated

import pytest

from squadron.config.limits import (
    SHARE_OR_COUNT,
    Limit,
    above,
    at_least,
    check_limits,
    find_limits,
    matches,
    one_of,
    optional,
)
from squadron.errors import InputError


@dataclass(frozen=True)
class Section:
    count: Annotated[int, at_least(1), Limit("an even number", lambda value: value % 2 == 0)] = 2
    names: Annotated[tuple[str, ...], Limit("name something", bool)] = ("a",)
    free: str = ""

    def __post_init__(self):
        check_limits(self)


@pytest.mark.parametrize(
    ("limit", "allowed", "refused"),
    [
        (at_least(1), [1, 2.5], [0, 0.9]),
        (above(0), [0.1], [0, -1]),
        (one_of(("a", "b")), ["a", "b"], ["c", ""]),
        (optional(above(0)), [None, 0.1], [0, -1]),
        (matches("[a-z]{1,3}", "short"), ["a", "abc"], ["", "abcd", "a\n", "A"]),
        (SHARE_OR_COUNT, [0, 0.5, 1, 4.0], [-0.1, 1.5]),
    ],
    ids=lambda value: value.allowed if isinstance(value, Limit) else str(value),
)
def test_a_limit_holds_for_what_is_allowed_alone(limit, allowed, refused):
    assert all(map(limit.holds, allowed))
    assert not any(map(limit.holds, refused))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"count": 0}, "count: 0 is not allowed; 1 or more"),
        ({"count": 3}, "count: 3 is not allowed; an even number"),
        ({"names": ()}, r"names: \[\] is not allowed; name something"),
    ],
)
def test_a_value_outside_a_limit_is_refused_with_its_name(values, message):
    with pytest.raises(InputError, match=f"^{message}$"):
        Section(**values)


def test_limits_are_found_for_every_field():
    found = find_limits(Section)
    assert list(found) == ["count", "names", "free"]
    assert [len(limits) for limits in found.values()] == [2, 1, 0]
