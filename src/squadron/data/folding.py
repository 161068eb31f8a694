"""Compares texts without regard to Unicode form, white space and case."""

import unicodedata


def fold_text(text: str) -> str:
    """Returns the form of a text for comparison: NFKC, folded case, single spaces.

    Source: Unicode Standard 15, section 3.13, caseless matching of compatibility forms. Spaces
    come last, because NFKC turns other characters (such as U+00A0) into spaces.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.split())
