"""Names of registered models as MLflow writes them: models:/NAME/VERSION and models:/NAME@ALIAS.

Owns how they read. Does not ask a registry (`registry.py` does), so that every room may know them.
"""

import re
from dataclasses import dataclass

from squadron.errors import InputError

_SCHEME = "models:"
# What a registry's search and its URIs leave free.
_NAME = re.compile(r"models:/([^/:@'\"\s][^/:@'\"]*)(?:/([1-9][0-9]*)|@([A-Za-z][A-Za-z0-9_-]*))")


@dataclass(frozen=True)
class ModelName:
    """A registered model and which of its versions is meant."""

    name: str
    version_or_alias: str


def read_model_name(backbone: str) -> ModelName | None:
    """What a backbone's name says of a registered model; None if it names something else.

    Raises:
        InputError: If it begins like one and is none.

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
