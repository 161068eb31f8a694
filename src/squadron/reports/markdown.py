"""Text in the Markdown fields of MLflow's pages: descriptions of runs, experiments and models."""

import re

LONGEST = 4800
"""Characters of a description: a tag of MLflow holds 5,000 on every server."""


def plain(text: object) -> str:
    """Text that stays text in Markdown: on one line, with nothing that marks up."""
    return re.sub(r"([\\`*_{}\[\]<>#|&])", r"\\\1", " ".join(str(text).split()))
