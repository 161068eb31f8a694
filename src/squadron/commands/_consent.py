"""Asks a person before something is changed."""

from squadron.errors import InputError


def agrees(question: str) -> bool:
    """Asks a question and returns whether the answer is yes. Every other answer is no.

    Raises:
        InputError: If there is nobody to ask.
    """
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:
        raise InputError("There is nobody to ask; add --yes to go on without asking") from None
