"""URIs as they may be shown: without user, password or token."""

import re
from urllib.parse import unquote

# Everything before the last "@" of the authority.
_IN_AUTHORITY = re.compile(r"(?<=://)[^\s/?#]*@")
# A password may hold a raw "/" (SQLAlchemy allows it). "host:5000/page@tag" has none: what follows
# the colon is a port. The URI of a database holds no "@" but the one before its host.
_RAW_PASSWORD = re.compile(
    r"(?<=://)[^\s:/?#@]+:(?!\d{1,5}[/?#])[^\s@]*@"
    r"|(?:(?<=postgresql://)|(?<=psycopg://)|(?<=psycopg2://)|(?<=pymysql://)|(?<=mysql://))"
    r"[^\s:/?#@]+:[^\s@]*@"
)
_SECRET = (
    r"[\w.%-]*(?:token|passw|pwd|passphrase|secret|credential|signature|api_?key|access_?key|auth"
    r"|user|login)[\w.%-]*|key|sig|sas|code"
)
# Also without a scheme before it: an error of `requests` names the path and the query alone.
_PARAMETER = re.compile(rf"(?P<before>[?&;#])(?:{_SECRET})=[^\s&;#'\"`)>]*(?P<more>&?)", re.I)


def hide_secrets(text: str) -> str:
    """Removes user, password and secret query parameters from a URI, or from every URI of a text.

    A user stands for a password, too: MLflow and S3 servers take a token as the user's name.

    Args:
        text: A URI, or a message that may hold some.

    Returns:
        The text; a URI still leads to the same place, for whoever has the rights.
    """
    while True:
        shorter = _RAW_PASSWORD.sub("", _IN_AUTHORITY.sub("", text))
        shorter = _PARAMETER.sub(lambda m: m["before"] if m["more"] else "", shorter)
        if shorter == text:
            return text
        text = shorter


def secrets_of(uri: str) -> list[str]:
    """The passwords and tokens that a URI holds, as written and decoded; longest first."""
    found = []
    for part in (*_IN_AUTHORITY.findall(uri), *_RAW_PASSWORD.findall(uri)):
        found += [part.removesuffix("@").partition(":")[2]]
    found += [each.group().partition("=")[2].removesuffix("&") for each in _PARAMETER.finditer(uri)]
    return sorted({each for f in found for each in (f, unquote(f)) if each}, key=len, reverse=True)
