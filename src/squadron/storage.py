"""Where files live: a folder of this machine or a prefix of an S3 bucket, by the same functions.

This module owns locations (a `str`: a path, or ``s3://bucket/prefix``), publishing with a manifest
and a commit marker, fetching with verification, and the digests that tell whether content changed.
It does not know what the files mean (artifacts.py does) and it keeps no state: every call reads the
settings and makes its own client.

What a published location looks like::

    a folder                          an S3 prefix
    location/weights.safetensors      location/content-<digest>/weights.safetensors
    location/manifest.json            location/content-<digest>/manifest.json
    location/_COMMITTED               location/_COMMITTED

The manifest lists path, size and sha256 of every file. The marker holds the manifest's sha256 and
names the folder with the content. A folder is renamed into place whole. S3 has no rename, so there
the marker is written last and only if none exists, and content lies under its own digest: two
publishers of different content can't overwrite each other's files, and the marker decides which of
the two is published. ``content-*`` prefixes that the marker doesn't name are what failed or losing
attempts left: nothing reads them and they may be deleted.

A publisher that fails or is interrupted aborts its own multipart uploads. One that is killed
(SIGKILL, out of memory) can't: give the bucket a lifecycle rule with
``AbortIncompleteMultipartUpload: {"DaysAfterInitiation": 1}``. A killed fetch or local publish
leaves a hidden sibling of its target, ``.<name>.unfinished-<hex>``, which may be deleted.
"""

from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, NoReturn, cast
from urllib.parse import urlsplit

from squadron.errors import InputError

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 1
MANIFEST_NAME = "manifest.json"
MARKER_NAME = "_COMMITTED"

_UNFINISHED = ".unfinished-"
_S3_SCHEME = "s3://"
_BUCKET_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_OTHER_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[sS]3:")
_UNCOMMITTED_NAME = re.compile(r"content-[0-9a-f]{32}/")  # see _publish_s3
_SHA256 = re.compile(r"[0-9a-f]{64}")
_KEY_MAX_BYTES = 1024  # S3's own limit
_MARKER_MAX_BYTES = 64 * 1024
_MANIFEST_MAX_BYTES = 64 * 1024 * 1024
_MULTIPART_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class StorageSettings:
    """How to talk to the S3 server; credentials and region are boto3's own business."""

    endpoint_url: str | None = None
    """The server's URL; None means AWS, or what the AWS configuration file says.
    From AWS_ENDPOINT_URL_S3, else AWS_ENDPOINT_URL (neither if
    AWS_IGNORE_CONFIGURED_ENDPOINT_URLS is true), as boto3 reads them."""

    checksums: Literal["when_required", "when_supported"] = "when_required"
    """When boto3 adds and checks its own checksums. From SQUADRON_S3_CHECKSUMS. boto3's default,
    when_supported, makes Ceph's gateway refuse uploads over https (MissingContentLength); buckets
    with object lock need it. Published content is verified by sha256 either way."""

    connect_timeout_seconds: float = 5.0
    """From SQUADRON_S3_CONNECT_TIMEOUT; above 0."""

    read_timeout_seconds: float = 60.0
    """Longest silence of the server before an attempt fails, from SQUADRON_S3_READ_TIMEOUT."""

    max_attempts: int = 3
    """First try included, from SQUADRON_S3_MAX_ATTEMPTS; at least 1."""


def read_settings(environment: Mapping[str, str] | None = None) -> StorageSettings:
    """Reads the storage settings from the environment; the only place that does.

    Args:
        environment: Variables by name; None means this process's own.

    Raises:
        InputError: A variable holds something that isn't allowed.
    """
    variables = os.environ if environment is None else environment
    endpoint_name = (
        "AWS_ENDPOINT_URL_S3" if variables.get("AWS_ENDPOINT_URL_S3") else "AWS_ENDPOINT_URL"
    )
    endpoint = variables.get(endpoint_name, "")
    if variables.get("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "").lower() == "true":
        endpoint = ""
    if endpoint:
        _check_endpoint(endpoint_name, endpoint)
    checksums = variables.get("SQUADRON_S3_CHECKSUMS") or StorageSettings.checksums
    if checksums not in ("when_required", "when_supported"):
        raise InputError(
            f"SQUADRON_S3_CHECKSUMS is {checksums!r}; allowed are 'when_required' and "
            "'when_supported'."
        )
    attempts = _positive_number(variables, "SQUADRON_S3_MAX_ATTEMPTS", StorageSettings.max_attempts)
    if attempts != int(attempts):
        raise InputError(
            f"SQUADRON_S3_MAX_ATTEMPTS is {attempts}; set it to a whole number, at least 1."
        )
    return StorageSettings(
        endpoint_url=endpoint or None,
        checksums=cast(Literal["when_required", "when_supported"], checksums),
        connect_timeout_seconds=_positive_number(
            variables, "SQUADRON_S3_CONNECT_TIMEOUT", StorageSettings.connect_timeout_seconds
        ),
        read_timeout_seconds=_positive_number(
            variables, "SQUADRON_S3_READ_TIMEOUT", StorageSettings.read_timeout_seconds
        ),
        max_attempts=int(attempts),
    )


def _check_endpoint(name: str, endpoint: str) -> None:
    try:
        parts = urlsplit(endpoint)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        has_password = "@" in parts.netloc
    except ValueError:  # such as a port that is no number
        is_usable, has_password = False, "@" in endpoint
    if has_password:  # the value isn't shown: it would end up in logs
        raise InputError(
            f"{name} holds a user name or password; give the server's URL alone and put the "
            "credentials into AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    if not is_usable:
        raise InputError(
            f"{name} is {endpoint!r}; give a URL such as 'https://s3.example.org' or "
            "'http://127.0.0.1:9000'."
        )


def _positive_number(variables: Mapping[str, str], name: str, default: float) -> float:
    text = variables.get(name, "")
    if not text:
        return default
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1e6:  # nan fails both
        raise InputError(
            f"{name} is {text!r}; set it to a number above 0, or unset it ({default})."
        )
    return number


@dataclass(frozen=True)
class S3Location:
    """A bucket and a key (or key prefix) in it, without slashes at its ends."""

    bucket: str
    key: str = ""

    def __str__(self) -> str:
        """The location as people write it."""
        return f"{_S3_SCHEME}{self.bucket}/{self.key}".rstrip("/")

    def key_of(self, name: str) -> str:
        """The key of a name under this location."""
        return f"{self.key}/{name}" if self.key else name


def parse_location(location: str) -> Path | S3Location:
    """Reads a location: a path of this machine, or ``s3://bucket`` or ``s3://bucket/prefix``.

    Raises:
        InputError: It is neither, with what is wrong and what to write instead.
    """
    text = os.fspath(location)
    if not text.strip():
        raise InputError("The location is empty; give a path or 's3://bucket/prefix'.")
    if "\0" in text or text != text.strip():
        raise InputError(
            f"The location {text!r} begins or ends with white space or holds a NUL character; "
            "write it without."
        )
    if not text.startswith(_S3_SCHEME):
        if _OTHER_SCHEME.match(text):
            raise InputError(
                f"The location {text!r} is of an unknown kind; allowed are a path (no 'file://') "
                "and 's3://bucket/prefix'."
            )
        return Path(text)
    bucket, _, key = text.removeprefix(_S3_SCHEME).partition("/")
    if not bucket:
        raise InputError(f"The location {text!r} names no bucket; write 's3://bucket/prefix'.")
    if not _BUCKET_NAME.fullmatch(bucket):
        raise InputError(
            f"The location {text!r} has the bucket name {bucket!r}; allowed are 3 to 63 lower-case "
            "letters, digits, dots and hyphens, with a letter or digit at both ends."
        )
    key = key.removesuffix("/")
    if key and not _is_plain_name(key):
        raise InputError(
            f"The location {text!r} has an empty, '.' or '..' part in its prefix, or is not "
            "UTF-8; write the parts with one '/' between them."
        )
    if len(key.encode()) > _KEY_MAX_BYTES:
        raise InputError(
            f"The location 's3://{bucket}/{key[:40]}...' has a prefix of {len(key.encode())} "
            f"bytes; S3 allows {_KEY_MAX_BYTES}. Shorten it."
        )
    return S3Location(bucket, key)


def is_remote(location: str) -> bool:
    """Whether a location is in S3 rather than on this machine.

    Raises:
        InputError: It isn't a location.
    """
    return isinstance(parse_location(location), S3Location)


def join(location: str, *names: str) -> str:
    """The location of something inside a location.

    Args:
        location: A folder or S3 prefix.
        *names: Relative names, each of which may hold several parts ("windows/train").

    Raises:
        InputError: A name is empty, absolute, or leaves the location by '..'.
    """
    place = parse_location(location)
    for name in names:
        if not _is_plain_name(name):
            raise InputError(
                f"The name {name!r} can't be joined to {location}; give a relative name without "
                "empty, '.' or '..' parts."
            )
    if isinstance(place, S3Location):
        return str(S3Location(place.bucket, "/".join([place.key, *names] if place.key else names)))
    return str(place.joinpath(*names))


def _is_plain_name(name: str) -> bool:
    """Whether a relative path names something inside its folder, in UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in name and all(part not in ("", ".", "..") for part in name.split("/"))


@dataclass(frozen=True)
class FileEntry:
    """One published file."""

    path: str
    """Relative to the content's folder, parts joined by '/'."""
    size: int
    """Bytes."""
    sha256: str
    """Hexadecimal."""


@dataclass(frozen=True)
class Manifest:
    """All files of a folder, sorted by path; the same content gives the same bytes everywhere."""

    files: tuple[FileEntry, ...]

    def to_bytes(self) -> bytes:
        """The content of ``manifest.json``."""
        record = {
            "schema_version": SCHEMA_VERSION,
            "files": [asdict(entry) for entry in self.files],
        }
        return (json.dumps(record, indent=1, sort_keys=True) + "\n").encode()

    @property
    def sha256(self) -> str:
        """The digest of ``manifest.json``, and so of the content."""
        return hashlib.sha256(self.to_bytes()).hexdigest()

    @classmethod
    def from_bytes(cls, content: bytes, where: str) -> Manifest:
        """Reads ``manifest.json``; refuses paths that lead out of the folder.

        Raises:
            InputError: It isn't a manifest of this schema version.
        """
        record = _read_record(content, where)
        files = record.get("files")
        try:
            if not isinstance(files, list):
                raise TypeError
            entries = tuple(FileEntry(**entry) for entry in files)
            is_sound = all(
                _is_plain_name(entry.path)
                and entry.path not in (MANIFEST_NAME, MARKER_NAME)
                and type(entry.size) is int
                and entry.size >= 0
                and _SHA256.fullmatch(entry.sha256)
                for entry in entries
            ) and len({entry.path for entry in entries}) == len(entries)
        except (TypeError, AttributeError):
            is_sound = False
        if not is_sound:
            raise InputError(
                f"{where} isn't a list of relative paths with size and sha256; publish the "
                "content again, at another location."
            )
        return cls(tuple(sorted(entries, key=lambda entry: entry.path)))


@dataclass(frozen=True)
class _Marker:
    """The commit marker: which manifest is published here, and where its content lies."""

    manifest_sha256: str
    content: str  # relative to the location; "" = the location itself

    def to_bytes(self) -> bytes:
        record = {"schema_version": SCHEMA_VERSION, **asdict(self)}
        return (json.dumps(record, sort_keys=True) + "\n").encode()

    @classmethod
    def from_bytes(cls, content: bytes, where: str) -> _Marker:
        record = _read_record(content, where)
        marker = cls(str(record.get("manifest_sha256")), str(record.get("content")))
        if not _SHA256.fullmatch(marker.manifest_sha256) or not (
            marker.content == "" or _is_plain_name(marker.content)
        ):
            raise InputError(f"{where} isn't a commit marker; publish the content elsewhere.")
        return marker


def _read_record(content: bytes, where: str) -> dict[str, Any]:
    try:
        record = json.loads(content)
    except ValueError:
        record = None
    if not isinstance(record, dict) or "schema_version" not in record:
        raise InputError(
            f"{where} was not written by squadron, or is damaged; publish the content again, at "
            "another location."
        )
    if record["schema_version"] != SCHEMA_VERSION:
        raise InputError(
            f"{where} has schema version {record['schema_version']!r}; this version of squadron "
            f"reads {SCHEMA_VERSION}. Use the version that published it, or publish again."
        )
    return record


def _check_manifest(content: bytes, marker: _Marker, where: str) -> Manifest:
    if hashlib.sha256(content).hexdigest() != marker.manifest_sha256:
        raise InputError(
            f"{where} isn't the manifest that was committed (its sha256 differs from the commit "
            f"marker's); {_PUBLISH_AGAIN}."
        )
    return Manifest.from_bytes(content, where)


def _check_file(path: Path, entry: FileEntry, where: str) -> None:
    """Refuses a file that isn't the published one."""
    size, sha256 = _hash_file(path)
    if (size, sha256) != (entry.size, entry.sha256):
        raise InputError(
            f"{where} isn't the file that was published: it has {size} bytes and sha256 "
            f"{sha256[:12]}, the manifest says {entry.size} and {entry.sha256[:12]}; "
            f"{_PUBLISH_AGAIN}."
        )


_PUBLISH_AGAIN = "delete what is there and publish the content again"


def fetch_file(location: str, folder: Path) -> Path:
    """Makes one file readable on this machine.

    Args:
        location: A file's path, or the ``s3://`` location of one object.
        folder: Where a download goes, under the object's last name; replaced if it exists.

    Returns:
        The path as it was given, or the downloaded file's: whole, or not there at all.

    Raises:
        InputError: It is missing or a folder, or can't be read or written.
    """
    place = parse_location(location)
    if isinstance(place, Path):
        with _local_errors("read", place):
            _require_kind(place, "file")
            with place.open("rb"):
                return place
    if not place.key:
        raise InputError(f"{place} names a bucket; give the location of one object in it.")
    store = _Store(place)
    if store.head("") is None:
        _raise_missing(store, "file")
    target = folder / place.key.rpartition("/")[2]
    with _local_errors("written", target):
        folder.mkdir(parents=True, exist_ok=True)
    temporary = _temporary_sibling(target)
    try:
        size = store.download("", temporary)
        with _local_errors("written", target):
            _flush(temporary)
            temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    logger.info("fetched %s (%d bytes)", place, size)
    return target


def fetch_folder(location: str, folder: Path) -> Path:
    """Makes a folder readable on this machine; published content is verified, other is not.

    Args:
        location: A folder's path, or an ``s3://`` prefix.
        folder: Where a download goes; must be missing or empty (or hold this published content
            already). Its parent must be writable.

    Returns:
        The path as it was given, or the downloaded folder's: whole, or not there at all.

    Raises:
        InputError: It is missing or a file, can't be read or written, is half published, or has
            a commit marker and isn't what was published.
    """
    place = parse_location(location)
    if isinstance(place, Path):
        with _local_errors("read", place):
            _require_kind(place, "folder")
            is_published = (place / MARKER_NAME).exists()
        return _verify_local(place) if is_published else place
    store = _Store(place)
    marker = store.read_marker()
    if marker is not None:
        return _fetch_published_s3(store, marker, folder)
    objects = _plain_objects(store)
    if not objects:
        _raise_missing(store, "folder")
    if any(_UNCOMMITTED_NAME.match(item.name) for item in objects):
        _raise_uncommitted(str(place))
    _require_empty(folder)

    def fill(temporary: Path) -> None:
        for item in objects:
            path = temporary / item.name
            with _local_errors("written", path):
                path.parent.mkdir(parents=True, exist_ok=True)
            size = store.download(item.name, path)
            if size != item.size:
                raise InputError(
                    f"{place}/{item.name} changed while it was read ({item.size} bytes listed, "
                    f"{size} read); run this again when nothing writes there."
                )

    if not _build(folder, fill):
        _raise_busy(folder)
    logger.info("fetched %s (%d files, not published: unverified)", place, len(objects))
    return folder


def fetch_published(location: str, folder: Path) -> Path:
    """Makes published content readable on this machine, after checking every byte of it.

    A fetched folder is a published folder itself: it holds the manifest and a marker. A folder
    that already holds this content is verified and not downloaded again.

    Args:
        location: A published folder or ``s3://`` prefix.
        folder: Where a download goes; must be missing, empty, or hold this content already. Its
            parent must be writable.

    Returns:
        The folder with the files (for a local location, where they lie), verified.

    Raises:
        InputError: There is no commit marker, or a file is missing, added (local) or differs in
            size or sha256, or it can't be read or written.
    """
    place = parse_location(location)
    if isinstance(place, Path):
        return _verify_local(place)
    store = _Store(place)
    marker = store.read_marker()
    if marker is None:
        if store.has_objects():
            _raise_uncommitted(str(place))
        _raise_missing(store, "folder")
    return _fetch_published_s3(store, marker, folder)


def publish(folder: Path, location: str) -> str:
    """Publishes all files of a folder: readers see all of it or nothing.

    Publishing the same content again does nothing and succeeds, and completes what an attempt
    that died left half done. Empty folders and file modes aren't published.

    Args:
        folder: What to publish. Files called ``manifest.json`` and ``_COMMITTED`` directly in it
            are left out if they are a fetched folder's, else refused.
        location: The folder or ``s3://`` prefix that will stand for this content alone.

    Returns:
        The location, as the other functions take it.

    Raises:
        InputError: Other content is published there, there is nothing to publish, a name or file
            can't be published, or the location can't be written.
    """
    place = parse_location(location)
    with _local_errors("read", folder):
        _require_kind(folder, "folder")
        folder = _published_root(folder)
        names = _list_content(folder)
        if not names:
            raise InputError(f"{folder} holds no file; there is nothing to publish.")
        stamps = _stamps(folder, names)
        manifest = _describe(folder, names)
    if isinstance(place, S3Location):
        _publish_s3(folder, manifest, place, lambda: _stamps(folder, names) == stamps)
    else:
        _publish_local(folder, manifest, place)
    return str(place)


def content_digest(location: str) -> str:
    """A digest that changes when the content does; meant for cache keys.

    Local content is read (sha256), so the same files give the same digest in any folder, published
    or not. S3 content isn't read: the digest is made of the objects' sizes and ETags, and of a
    single object's version. The same content in two places may differ there.

    Args:
        location: A file, a folder, an S3 object or an S3 prefix.

    Returns:
        64 hexadecimal digits.

    Raises:
        InputError: It is missing or can't be read.
    """
    place = parse_location(location)
    if isinstance(place, Path):
        with _local_errors("read", place):
            if place.is_dir():
                root = _published_root(place)
                return _describe(root, _list_content(root)).sha256
            _require_kind(place, "file")
            return _hash_file(place)[1]
    store = _Store(place)
    item = store.head("") if place.key else None
    marker = store.read_marker()
    objects = _plain_objects(store) if marker is None else list(store.list_objects(marker.content))
    if item is None and not objects:
        _raise_missing(store, "file or folder")
    # An object and a prefix may share a name; which one the caller fetches isn't known here.
    parts = {
        "object": item and [item.size, item.etag, item.version],
        "manifest": marker and marker.manifest_sha256,
        "objects": sorted([entry.name, entry.size, entry.etag] for entry in objects),
    }
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@contextmanager
def _local_errors(verb: Literal["read", "written"], path: Path) -> Iterator[None]:
    """Turns the file system's refusals into sentences."""
    try:
        yield
    except OSError as error:
        raise InputError(_local_sentence(error, verb, path)) from error


_LOCAL_REMEDIES = {
    errno.ENOENT: "there is no such file or folder. Correct the path",
    errno.EACCES: "permission is denied. Change the permissions or choose another place",
    errno.EPERM: "the operation is not permitted. Choose another place",
    errno.EROFS: "the file system is read-only. Choose another place",
    errno.ENOSPC: "the disk is full. Free some space or choose another place",
    errno.EDQUOT: "the disk quota is used up. Free some space or choose another place",
    errno.EFBIG: "the file would be larger than the limit here. Raise it or choose another place",
    errno.ENOTDIR: "a file stands where a folder is needed. Move it or correct the path",
    errno.EISDIR: "it is a folder and not a file. Correct the path",
    errno.EEXIST: "a file stands where a folder is needed. Move it or correct the path",
    errno.ENAMETOOLONG: "its name is too long for the file system. Shorten it",
    errno.EXDEV: "it is the root of a mounted volume. Give a folder inside the volume",
    errno.EBUSY: "it is the root of a mounted volume. Give a folder inside the volume",
}


def _local_sentence(error: OSError, verb: str, path: Path) -> str:
    named = str(error.filename2 or error.filename or path)
    place = path if _UNFINISHED in named else named  # people know the target, not its sibling
    reason = _LOCAL_REMEDIES.get(error.errno or 0, f"the system says: {error.strerror or error}")
    return f"{place} can't be {verb}: {reason}."


def _require_kind(path: Path, kind: Literal["file", "folder"]) -> None:
    """Raises unless a path is a file (or folder), through links."""
    mode = path.stat().st_mode
    if kind == "file" and not stat.S_ISREG(mode):
        what = "a folder" if stat.S_ISDIR(mode) else "no regular file"
        raise InputError(f"{path} is {what}; give the path of a file.")
    if kind == "folder" and not stat.S_ISDIR(mode):
        raise InputError(f"{path} is a file; give the path of a folder.")


def _list_content(folder: Path, keep_records: bool = False) -> list[str]:
    """The relative paths of a folder's files, sorted, without manifest and marker.

    Links to files count as files (model caches are made of them). A link to a folder or anything
    else is refused: leaving it out silently would publish less than the folder shows.
    """

    def refuse(error: OSError) -> None:
        raise error

    names = []
    for parent, folders, files in os.walk(folder, onerror=refuse):
        for path in (Path(parent, name) for name in folders):
            if path.is_symlink():
                raise InputError(
                    f"{path} is a link to a folder, which can't be published; put the folder "
                    "itself there or remove the link."
                )
        for path in (Path(parent, name) for name in files):
            if not path.exists() or not stat.S_ISREG(path.stat().st_mode):
                raise InputError(
                    f"{path} is neither a file nor a folder (or a broken link), so it can't be "
                    "published; remove it."
                )
            names.append(path.relative_to(folder).as_posix())
    for name in names:
        if not _is_plain_name(name):
            raise InputError(
                f"The file name {name!r} in {folder} isn't UTF-8, so it can't be published; "
                "rename it."
            )
    records = {MANIFEST_NAME, MARKER_NAME} & set(names)
    if records and not keep_records:
        _check_records(folder, records)
        names = [name for name in names if name not in records]
    return sorted(names)


def _check_records(folder: Path, records: set[str]) -> None:
    """Refuses a user's own file under one of our two names."""
    readers = {MANIFEST_NAME: Manifest.from_bytes, MARKER_NAME: _Marker.from_bytes}
    for name in sorted(records):
        try:
            readers[name]((folder / name).read_bytes(), name)
        except InputError:
            raise InputError(
                f"{folder / name} was not written by publishing; the names {MANIFEST_NAME} and "
                f"{MARKER_NAME} are reserved directly in a published folder. Rename it."
            ) from None


def _describe(folder: Path, names: Iterable[str]) -> Manifest:
    return Manifest(tuple(FileEntry(name, *_hash_file(folder / name)) for name in sorted(names)))


def _hash_file(path: Path) -> tuple[int, str]:
    """Size in bytes and sha256 of a file."""
    with path.open("rb", buffering=0) as file:
        digest = hashlib.file_digest(file, "sha256")
        return file.tell(), digest.hexdigest()


def _stamps(folder: Path, names: Iterable[str]) -> list[tuple[int, int]]:
    """What changes when a file is written to: time of the last change and size, by file."""
    states = [(folder / name).stat() for name in names]
    return [(state.st_mtime_ns, state.st_size) for state in states]


def _read_local_marker(folder: Path) -> _Marker | None:
    path = folder / MARKER_NAME
    try:
        return _Marker.from_bytes(path.read_bytes(), str(path))
    except FileNotFoundError:
        return None


def _published_root(folder: Path) -> Path:
    """Where a folder's content lies: in itself, or where its marker says (a copied S3 prefix)."""
    try:
        marker = _read_local_marker(folder)
    except InputError:  # a user's own file of that name; _list_content says so
        marker = None
    return folder / marker.content if marker else folder


def _verify_local(folder: Path) -> Path:
    """The folder with a published location's files, all of them checked."""
    with _local_errors("read", folder):
        _require_kind(folder, "folder")
        marker = _read_local_marker(folder)
        if marker is None:
            _raise_uncommitted(str(folder))
        root = folder / marker.content
        manifest_path = root / MANIFEST_NAME
        manifest = _check_manifest(manifest_path.read_bytes(), marker, str(manifest_path))
        records = {MANIFEST_NAME, MARKER_NAME} if root == folder else {MANIFEST_NAME}
        expected = {entry.path for entry in manifest.files} | records
        found = set(_list_content(root, keep_records=True))
        if expected != found:
            name = min(expected ^ found)
            what = "is missing" if name in expected else "was added after publishing"
            raise InputError(f"{root / name} {what}; {_PUBLISH_AGAIN}.")
        for entry in manifest.files:
            _check_file(root / entry.path, entry, str(root / entry.path))
    logger.info("verified %s (%d files)", folder, len(manifest.files))
    return root


def _publish_local(folder: Path, manifest: Manifest, target: Path) -> None:
    import shutil

    with _local_errors("written", target):
        resolved = target.resolve()
        if resolved.is_relative_to(folder.resolve()):
            raise InputError(
                f"{target} lies in {folder}, the folder to publish; choose a location outside it."
            )
        if _is_published_locally(resolved, manifest, target):
            return

        def fill(temporary: Path) -> None:
            for entry in manifest.files:
                path = temporary / entry.path
                path.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(folder / entry.path, path)
                if _hash_file(path) != (entry.size, entry.sha256):
                    _raise_changed(folder)
                _flush(path)
            _write_records(temporary, manifest)

        if not _build(resolved, fill) and not _is_published_locally(resolved, manifest, target):
            _raise_busy(target)
    logger.info("published %s to %s (%d files)", folder, target, len(manifest.files))


def _is_published_locally(resolved: Path, manifest: Manifest, target: Path) -> bool:
    """Whether this content is there already; False means the place is free."""
    if not resolved.exists():
        return False
    _require_kind(resolved, "folder")
    marker = _read_local_marker(resolved)
    if marker is not None:
        _require_same(marker, manifest, str(target))
        logger.info("%s holds this content", target)
        return True
    if any(resolved.iterdir()):
        raise InputError(
            f"{target} holds files that were not published there (no {MARKER_NAME}); choose "
            "another location or empty it."
        )
    return False


def _require_same(marker: _Marker, manifest: Manifest, where: str) -> None:
    if marker.manifest_sha256 != manifest.sha256:
        raise InputError(
            f"{where} already holds other published content (manifest "
            f"{marker.manifest_sha256[:12]}, this one is {manifest.sha256[:12]}); choose another "
            "location or delete what is there."
        )


def _raise_changed(folder: Path) -> NoReturn:
    raise InputError(
        f"{folder} was written to while it was published, so nothing was published; run this "
        "again when nothing writes there."
    )


def _raise_busy(folder: Path) -> NoReturn:
    raise InputError(f"{folder} was filled by someone else meanwhile; choose another folder.")


def _raise_uncommitted(where: str) -> NoReturn:
    raise InputError(
        f"{where} isn't published content: it has no commit marker ({MARKER_NAME}), so its files "
        "may be incomplete. Publish it again."
    )


def _write_records(folder: Path, manifest: Manifest) -> None:
    """Writes manifest and marker of a folder that holds its content itself."""
    for name, content in (
        (MANIFEST_NAME, manifest.to_bytes()),
        (MARKER_NAME, _Marker(manifest.sha256, content="").to_bytes()),
    ):
        (folder / name).write_bytes(content)
        _flush(folder / name)


def _flush(path: Path) -> None:
    """Makes a file's bytes outlive a power cut, before a rename makes it visible."""
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _temporary_sibling(target: Path) -> Path:
    """A free hidden name beside a target, on the same file system.

    Nothing is made there: whoever does gives it the usual permissions, where tempfile's would
    leave the result readable by its owner alone.
    """
    name = target.name.encode(errors="replace")[:100].decode(errors="ignore")
    return target.with_name(f".{name}{_UNFINISHED}{os.urandom(6).hex()}")


def _require_empty(folder: Path) -> None:
    with _local_errors("written", folder):
        if folder.exists():
            _require_kind(folder, "folder")
            if any(folder.iterdir()):
                raise InputError(
                    f"{folder} already holds files; give a new or an empty folder to fetch into."
                )


def _build(target: Path, fill: Callable[[Path], None]) -> bool:
    """Fills a new folder and renames it into place; a failure leaves nothing.

    Returns:
        False if someone else filled the target meanwhile (theirs stays).
    """
    import shutil

    with _local_errors("written", target):
        target = target.resolve()
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = _temporary_sibling(target)
        try:
            temporary.mkdir()
            fill(temporary)
            temporary.rename(target)  # replaces an empty folder, nothing else
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST) and target.is_dir():
                return False
            raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return True


@dataclass(frozen=True)
class _Object:
    """What the server says about an object without sending it."""

    name: str  # relative to what was listed
    size: int
    etag: str
    version: str = ""


@cache
def _api_descriptions() -> Any:
    """Botocore's description of S3, read once: 10 ms for a client instead of 60."""
    from botocore.loaders import create_loader

    return create_loader()


class _Store:
    """One S3 location with its own client; whatever its methods raise is an InputError."""

    def __init__(self, place: S3Location) -> None:
        self.place = place
        settings = read_settings()
        import botocore.session
        from boto3.s3.transfer import TransferConfig
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError

        config = Config(
            connect_timeout=settings.connect_timeout_seconds,
            read_timeout=settings.read_timeout_seconds,
            retries={"total_max_attempts": settings.max_attempts, "mode": "standard"},
            request_checksum_calculation=settings.checksums,
            response_checksum_validation=settings.checksums,
        )
        # A session of its own: boto3's default one would keep credentials between calls.
        session = botocore.session.Session()
        session.register_component("data_loader", _api_descriptions())
        try:
            self.client: Any = session.create_client(
                "s3", endpoint_url=settings.endpoint_url, config=config
            )
        except (BotoCoreError, ValueError) as error:
            raise InputError(f"{place} can't be reached: {_one_line(error)}.") from error
        self.transfer = TransferConfig(
            multipart_threshold=_MULTIPART_BYTES, multipart_chunksize=_MULTIPART_BYTES
        )

    def head(self, name: str) -> _Object | None:
        """What is known about one object, or None if there is none (or no such bucket)."""
        from botocore.exceptions import ClientError

        key = self._key(name)
        with self._errors("read", name):
            try:
                reply = self.client.head_object(Bucket=self.place.bucket, Key=key)
            except ClientError as error:
                # A HEAD reply has no body: a listing's says whether key, bucket or rights lack.
                status = _status_of(error)
                if status == 404:
                    return None
                if status == 403:
                    self.client.list_objects_v2(Bucket=self.place.bucket, Prefix=key, MaxKeys=1)
                raise
        version = reply.get("VersionId") or ""
        return _Object(name, reply["ContentLength"], reply["ETag"], version)

    def has_objects(self) -> bool:
        """Whether anything lies under the location."""
        return next(self.list_objects(""), None) is not None

    def list_objects(self, name: str) -> Iterator[_Object]:
        """All objects under a name, named relative to it."""
        key = self._key(name)
        prefix = f"{key}/" if key else ""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.place.bucket, Prefix=prefix
        )
        with self._errors("read", name):
            for page in pages:
                for item in page.get("Contents", []):
                    yield _Object(item["Key"].removeprefix(prefix), item["Size"], item["ETag"])

    def read_small(self, name: str, max_bytes: int) -> bytes | None:
        """The content of a small object, or None if there is none."""
        from botocore.exceptions import ClientError

        with self._errors("read", name):
            try:
                reply = self.client.get_object(Bucket=self.place.bucket, Key=self._key(name))
            except ClientError as error:
                if error.response["Error"]["Code"] == "NoSuchKey":
                    return None
                raise
            content = cast(bytes, reply["Body"].read(max_bytes + 1))
        if len(content) > max_bytes:
            raise InputError(
                f"{self.place}/{name} has more than {max_bytes} bytes, so publishing didn't write "
                f"it; {_PUBLISH_AGAIN}."
            )
        return content

    def read_marker(self) -> _Marker | None:
        content = self.read_small(MARKER_NAME, _MARKER_MAX_BYTES)
        where = f"{self.place}/{MARKER_NAME}"
        return None if content is None else _Marker.from_bytes(content, where)

    def download(self, name: str, path: Path) -> int:
        """Writes an object to a new file and returns its size in bytes."""
        with (
            self._errors("read", name, path),
            path.open("xb") as file,
            self._transfers() as transfers,
        ):
            transfers.download(self.place.bucket, self._key(name), file).result()
            return file.tell()

    def upload(self, path: Path, name: str) -> None:
        """Sends a file; large ones in parts, which are dropped again if one fails."""
        with (
            self._errors("written", name, path),
            path.open("rb") as file,
            self._transfers() as transfers,
        ):
            transfers.upload(file, self.place.bucket, self._key(name)).result()

    def _transfers(self) -> Any:
        """What moves large objects in parts; an exception in its block cancels and aborts them."""
        from boto3.s3.transfer import create_transfer_manager

        return create_transfer_manager(self.client, self.transfer)

    def put(self, name: str, content: bytes) -> None:
        """Writes a small object."""
        with self._errors("written", name):
            self.client.put_object(Bucket=self.place.bucket, Key=self._key(name), Body=content)

    def put_if_absent(self, name: str, content: bytes) -> None:
        """Writes a small object unless there is one, as far as the server can tell.

        The caller has to read it back: it may be another's, and servers that don't know
        If-None-Match either say so (then it is written without) or ignore it.
        """
        from botocore.exceptions import ClientError

        with self._errors("written", name):
            try:
                self.client.put_object(
                    Bucket=self.place.bucket, Key=self._key(name), Body=content, IfNoneMatch="*"
                )
            except ClientError as error:
                status = _status_of(error)
                if status == 501:  # not implemented
                    self.put(name, content)
                elif status not in (409, 412):  # another is writing it, or has written it
                    raise

    def _key(self, name: str) -> str:
        return self.place.key_of(name) if name else self.place.key

    @contextmanager
    def _errors(
        self, verb: Literal["read", "written"], name: str, path: Path | None = None
    ) -> Iterator[None]:
        """Turns the server's, the network's and the disk's refusals into sentences."""
        from botocore.exceptions import BotoCoreError, ClientError
        from s3transfer import exceptions as transfer

        transfer_errors = (
            transfer.RetriesExceededError,
            transfer.S3DownloadFailedError,
            transfer.S3UploadFailedError,
            transfer.S3ValidationError,
        )
        where = f"{self.place}/{name}" if name else str(self.place)
        try:
            yield
        except (BotoCoreError, ClientError, *transfer_errors) as error:
            endpoint = self.client.meta.endpoint_url
            reason = _s3_reason(error, self.place.bucket, endpoint)
            raise InputError(f"{where} can't be {verb}: {reason}.") from error
        except OSError as error:
            if error.errno is None:  # of requests' making, such as a missing AWS_CA_BUNDLE file
                raise InputError(f"{where} can't be {verb}: {_one_line(error)}.") from error
            # Of the local file, which goes the other way.
            local_verb = "written" if verb == "read" else "read"
            raise InputError(_local_sentence(error, local_verb, path or Path(where))) from error


_CHECK_KEYS = "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or the profile or role)"
_FORBIDDEN = "access is forbidden. Check the credentials and what the bucket's policy allows them"
_MISSING_KEY = "there is no such object. Correct the location"
_S3_REASONS = {
    "AccessDenied": _FORBIDDEN,
    "AllAccessDisabled": _FORBIDDEN,
    "NoSuchKey": _MISSING_KEY,
    "InvalidAccessKeyId": f"the server doesn't know the access key. {_CHECK_KEYS}",
    "SignatureDoesNotMatch": f"the secret key doesn't fit the access key. {_CHECK_KEYS}",
    "ExpiredToken": "the session token has expired. Get new credentials",
    "InvalidToken": "the session token isn't valid. Get new credentials",
    "RequestTimeTooSkewed": "this machine's clock differs from the server's. Set the clock",
    "QuotaExceeded": "the quota is used up. Delete something or have it raised",
    "EntityTooLarge": "the object is larger than the server allows. Publish smaller files",
    "SlowDown": "the server asks for fewer requests. Try again later",
    "MissingContentLength": (
        "the server doesn't take boto3's newer checksums. Set SQUADRON_S3_CHECKSUMS=when_required"
    ),
}
_S3_STATUS_REASONS = {403: _FORBIDDEN, 404: _MISSING_KEY}


def _s3_reason(error: Exception, bucket: str, endpoint: str) -> str:
    """Why a request failed and what to do, without the full stop."""
    from botocore import exceptions as boto

    if isinstance(error, boto.ClientError):
        code = error.response.get("Error", {}).get("Code", "")
        status = _status_of(error)
        if code == "NoSuchBucket":
            return f"there is no bucket '{bucket}' at {endpoint}. Create it or correct the name"
        reason = _S3_REASONS.get(code) or _S3_STATUS_REASONS.get(status)
        if reason:
            return reason
        if status == 503:
            return _S3_REASONS["SlowDown"]
        return f"{endpoint} answered {status} {_one_line(error)}"
    if isinstance(error, boto.NoCredentialsError | boto.PartialCredentialsError):
        return (
            "there are no complete S3 credentials. Set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY (or a profile or role)"
        )
    if isinstance(error, boto.ReadTimeoutError):
        return (
            f"{endpoint} stopped answering. Check the server, or raise SQUADRON_S3_READ_TIMEOUT "
            "(seconds)"
        )
    if isinstance(error, boto.SSLError):
        return (
            f"{endpoint} isn't trusted: {_one_line(error)}. Correct the URL (http or https), or "
            "set AWS_CA_BUNDLE to the file with the server's certificate authority"
        )
    if isinstance(error, boto.HTTPClientError | boto.ConnectionError):
        return (
            f"{endpoint} can't be reached. Check AWS_ENDPOINT_URL and whether the server is up "
            f"({type(error).__name__})"
        )
    return _one_line(error)


def _status_of(error: Any) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".")


def _plain_objects(store: _Store) -> list[_Object]:
    """The objects of a prefix that isn't published, as files of a folder."""
    objects = []
    for item in store.list_objects(""):
        if item.name.endswith("/") or not item.name:
            continue  # what web consoles create to show a folder
        if not _is_plain_name(item.name):
            raise InputError(
                f"{store.place} holds the object {item.name!r}, which can't be a file's path "
                "(an empty, '.' or '..' part); rename it."
            )
        objects.append(item)
    names = {item.name for item in objects}
    for item in objects:
        parent = item.name.rpartition("/")[0]
        while parent:
            if parent in names:
                raise InputError(
                    f"{store.place} holds both an object {parent!r} and objects below it, which "
                    "no folder can; rename one."
                )
            parent = parent.rpartition("/")[0]
    return objects


def _raise_missing(store: _Store, kind: str) -> NoReturn:
    """Says that nothing of this kind is there; the listing finds a missing bucket first."""
    place = store.place
    has_objects = store.has_objects()
    if kind == "file" and has_objects:
        raise InputError(f"{place} is a prefix with objects under it; give one object's location.")
    if kind == "folder" and place.key and store.head("") is not None:
        raise InputError(f"{place} is one object; give the prefix of a folder.")
    raise InputError(
        f"There is nothing at {place} (server {store.client.meta.endpoint_url}); correct the "
        "location."
    )


def _fetch_published_s3(store: _Store, marker: _Marker, folder: Path) -> Path:
    place = store.place
    prefix = f"{marker.content}/" if marker.content else ""
    where = f"{place}/{prefix}{MANIFEST_NAME}"
    content = store.read_small(f"{prefix}{MANIFEST_NAME}", _MANIFEST_MAX_BYTES)
    if content is None:
        raise InputError(f"{where} is missing; {_PUBLISH_AGAIN}.")
    manifest = _check_manifest(content, marker, where)
    if _holds_already(folder, manifest):
        return folder

    def fill(temporary: Path) -> None:
        for entry in manifest.files:
            path = temporary / entry.path
            path.parent.mkdir(parents=True, exist_ok=True)
            store.download(f"{prefix}{entry.path}", path)
            _check_file(path, entry, f"{place}/{prefix}{entry.path}")
        _write_records(temporary, manifest)

    if not _build(folder, fill) and not _holds_already(folder, manifest):
        _raise_busy(folder)
    logger.info("fetched and verified %s (%d files)", place, len(manifest.files))
    return folder


def _holds_already(folder: Path, manifest: Manifest) -> bool:
    """Whether a folder is a verified copy of this content; False means it is free."""
    with _local_errors("read", folder):
        if folder.is_dir():
            marker = _read_local_marker(folder)
            if marker == _Marker(manifest.sha256, content=""):
                _verify_local(folder)
                return True
    _require_empty(folder)
    return False


def _publish_s3(
    folder: Path, manifest: Manifest, place: S3Location, is_unchanged: Callable[[], bool]
) -> None:
    new = _Marker(manifest.sha256, content=f"content-{manifest.sha256[:32]}")
    for name in (entry.path for entry in manifest.files):
        key_bytes = len(place.key_of(f"{new.content}/{name}").encode())
        if key_bytes > _KEY_MAX_BYTES:
            raise InputError(
                f"{folder / name} would get a key of {key_bytes} bytes under {place}; S3 allows "
                f"{_KEY_MAX_BYTES}. Shorten the name or the prefix."
            )
    store = _Store(place)
    present = store.read_marker()
    if present is None:
        for entry in manifest.files:
            store.upload(folder / entry.path, f"{new.content}/{entry.path}")
        with _local_errors("read", folder):
            if not is_unchanged():
                _raise_changed(folder)
        store.put(f"{new.content}/{MANIFEST_NAME}", manifest.to_bytes())
        store.put_if_absent(MARKER_NAME, new.to_bytes())
        present = store.read_marker()
        if present is None:
            raise InputError(f"{place} was deleted while it was published; run this again.")
    _require_same(present, manifest, str(place))
    logger.info("published %s to %s (%d files)", folder, place, len(manifest.files))
