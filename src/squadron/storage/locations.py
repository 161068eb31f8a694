"""Reads locations: a path of this machine, or ``s3://bucket/prefix``."""

import re
from dataclasses import dataclass
from pathlib import Path

from squadron.errors import InputError
from squadron.uris import hide_secrets

_OTHER_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://|[sS]3:")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_UNUSABLE = re.compile(r"[\0\ud800-\udfff]")  # lone surrogates: a name that isn't UTF-8


@dataclass(frozen=True)
class S3Location:
    """A bucket and a key (or key prefix) in it, without slashes at its ends."""

    bucket: str
    key: str = ""

    def __str__(self) -> str:
        """Returns the location as people write it."""
        return f"s3://{self.bucket}/{self.key}".rstrip("/")

    def key_of(self, name: str) -> str:
        """Returns the key of a name under this location; "" gives the key of the location."""
        return "/".join(part for part in (self.key, name) if part)


def parse_location(location: str) -> Path | S3Location:
    """Reads a path of this machine, ``s3://bucket`` or ``s3://bucket/prefix``; refuses others."""
    is_s3 = location.startswith("s3://")
    is_other = _OTHER_SCHEME.match(location) and not is_s3
    shown = hide_secrets(location)
    # S3 prefixes are checked below, with a message of their own.
    is_unusable = "\0" in location or (not is_s3 and _UNUSABLE.search(location))
    if not location or location != location.strip() or is_unusable or is_other:
        raise InputError(
            f"The location {shown!r} can't be used; give a path in UTF-8 (no 'file://', no "
            "white space at its ends) or 's3://bucket/prefix'."
        )
    if not is_s3:
        return Path(location)
    bucket, _, key = location.removeprefix("s3://").removesuffix("/").partition("/")
    if not _BUCKET.fullmatch(bucket) or (key and not is_plain_name(key)):
        raise InputError(
            f"The location {shown!r} isn't 's3://bucket/prefix' with a bucket name of 3 to 63 "
            "lower-case letters, digits, dots and hyphens, and a UTF-8 prefix without empty, '.' "
            "or '..' parts; correct it."
        )
    return S3Location(bucket, key)


def is_remote(location: str) -> bool:
    """Says whether a location is in S3; raises the same errors as `parse_location`."""
    return isinstance(parse_location(location), S3Location)


def join(location: str, *names: str) -> str:
    """Returns the location of a name in a folder or S3 prefix; refuses names that lead out."""
    place = parse_location(location)
    for name in names:
        require_plain_name(name, location)
    if isinstance(place, S3Location):
        return str(S3Location(place.bucket, place.key_of("/".join(names))))
    return str(place.joinpath(*names))


def is_plain_name(name: str) -> bool:
    """Says whether a relative path stays inside its folder and is valid UTF-8."""
    return not _UNUSABLE.search(name) and not {"", ".", ".."} & set(name.split("/"))


def require_plain_name(name: str, location: str) -> None:
    """Refuses a name that leads out of a location."""
    if not is_plain_name(name):
        raise InputError(
            f"The name {name!r} can't be used in {location}; give a relative name in UTF-8 "
            "without empty, '.' or '..' parts."
        )
