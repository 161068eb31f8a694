"""Makes kfp quick in a deep call stack."""

import functools
import inspect
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def short_frames() -> Iterator[None]:
    """Lets `inspect.stack` leave out lines of source.

    kfp asks for the whole call stack whenever a task gets a setting, and uses one name of it. Under
    pytest the stack is 60 calls deep, and its lines of source are half of the time of a compilation.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inspect, "stack", functools.partial(inspect.stack, 0))
        yield
