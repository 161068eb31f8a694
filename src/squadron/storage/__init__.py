"""Publishes and fetches files, with the same functions for local folders and S3 prefixes.

A location is a `str`: a path, or ``s3://bucket/prefix``. This package owns publishing with a
manifest and a commit marker, fetching with verification, and digests that show whether content
changed. It does not know what the files mean, and it keeps no state. All failures are InputErrors
that name the location and the fix. Published content has this layout::

    a folder                          an S3 prefix
    location/weights.safetensors      location/content-<digest>/weights.safetensors
    location/manifest.json            location/content-<digest>/manifest.json
    location/_COMMITTED               location/_COMMITTED

The manifest lists path, size and sha256 of every file. The marker holds the sha256 of the manifest
and names the folder with the content. A local folder is renamed into place when it is complete. In
S3, content lies under its own digest, and the marker is written last and only if there is none. So
two publishers can't overwrite each other's files, and the marker decides which content counts.

Attempts that were killed may leave files that can be deleted: ``content-*`` prefixes that no marker
names, ``.unfinished-*`` folders, and parts of uploads (the lifecycle rule
AbortIncompleteMultipartUpload of the bucket removes them). Fetched content keeps its manifest and
marker. May import errors and uris.
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
    "fetch",
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


def fetch(location: str, folder: Path) -> Path:
    """Makes a file or a folder readable on this machine, and returns its path.

    Args:
        location: A path, which is returned, or the ``s3://`` location of an object or a prefix. If
            both exist under one name, it is the object.
        folder: Where a download goes, under the last name of the location. It must be empty or not
            exist.
    """
    place = parse_location(location)
    if isinstance(place, S3Location):
        is_file = s3.is_object(place)
        is_folder = not is_file
        folder = folder if is_file else folder / str(place).rpartition("/")[2]
    else:
        with local.sentences("read", place):
            is_folder = place.is_dir()
    return fetch_folder(location, folder) if is_folder else fetch_file(location, folder)


def fetch_file(location: str, folder: Path) -> Path:
    """Makes one file readable on this machine, and returns its path.

    A download is complete, or the file does not exist.

    Args:
        location: The path of a file, which is returned, or the ``s3://`` location of one object.
        folder: Where a download goes, under the last name of the object. An existing file is
            replaced.
    """
    place = parse_location(location)
    if isinstance(place, S3Location):
        return s3.fetch_file(place, folder)
    with local.sentences("read", place), place.open("rb"):
        return place


def fetch_folder(location: str, folder: Path) -> Path:
    """Makes a folder readable on this machine, and returns its path.

    Published content is verified; other content is not. Content that is only partly published, or
    that differs from its commit marker, is refused.

    Args:
        location: The path of a folder, which is returned, or an ``s3://`` prefix.
        folder: Where a download goes. It is complete afterwards, or nothing is written. It must not
            exist, be empty, or already hold this published content. Its parent must be writable.
    """
    place = parse_location(location)
    if isinstance(place, S3Location):
        return s3.fetch_folder(place, folder, must_be_published=False)
    with local.sentences("read", place):
        is_published = local.read_marker(place) is not None
    return local.verify(place) if is_published else place


def fetch_published(location: str, folder: Path) -> Path:
    """Does the same as `fetch_folder`, but refuses content without a commit marker."""
    place = parse_location(location)
    if isinstance(place, S3Location):
        return s3.fetch_folder(place, folder, must_be_published=True)
    return local.verify(place)


def publish(folder: Path, location: str) -> str:
    """Publishes all files of a folder or none, and returns the location.

    To publish the same content again does nothing, or completes an earlier attempt that was killed.
    Empty folders, file modes, and the manifest and marker of a published folder are not published.

    Args:
        folder: The folder to publish.
        location: The folder or ``s3://`` prefix, which will hold only this content.

    Raises:
        InputError: If other content is published there, there is nothing to publish, a name or file
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
    """Publishes a folder; if other content is already there, publishes it beside that.

    The name of the second location ends with the digest of the content, so that the same content
    always gets the same place. This is for results that may be made twice, such as a report with a
    newer template.

    Returns:
        The location of the content.
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
    """Returns a hexadecimal digest that changes when a file, folder or prefix changes.

    Local files are read: the same files have the same digest everywhere, published or not. In S3,
    the digest is made from names, sizes and ETags, so equal content in two places may differ.
    """
    place = parse_location(location)
    if isinstance(place, S3Location):
        return s3.digest(place)
    with local.sentences("read", place):
        if place.is_dir():
            return local.read_content(place)[1].sha256
        return local.hash_file(place)[1]
