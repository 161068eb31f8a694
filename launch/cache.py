"""Watches the cache of kfp.local: which of its entries a race takes or makes."""

from collections.abc import Callable
from typing import Any


def note_use(note: Callable[[str], None]) -> None:
    """Reports the key of each entry that is taken from the cache or put into it.

    kfp makes one cache object per `local.init` and gives the same one to all tasks
    (kfp/local/cache.py, get_local_cache). It has no hook, so two methods of that object are
    replaced.

    Args:
        note: Called with the key of an entry after the entry was taken or put.
    """
    from kfp.local.cache import get_local_cache

    cache: Any = get_local_cache()
    take, put = cache.get, cache.put

    def take_and_note(key: str) -> Any:
        found = take(key)
        if found is not None:
            note(key)
        return found

    def put_and_note(key: str, outputs: Any) -> None:
        put(key, outputs)
        note(key)

    cache.get, cache.put = take_and_note, put_and_note
