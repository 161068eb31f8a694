"""Decodes the texts that a person gives to a command."""

from squadron.errors import InputError


def decode(content: bytes, name: str) -> str:
    """Returns a text in UTF-8, without a byte order mark.

    Args:
        content: The bytes of the text.
        name: The option and the file, for the message.

    Raises:
        InputError: If it is not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} is not UTF-8 text (byte {error.start:,}); save it as UTF-8"
        ) from None
