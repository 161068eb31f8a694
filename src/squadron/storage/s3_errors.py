"""Turns errors of boto3 into messages that say what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from squadron.errors import InputError
from squadron.storage import local
from squadron.uris import hide_secrets

_CHECK_RIGHTS = " Check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY (or role) and the bucket's policy."
# Error code of the server, or name of the exception -> fix. A reply without a body has its HTTP
# status as its code.
_REMEDIES = {
    "404": " Correct the location.",
    "NoSuchKey": " Correct the location.",
    "NoSuchBucket": " Create it or correct the name.",
    "403": _CHECK_RIGHTS,
    "AccessDenied": _CHECK_RIGHTS,
    "InvalidAccessKeyId": _CHECK_RIGHTS,
    "SignatureDoesNotMatch": _CHECK_RIGHTS,
    "NoCredentialsError": _CHECK_RIGHTS,
    "PartialCredentialsError": _CHECK_RIGHTS,
    "ExpiredToken": " Get new credentials.",
    "MissingContentLength": " Set SQUADRON_S3_CHECKSUMS=when_required.",
    "ReadTimeoutError": " Check the server, or raise SQUADRON_S3_READ_TIMEOUT (seconds).",
    "SSLError": " Correct the URL (http or https), or set AWS_CA_BUNDLE to the authority's file.",
    "ConnectionError": " Check AWS_ENDPOINT_URL and whether the server is up.",
    "HTTPClientError": " Check AWS_ENDPOINT_URL and whether the server is up.",
}


@contextmanager
def sentences(store: Any, name: str, verb: str, path: Path | None = None) -> Iterator[None]:
    """Turns errors into InputErrors.

    Args:
        store: The location and its client.
        name: Name of the object in this location.
        verb: "read" or "written".
        path: The local file that is written or read.
    """
    from botocore.exceptions import BotoCoreError, ClientError
    from s3transfer.exceptions import RetriesExceededError, S3DownloadFailedError

    where = f"{store.place}/{name}".rstrip("/")
    local_verb = "written" if path and verb == "read" else "read"
    with local.sentences(local_verb, path or Path(where)):
        try:
            yield
        except (BotoCoreError, ClientError, RetriesExceededError, S3DownloadFailedError) as error:
            cause = getattr(error, "last_exception", error)
            kinds = [kind.__name__ for kind in type(cause).__mro__]
            if isinstance(cause, ClientError):
                kinds = [cause.response["Error"]["Code"]]
            else:  # no server looked at the object, so the message names the location
                where = str(store.place)
            remedy = next((_REMEDIES[kind] for kind in kinds if kind in _REMEDIES), "")
            reason = " ".join(str(cause).split()).rstrip(".")  # one line
            raise InputError(
                hide_secrets(f"{where} can't be {verb}: {reason} (server {store.server}).{remedy}")
            ) from error
