"""Reads names of registered models: models:/NAME/VERSION and models:/NAME@ALIAS, as in MLflow.

The names are only parsed here; `registry` looks them up.
"""

import re
from dataclasses import dataclass

from squadron.errors import InputError

CHAMPION_ALIASES = ("staging", "production", "candidate")
"""The version with the first of these aliases that is set is the champion, and answers those who
name no version."""
_SCHEME = "models:"
# The characters that have no meaning in a registry's search or in its URIs.
_NAME = re.compile(r"models:/([^/:@'\"\s][^/:@'\"]*)(?:/([1-9][0-9]*)|@([A-Za-z][A-Za-z0-9_-]*))")


@dataclass(frozen=True)
class ModelName:
    """A registered model and one of its versions."""

    name: str
    version_or_alias: str


def read_model_name(backbone: str) -> ModelName | None:
    """Returns the registered model that a backbone names; None if it names something else.

    Raises:
        InputError: If the name begins with "models:" and is not valid.

    >>> read_model_name("models:/squadron-example@staging")
    ModelName(name='squadron-example', version_or_alias='staging')
    """
    if not backbone.startswith(_SCHEME):
        return None
    match = _NAME.fullmatch(backbone)
    if not match:
        raise InputError(
            f"backbone: {backbone!r} is not allowed; a registered model is models:/NAME/VERSION or "
            "models:/NAME@ALIAS, such as models:/squadron-example@staging"
        )
    return ModelName(match[1], match[2] or match[3])
