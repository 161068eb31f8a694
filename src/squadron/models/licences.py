"""The licences of backbones that are known here, and which licences forbid commercial use.

A licence is a text that a person or a table states, such as "Apache-2.0". Nothing here is legal
advice, and nobody checks what a person states.
"""

import re

from squadron.models import minilm, scratch, starter

UNKNOWN = "unknown"
"""How the text for a licence begins that nobody has stated."""
_KNOWN = {
    # The card of sentence-transformers/all-MiniLM-L6-v2.
    minilm.NAME: "Apache-2.0",
    starter.NAME: starter.LICENCE,
}
_KNOWN_COPIES = {
    # "SpanBERT is CC-BY-NC 4.0. The license applies to the pre-trained models as well."
    # (README.md of github.com/facebookresearch/SpanBERT; the pages on the hub state nothing.)
    "spanbert-base-cased": "CC-BY-NC-4.0",
    "spanbert-large-cased": "CC-BY-NC-4.0",
}
"""Last part of a hub name or of a folder -> licence. A converted copy has the same licence."""
_NOT_COMMERCIAL = re.compile(
    r"(?<![a-z])nc(?![a-z])|non[\s_-]?commercial|research[\s_-]+(?:use[\s_-]+)?only", re.I
)


def find_licence(backbone: str) -> str:
    """Returns the licence of a backbone's weights, or a text that says that it is unknown.

    Args:
        backbone: As a contender names it: "starter", a folder, "org/name" or "org/name@revision".
    """
    if scratch.read_kind(backbone):
        return "none: trained from nothing"
    if backbone in _KNOWN:
        return _KNOWN[backbone]
    last = backbone.partition("@")[0].rstrip("/").rpartition("/")[2]
    return _KNOWN_COPIES.get(last.casefold()) or f"{UNKNOWN}; see {backbone}"


def forbids_commercial_use(licence: str) -> bool:
    """Says whether a licence has a NonCommercial clause or is for research only, by its name."""
    return _NOT_COMMERCIAL.search(licence) is not None


def is_unknown(licence: str) -> bool:
    """Says whether nobody has stated a licence."""
    return not licence.strip() or licence.strip().casefold().startswith(UNKNOWN)
