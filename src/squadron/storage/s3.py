"""Fetches, publishes and digests S3 prefixes with boto3, which is imported on first use."""

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn
from uuid import uuid4

from squadron.errors import InputError
from squadron.storage import local
from squadron.storage import manifest as records
from squadron.storage.locations import S3Location, require_plain_name
from squadron.storage.manifest import MANIFEST_NAME, MARKER_NAME, Manifest, Marker
from squadron.storage.s3_errors import sentences
from squadron.storage.settings import read_settings
from squadron.uris import hide_secrets

_CONTENT = re.compile(r"content-[0-9a-f]{32}/")  # where `publish` puts it


class Store:
    """One S3 location with a client of its own. All errors of its methods are InputErrors."""

    def __init__(self, place: S3Location) -> None:
        from boto3.session import Session
        from botocore.config import Config

        settings = read_settings()
        config = Config(
            connect_timeout=settings.connect_timeout_seconds,
            read_timeout=settings.read_timeout_seconds,
            retries={"total_max_attempts": settings.max_attempts, "mode": "standard"},
            request_checksum_calculation=settings.checksums,
            response_checksum_validation=settings.checksums,
        )
        url = settings.endpoint_url
        self.place = place
        self.server = hide_secrets(url or "") or "of the AWS configuration"
        with sentences(self, "", "read"):
            # The default session of boto3 would keep credentials between calls.
            self.client: Any = Session().client("s3", endpoint_url=url, config=config)

    def list_objects(self, prefix: str) -> Iterator[tuple[str, int, str]]:
        """Yields key, size in bytes and ETag of all objects with this prefix, sorted by key."""
        pages = self.client.get_paginator("list_objects_v2")
        with sentences(self, "", "read"):
            for page in pages.paginate(Bucket=self.place.bucket, Prefix=prefix):
                for item in page.get("Contents", []):
                    yield item["Key"], item["Size"], item["ETag"]

    def read(self, name: str) -> bytes | None:
        """Returns the content of a small object, or None if it does not exist."""
        with sentences(self, name, "read"):
            try:
                content: bytes = self.client.get_object(**self._at(name))["Body"].read()
            except self.client.exceptions.NoSuchKey:
                return None
        return content

    def read_marker(self) -> Marker | None:
        """Returns the commit marker, or None if it does not exist."""
        content = self.read(MARKER_NAME)
        where = f"{self.place}/{MARKER_NAME}"
        return None if content is None else Marker.from_bytes(content, where)

    def download(self, name: str, path: Path) -> None:
        """Writes an object to a new file."""
        with sentences(self, name, "read", path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("xb") as file:
                self.client.download_fileobj(Fileobj=file, **self._at(name))

    def upload(self, path: Path, name: str) -> None:
        """Uploads a file. Large files go in parts, which are removed if one of them fails."""
        with sentences(self, name, "written", path), path.open("rb") as file:
            self.client.upload_fileobj(Fileobj=file, **self._at(name))

    def write(self, name: str, content: bytes, **condition: str) -> None:
        """Writes a small object. With IfNoneMatch="*", an object that is already there stays."""
        with sentences(self, name, "written"):
            try:
                self.client.put_object(Body=content, **condition, **self._at(name))
            except self.client.exceptions.ClientError as error:
                status = error.response["ResponseMetadata"]["HTTPStatusCode"]
                if condition and status == 501:  # the server does not implement conditions
                    self.write(name, content)
                elif not condition or status not in (409, 412):  # another writer was faster
                    raise

    def remove(self, name: str) -> None:
        """Deletes an object, if that is allowed."""
        with contextlib.suppress(self.client.exceptions.ClientError):
            self.client.delete_object(**self._at(name))

    def _at(self, name: str) -> dict[str, str]:
        return {"Bucket": self.place.bucket, "Key": self.place.key_of(name)}


def is_object(place: S3Location) -> bool:
    """Says whether an object has exactly this key; otherwise it may be a prefix."""
    first = next(Store(place).list_objects(place.key), None)
    return first is not None and first[0] == place.key


def fetch_file(place: S3Location, folder: Path) -> Path:
    """Downloads one object completely, or leaves no file."""
    target = folder / place.key.rpartition("/")[2]
    with local.sentences("written", target):
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=local.UNFINISHED, dir=folder) as temporary:
            Store(place).download("", Path(temporary, "object"))
            Path(temporary, "object").replace(target)
    return target


def fetch_folder(place: S3Location, folder: Path, must_be_published: bool) -> Path:
    """Downloads all objects of a prefix or none, and verifies published content."""
    store = Store(place)
    marker = store.read_marker()
    if marker is not None:
        return _fetch_published(store, marker, folder)
    prefix = f"{place.key}/".removeprefix("/")
    names = [key.removeprefix(prefix) for key, _, _ in store.list_objects(prefix)]
    names = [name for name in names if name and name[-1] != "/"]  # empty "folders" of web consoles
    if not names:
        _raise_missing(store)
    if must_be_published or any(_CONTENT.match(name) for name in names):
        records.raise_uncommitted(str(place))
    for name in names:
        require_plain_name(name, str(place))

    def fill(built: Path) -> None:
        for name in names:
            store.download(name, built / name)

    local.build(folder, None, fill)
    return folder


def _fetch_published(store: Store, marker: Marker, folder: Path) -> Path:
    prefix = f"{marker.content}/".removeprefix("/")
    where = f"{store.place}/{prefix}{MANIFEST_NAME}"
    content = store.read(f"{prefix}{MANIFEST_NAME}")
    if content is None:
        raise InputError(f"{where} is missing; {records.PUBLISH_AGAIN}.")
    manifest = Manifest.from_bytes(content, marker, where)

    def fill(built: Path) -> None:
        for file in manifest.files:
            store.download(f"{prefix}{file.path}", built / file.path)
        local.require_described(built, manifest, where.removesuffix(f"/{MANIFEST_NAME}"))

    if not local.build(folder, manifest, fill):
        return local.verify(folder)
    return folder


def publish(folder: Path, manifest: Manifest, place: S3Location) -> None:
    """Uploads a folder that the manifest describes, and writes the marker if there is none."""
    store = Store(place)
    new = Marker(manifest.sha256, content=f"content-{manifest.sha256[:32]}")
    marker = store.read_marker()
    if marker is None:
        for file in manifest.files:
            store.upload(folder / file.path, f"{new.content}/{file.path}")
        with local.sentences("read", folder):
            local.require_described(folder, manifest, str(folder), records.TRY_AGAIN)
        store.write(f"{new.content}/{MANIFEST_NAME}", manifest.to_bytes())
        store.write(MARKER_NAME, new.to_bytes(), IfNoneMatch="*")
        marker = store.read_marker()
    if marker is None:
        raise InputError(f"{place} was deleted while it was published; run this again.")
    records.require_same(marker, manifest, str(place))


def require_writable(place: S3Location) -> None:
    """Checks that the prefix can be written: writes an empty object and removes it."""
    store = Store(place)
    name = f"{local.UNFINISHED}{uuid4().hex}"
    store.write(name, b"")
    store.remove(name)


def digest(place: S3Location) -> str:
    """Returns a digest of the keys, sizes and ETags of an object or of all objects of a prefix."""
    store = Store(place)
    marker = store.read_marker()
    prefix = f"{place.key_of(marker.content if marker else '')}/".removeprefix("/")
    # An object and a prefix may have the same name, and the caller may fetch either of them.
    own = [item for item in islice(store.list_objects(place.key), 1) if item[0] == place.key]
    objects = own + list(store.list_objects(prefix))
    if not objects:
        _raise_missing(store)
    record = json.dumps([marker and marker.manifest_sha256, objects])
    return hashlib.sha256(record.encode()).hexdigest()


def _raise_missing(store: Store) -> NoReturn:
    where = f"{store.place} (server {store.server})"
    raise InputError(f"There are no objects at {where}; correct the location.")
