"""Text for the Markdown fields of MLflow: descriptions of runs, experiments and models."""

import re

LONGEST = 4800
"""Maximum number of characters of a description. A tag of MLflow holds 5,000 on every server."""


def plain(text: object) -> str:
    """Escapes a text for Markdown, so that nothing in it marks up, and puts it on one line."""
    return re.sub(r"([\\`*_{}\[\]<>#|&])", r"\\\1", " ".join(str(text).split()))
