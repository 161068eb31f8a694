"""Which aliases a person's choice of a model follows, and which version they mean now."""

from dataclasses import dataclass

from squadron.errors import InputError
from squadron.models.model_names import CHAMPION_ALIASES, read_model_name
from squadron.registry.opening import find_named_version, is_place
from squadron.registry.versions import Registered, find_version, list_aliases


@dataclass(frozen=True)
class Followed:
    """A registered model of which the version with an alias is served."""

    name: str
    aliases: tuple[str, ...]
    """The first of them that exists counts."""

    def find(self) -> tuple[Registered, str]:
        """Returns the version that is meant now, and the alias by which it is.

        Raises:
            InputError: If no version has one of the aliases, or the registry can't be reached.
        """
        known = list_aliases(self.name)
        alias = next((each for each in self.aliases if each in known), "")
        if not alias:
            raise InputError(
                f"No version of {self.name} has the alias {' or '.join(self.aliases)}; give one "
                "with `squadron promote`"
            )
        return find_version(self.name, known[alias]), alias


def find_followed(model: str, version: str) -> Followed | None:
    """Returns what is followed if a person names a model as for `open_model`.

    Returns:
        The model and its aliases; None for a folder, the starter, and a version that is named by
        its number, which never change.

    Raises:
        InputError: If there is no such model.
    """
    if is_place(model):
        return None
    chosen = find_named_version(model, version)
    if chosen is None:
        return None
    named = read_model_name(model)
    wanted = named.version_or_alias if named else version
    if not wanted and model and model != chosen.name:
        wanted = model  # A version or an alias of the model that was registered last.
    if wanted.isdigit():
        return None
    return Followed(chosen.name, (wanted,) if wanted else CHAMPION_ALIASES)
