"""Watches the cache of kfp.local: which of its entries a race takes or makes."""

from collections.abc import Callable
from typing import Any


def watch_cache(taken: Callable[[str], None], made: Callable[[str], None]) -> None:
    """Reports the key of each entry that is taken from the cache or put into it.

    kfp makes one cache object per `local.init` and gives the same one to all tasks
    (kfp/local/cache.py, get_local_cache). It has no hook, so two methods of that object are
    replaced.

    Args:
        taken: Called with the key of an entry after the entry was taken.
        made: Called with the key of an entry after the entry was put.
    """
    from kfp.local.cache import get_local_cache

    cache: Any = get_local_cache()
    take, put = cache.get, cache.put

    def take_and_report(key: str) -> Any:
        found = take(key)
        if found is not None:
            taken(key)
        return found

    def put_and_report(key: str, outputs: Any) -> None:
        put(key, outputs)
        made(key)

    cache.get, cache.put = take_and_report, put_and_report
