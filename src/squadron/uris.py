"""Removes users, passwords and tokens from URIs, so that the URIs may be shown."""

import logging
import re
from urllib.parse import unquote

# Everything before the last "@" of the part between "//" and the next "/".
_IN_AUTHORITY = re.compile(r"(?<=://)[^\s/?#]*@")
# A password may contain a raw "/" (SQLAlchemy allows it). "host:5000/page@tag" has no password:
# a port follows the colon. In the URI of a database, the only "@" is the one before its host.
_RAW_PASSWORD = re.compile(
    r"(?<=://)[^\s:/?#@]+:(?!\d{1,5}[/?#])[^\s@]*@"
    r"|(?:(?<=postgresql://)|(?<=psycopg://)|(?<=psycopg2://)|(?<=pymysql://)|(?<=mysql://))"
    r"[^\s:/?#@]+:[^\s@]*@"
)
_SECRET = (
    r"[\w.%-]*(?:token|passw|pwd|passphrase|secret|credential|signature|api_?key|access_?key|auth"
    r"|user|login)[\w.%-]*|key|sig|sas|code"
)
# Matches without a scheme, too: errors of `requests` name only the path and the query.
_PARAMETER = re.compile(rf"(?P<before>[?&;#])(?:{_SECRET})=[^\s&;#'\"`)>]*(?P<more>&?)", re.I)


def hide_secrets(text: str) -> str:
    """Removes user, password and secret query parameters from a URI, or from every URI of a text.

    The user is removed, too, because MLflow and S3 servers accept a token as the user's name.

    Args:
        text: A URI, or a message that may contain some.

    Returns:
        The text. Its URIs still lead to the same places.
    """
    while True:
        shorter = _RAW_PASSWORD.sub("", _IN_AUTHORITY.sub("", text))
        shorter = _PARAMETER.sub(lambda m: m["before"] if m["more"] else "", shorter)
        if shorter == text:
            return text
        text = shorter


def hide_in_record(record: logging.LogRecord) -> bool:
    """Removes secrets from a log record; use it as a filter of the loggers of other packages."""
    record.msg, record.args = hide_secrets(record.getMessage()), None
    return True


def secrets_of(uri: str) -> list[str]:
    """Returns the passwords and tokens in a URI, as written and decoded, the longest first."""
    found = []
    for part in (*_IN_AUTHORITY.findall(uri), *_RAW_PASSWORD.findall(uri)):
        found += [part.removesuffix("@").partition(":")[2]]
    found += [each.group().partition("=")[2].removesuffix("&") for each in _PARAMETER.finditer(uri)]
    return sorted({each for f in found for each in (f, unquote(f)) if each}, key=len, reverse=True)
