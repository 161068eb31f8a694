"""The two records of published content: the manifest, and the commit marker."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import NoReturn

from squadron.errors import InputError
from squadron.storage.locations import is_plain_name

SCHEMA_VERSION = 1
MANIFEST_NAME = "manifest.json"
MARKER_NAME = "_COMMITTED"
PUBLISH_AGAIN = "delete what is there and publish the content again"
TRY_AGAIN = "nothing was published: run this again when nothing writes there"


class OtherContentError(InputError):
    """Other content is already published at a location."""


@dataclass(frozen=True)
class _Record:
    def to_bytes(self) -> bytes:
        """Returns the content of the file; the same fields give the same bytes everywhere."""
        record = {"schema_version": SCHEMA_VERSION, **asdict(self)}
        return (json.dumps(record, indent=1, sort_keys=True) + "\n").encode()


@dataclass(frozen=True)
class Marker(_Record):
    """The commit marker: the manifest that is published here, and where its content lies."""

    manifest_sha256: str
    content: str = ""
    """Folder of the content, relative to the location; "" is the location."""

    @classmethod
    def from_bytes(cls, content: bytes, where: str) -> "Marker":
        """Reads ``_COMMITTED``; refuses a marker that leads out of the location."""
        try:
            record = json.loads(content)
            version = record.pop("schema_version")
            marker = cls(**record)
            is_sound = version == SCHEMA_VERSION and is_plain_name(marker.content or "itself")
        except (ValueError, TypeError, KeyError, AttributeError):
            is_sound = False
        if not is_sound:
            raise InputError(
                f"{where} was not written by publishing (schema version {SCHEMA_VERSION}), or is "
                f"damaged; use the version of squadron that published it, or {PUBLISH_AGAIN}."
            )
        return marker


@dataclass(frozen=True)
class FileEntry:
    """One published file: its path relative to the content's folder, and its size in bytes."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class Manifest(_Record):
    """All files of a folder, sorted by path."""

    files: tuple[FileEntry, ...]

    @property
    def sha256(self) -> str:
        """The sha256 of ``manifest.json``, which identifies the content."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @classmethod
    def from_bytes(cls, content: bytes, marker: Marker, where: str) -> "Manifest":
        """Reads the ``manifest.json`` of a marker; refuses paths that lead out of the folder."""
        try:
            files = tuple(FileEntry(**entry) for entry in json.loads(content)["files"])
            is_sound = all(is_plain_name(file.path) for file in set(files))
        except (ValueError, TypeError, KeyError):
            is_sound = False
        if not is_sound or hashlib.sha256(content).hexdigest() != marker.manifest_sha256:
            raise InputError(
                f"{where} isn't the manifest that was committed (a list of relative paths with the "
                f"sha256 in the commit marker); {PUBLISH_AGAIN}."
            )
        return cls(files)


def require_same(marker: Marker, manifest: Manifest, where: str) -> None:
    """Refuses a location where other content is published."""
    if marker.manifest_sha256 != manifest.sha256:
        raise OtherContentError(
            f"{where} already holds other published content (manifest "
            f"{marker.manifest_sha256[:12]}, this one is {manifest.sha256[:12]}); choose another "
            "location or delete what is there."
        )


def raise_uncommitted(where: str) -> NoReturn:
    """Refuses content without a marker."""
    raise InputError(
        f"{where} isn't published content: it has no commit marker ({MARKER_NAME}), so its files "
        "may be incomplete. Publish it again."
    )
