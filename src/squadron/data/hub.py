"""Fetches data sets of the Hugging Face hub, one commit, configuration and split at a time.

A location is the hub's own URI of a data set, with the parameters of its data set viewer::

    hf://datasets/NAMESPACE/NAME[@REVISION][?config=CONFIG&split=SPLIT]

Without a revision it is the branch `main`. The records are streamed into a file, so that a large
data set needs no memory. Squadron loads data only: `datasets` runs no code of a data set.

Source: `huggingface_hub.parse_hf_uri`, which reads the part before "?"; the parameters are those of
https://huggingface.co/docs/dataset-viewer/rows.
"""

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from squadron.config import digest
from squadron.data.sources._records import FIELDS, first_line
from squadron.errors import InputError
from squadron.uris import hide_secrets

SCHEME = "hf://"
SYNTAX = "hf://datasets/NAMESPACE/NAME[@REVISION][?config=CONFIG&split=SPLIT]"
ANSWER_SECONDS = 10.0
"""How long to wait for the hub to say which commit a revision is."""


@dataclass(frozen=True)
class HubLocation:
    """One split of a data set of the hub."""

    name: str
    """Namespace and name."""
    revision: str = "main"
    """A branch, tag or commit."""
    config: str = ""
    """The configuration; "" if the data set has only one."""
    split: str = ""
    """The split; "" if the data set has only one."""


def is_hub(location: str) -> bool:
    """Says whether a location is on the hub."""
    return location.startswith(SCHEME)


def parse_hub(location: str) -> HubLocation:
    """Reads a location on the hub.

    Raises:
        InputError: If it is not of the form that this module's docstring shows.
    """
    from huggingface_hub import parse_hf_uri

    uri, _, query = location.partition("?")
    try:
        found = parse_hf_uri(uri)
        given = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
        parameters = dict(given)
        is_right = found.type == "dataset" and not found.path_in_repo
        is_right = is_right and parameters.keys() <= {"config", "split"}
        if is_right and all(parameters.values()) and len(given) == len(parameters):
            return HubLocation(found.id, found.revision or "main", **parameters)
    except ValueError:  # HfUriError is one
        pass
    raise InputError(f"The location {hide_secrets(location)!r} can't be used; give {SYNTAX}")


def content_digest(location: str) -> str:
    """Returns a digest that changes with the commit of the data set.

    Raises:
        InputError: If the hub can't be asked or does not have it.
    """
    place = parse_hub(location)
    return digest(place.name, _find_commit(place.name, place.revision), place.config, place.split)


def fetch(location: str, folder: Path) -> Path:
    """Writes the records of a data set into a file of JSON lines, and returns its path.

    Args:
        location: Where it is on the hub.
        folder: Gets the file, and is made if it does not exist.

    Raises:
        InputError: If the hub can't be asked, or it lacks the data set, configuration or split.
    """
    place = parse_hub(location)
    commit = _find_commit(place.name, place.revision)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{place.name.rpartition('/')[2]}.jsonl"
    try:
        rows = _open_split(place, commit)
        with path.open("w", encoding="utf-8") as file:
            for row in rows:
                record = {name: row[name] for name in FIELDS if name in row}
                file.write(f"{json.dumps(record, default=str)}\n")
    except InputError:
        raise
    except Exception as error:  # datasets raises errors of many types, also those of HTTP clients
        raise InputError(
            f"The data set {hide_secrets(location)} can't be loaded from the hub: "
            f"{_shown(error)}; check name, revision, config and split"
        ) from None
    return path


def _open_split(place: HubLocation, commit: str) -> Any:
    """Returns an iterable of the rows of one split, which streams them."""
    import datasets

    loaded = datasets.load_dataset(
        place.name, place.config or None, revision=commit, streaming=True, split=place.split or None
    )
    if not isinstance(loaded, datasets.IterableDatasetDict):
        return loaded
    if len(loaded) > 1:
        raise InputError(
            f"The data set {place.name} has the splits {sorted(loaded)}; name one of them with "
            "?split="
        )
    return next(iter(loaded.values()))


@functools.cache
def _find_commit(name: str, revision: str) -> str:
    """Returns the commit of a revision. All calls of a process get the same answer."""
    from huggingface_hub import HfApi

    try:
        commit = HfApi().dataset_info(name, revision=revision, timeout=ANSWER_SECONDS).sha
    except Exception as error:  # of the hub's client, or of the HTTP client below it
        raise InputError(
            f"The data set {name} at revision {revision!r} can't be found on the hub: "
            f"{_shown(error)}; check the name, the revision, HF_ENDPOINT and HF_TOKEN"
        ) from None
    return str(commit)


def _shown(error: Exception) -> str:
    return hide_secrets(first_line(error)).rstrip(".;: ")
