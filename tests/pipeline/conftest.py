"""Makes kfp quick in a deep call stack."""

import functools
import inspect
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True, scope="module")
def short_frames() -> Iterator[None]:
    """Lets `inspect.stack` leave out lines of source.

    kfp reads the whole call stack whenever a task gets a setting, and uses one name of it. Under
    pytest the stack is deep, and reading its lines of source takes half of a compilation's time.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inspect, "stack", functools.partial(inspect.stack, 0))
        yield
