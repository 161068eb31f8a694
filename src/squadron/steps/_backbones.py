"""A registered model as a backbone: its folder, for as long as a step needs it."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from squadron.model_names import read_model_name


@contextlib.contextmanager
def fetched(backbone: str) -> Iterator[str]:
    """Gives the folder of a `models:/` backbone, whole and checked; any other name as it is.

    Args:
        backbone: Of a contender.

    Raises:
        InputError: If there is no such version, or its files are missing or altered.
    """
    chosen = read_model_name(backbone)
    if chosen is None:
        yield backbone
        return
    from squadron import model_folder, registry
    from squadron.variants import champion

    version = registry.find_version(chosen.name, chosen.version_or_alias)
    with tempfile.TemporaryDirectory(prefix="squadron-") as temporary:
        folder = registry.fetch_model(version, Path(temporary))
        model_folder.check_files(folder)
        yield str(champion.find_original(folder))
