"""How many drawn examples a property is tested with."""

import os

SHARE = float(os.environ.get("SQUADRON_DRAWS_SHARE", "1"))
"""`make test-fast` sets a share, so that it is fast; `make test` draws all examples."""
LEAST = 10


def draws(count: int) -> int:
    """Returns the number of examples: `count`, or the share of it that is wanted here."""
    return max(min(LEAST, count), round(count * SHARE))
