"""Reads from the environment how to talk to S3. boto3 itself reads credentials and region."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from squadron.errors import InputError
from squadron.uris import hide_secrets

# The allowed values of a variable, as a pattern and in words.
_URL = (
    r"(https?://(\[[\da-fA-F:]+\]|[A-Za-z0-9.-]+)(:\d+)?(/[^@\s]*)?)?",
    "a URL without user name and password such as 'http://127.0.0.1:9000'",
)
_CHECKSUMS = ("when_required|when_supported", "'when_required' or 'when_supported'")
_SECONDS = (r"(?=.*[1-9])\d{1,5}(\.\d+)?", "a number of seconds above 0")
_COUNT = (r"[1-9]\d{0,2}", "a whole number above 0")


@dataclass(frozen=True)
class StorageSettings:
    """The settings of a connection to S3."""

    endpoint_url: str | None = None
    """From AWS_ENDPOINT_URL_S3, else AWS_ENDPOINT_URL. None means AWS or the AWS profile's URL."""

    checksums: Any = "when_required"
    """When boto3 adds checksums, from SQUADRON_S3_CHECKSUMS. The default of boto3, when_supported,
    makes Ceph refuse uploads over https (MissingContentLength), but object lock needs it."""

    connect_timeout_seconds: float = 5.0
    """From SQUADRON_S3_CONNECT_TIMEOUT."""

    read_timeout_seconds: float = 60.0
    """How long the server may be silent before an attempt fails, from SQUADRON_S3_READ_TIMEOUT."""

    max_attempts: int = 3
    """Number of attempts, including the first one, from SQUADRON_S3_MAX_ATTEMPTS."""


def read_settings(environment: Mapping[str, str] = os.environ) -> StorageSettings:
    """Reads the storage settings, and refuses values that are not allowed."""

    def read(name: str, default: object, allowed: tuple[str, str]) -> str:
        text = environment.get(name) or str(default)
        if not re.fullmatch(allowed[0], text):
            shown = hide_secrets(text)  # without this, a password could get into logs
            raise InputError(f"{name} is {shown!r}; give {allowed[1]}, or unset it.")
        return text

    usual = StorageSettings()
    url = read("AWS_ENDPOINT_URL_S3", "", _URL) or read("AWS_ENDPOINT_URL", "", _URL)
    return StorageSettings(
        url or None,
        read("SQUADRON_S3_CHECKSUMS", usual.checksums, _CHECKSUMS),
        float(read("SQUADRON_S3_CONNECT_TIMEOUT", usual.connect_timeout_seconds, _SECONDS)),
        float(read("SQUADRON_S3_READ_TIMEOUT", usual.read_timeout_seconds, _SECONDS)),
        int(read("SQUADRON_S3_MAX_ATTEMPTS", usual.max_attempts, _COUNT)),
    )
