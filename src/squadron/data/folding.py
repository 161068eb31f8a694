"""When two texts count as the same: Unicode form, white space and case make no difference."""

import unicodedata


def fold_text(text: str) -> str:
    """Returns the form in which equal texts are equal: NFKC, folded case, single spaces.

    Source: Unicode Standard 15, section 3.13, caseless matching of compatibility forms. The space
    comes last, because NFKC turns other characters (such as U+00A0) into spaces.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(folded.split())
