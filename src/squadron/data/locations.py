"""Reads examples from where they are: a path, `s3://`, or a data set of the Hugging Face hub."""

from collections.abc import Iterator
from pathlib import Path

from squadron import storage
from squadron.data import hub
from squadron.data.sources import Example, read_file


def is_remote(location: str) -> bool:
    """Says whether every machine can read a location.

    Raises:
        InputError: If it is no location.
    """
    if hub.is_hub(location):
        return bool(hub.parse_hub(location))
    return storage.is_remote(location)


def content_digest(location: str) -> str:
    """Returns a digest that changes with the content of a file, folder or data set.

    Raises:
        InputError: If it can't be read.
    """
    if hub.is_hub(location):
        return hub.content_digest(location)
    return storage.content_digest(location)


def fetch(location: str, folder: Path) -> Path:
    """Makes a file, folder or data set readable on this machine, and returns its path.

    Args:
        location: A path, which is returned, or a remote location.
        folder: Where a download goes. It must be empty or not exist.

    Raises:
        InputError: If it can't be read.
    """
    if hub.is_hub(location):
        return hub.fetch(location, folder)
    return storage.fetch(location, folder)


def read_location(source: str, location: str, folder: Path) -> Iterator[Example]:
    """Yields the examples of a location.

    Args:
        source: The name of a source, or `auto`.
        location: Where they are.
        folder: Where a download goes. It must be empty or not exist.

    Raises:
        InputError: If they can't be fetched or read.
    """
    yield from read_file(source, fetch(location, folder))
