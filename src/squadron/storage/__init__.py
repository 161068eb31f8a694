"""Where files live: a folder of this machine or a prefix of an S3 bucket, by the same functions.

A location is a `str`: a path, or ``s3://bucket/prefix``. This package owns publishing with a
manifest and a commit marker, fetching with verification, and digests that tell whether content
changed. It doesn't know what the files mean and keeps no state. Whatever fails raises an
InputError that names the location and the remedy. Published content lies so::

    a folder                          an S3 prefix
    location/weights.safetensors      location/content-<digest>/weights.safetensors
    location/manifest.json            location/content-<digest>/manifest.json
    location/_COMMITTED               location/_COMMITTED

The manifest lists path, size and sha256 of every file; the marker holds the manifest's sha256 and
names the folder with the content. A folder is renamed into place whole. In S3 content lies under
its own digest and the marker is written last and only if there is none: two publishers can't
overwrite each other's files, and the marker decides. What killed attempts leave may be deleted:
``content-*`` that no marker names, ``.unfinished-*`` folders, and the parts of killed uploads (by
the bucket's lifecycle rule AbortIncompleteMultipartUpload). Fetched content keeps its records.
"""

from pathlib import Path

from squadron.errors import InputError
from squadron.storage import local, s3
from squadron.storage.locations import S3Location, is_remote, join, parse_location
from squadron.storage.manifest import MARKER_NAME, OtherContentError
from squadron.storage.settings import StorageSettings, read_settings

__all__ = [
    "MARKER_NAME",
    "OtherContentError",
    "S3Location",
    "StorageSettings",
    "content_digest",
    "fetch_file",
    "fetch_folder",
    "fetch_published",
    "is_remote",
    "join",
    "parse_location",
    "publish",
    "publish_beside",
    "read_settings",
    "require_writable",
]


def fetch_file(location: str, folder: Path) -> Path:
    """Makes one file readable on this machine: whole, or not there at all.

    Args:
        location: A file's path, which is returned, or the ``s3://`` location of one object.
        folder: Where a download goes, under the object's last name; replaced if it exists.
    """
    place = parse_location(location)
    if isinstance(place, S3Location):
        return s3.fetch_file(place, folder)
    with local.sentences("read", place), place.open("rb"):
        return place


def fetch_folder(location: str, folder: Path) -> Path:
    """Makes a folder readable on this machine; published content is verified, other is not.

    Content that is half published, or isn't what its commit marker says, is refused.

    Args:
        location: A folder's path, which is returned, or an ``s3://`` prefix.
        folder: Where a download goes: whole, or not at all. It must be missing or empty, or hold
            this published content already, and its parent must be writable.
    """
    place = parse_location(location)
    if isinstance(place, S3Location):
        return s3.fetch_folder(place, folder, must_be_published=False)
    with local.sentences("read", place):
        is_published = local.read_marker(place) is not None
    return local.verify(place) if is_published else place


def fetch_published(location: str, folder: Path) -> Path:
    """As `fetch_folder`, but refuses content without a commit marker."""
    place = parse_location(location)
    if isinstance(place, S3Location):
        return s3.fetch_folder(place, folder, must_be_published=True)
    return local.verify(place)


def publish(folder: Path, location: str) -> str:
    """Publishes all files of a folder, all or nothing, and returns the location.

    Publishing the same content again does nothing, or completes what an attempt that died left
    half done. Empty folders, file modes and a published folder's records aren't published.

    Args:
        folder: What to publish.
        location: The folder or ``s3://`` prefix that will stand for this content alone.

    Raises:
        InputError: Other content is published there, there is nothing to publish, a name or file
            can't be published, or the location can't be written.
    """
    place = parse_location(location)
    with local.sentences("read", folder):
        root, manifest = local.read_content(folder)
    if not manifest.files:
        raise InputError(f"{folder} holds no file; there is nothing to publish.")
    if isinstance(place, S3Location):
        s3.publish(root, manifest, place)
    else:
        local.publish(root, manifest, place)
    return str(place)


def publish_beside(folder: Path, location: str) -> str:
    """As `publish`; other content that is there already stays, and this goes beside it.

    The name ends with the content's digest, so the same content again finds its place. For results
    that may be made twice, such as a report with a newer template: what is there stays.

    Returns:
        Where the content is.
    """
    try:
        return publish(folder, location)
    except OtherContentError:
        return publish(folder, f"{location.rstrip('/')}-{content_digest(str(folder))[:8]}")


def require_writable(location: str) -> None:
    """Checks that the location is writable before a long run starts, and leaves nothing there.

    Raises:
        InputError: If the location can't be written.
    """
    place = parse_location(location)
    if isinstance(place, S3Location):
        s3.require_writable(place)
    else:
        local.require_writable(place)


def content_digest(location: str) -> str:
    """A hexadecimal digest that changes when the content of a file, folder or prefix does.

    Local files are read: the same files give the same digest anywhere, published or not. In S3 the
    digest is made of names, sizes and ETags, so the same content in two places may differ.
    """
    place = parse_location(location)
    if isinstance(place, S3Location):
        return s3.digest(place)
    with local.sentences("read", place):
        if place.is_dir():
            return local.read_content(place)[1].sha256
        return local.hash_file(place)[1]
