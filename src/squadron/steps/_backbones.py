"""A contender's backbone as a step uses it: its folder, checked against what was planned."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from squadron.models.model_names import read_model_name
from squadron.provenance import Digests


@contextlib.contextmanager
def fetched(backbone: str, planned: Digests) -> Iterator[str]:
    """Gives the folder of a `models:/` backbone, whole and checked; any other name as it is.

    Args:
        backbone: Of a contender.
        planned: What the step was planned with.

    Raises:
        InputError: If there is no such version, its files are missing or altered, or the backbone
            is not the one that the race was planned with.
    """
    chosen = read_model_name(backbone)
    if chosen is None:
        from squadron.models import backbones

        if backbone in planned.backbones:
            planned.check_backbone(backbone, backbones.fingerprint(backbone))
        yield backbone
        return
    from squadron.models import model_folder
    from squadron.models.variants import champion
    from squadron.registry.versions import fetch_model, find_version, fingerprint

    version = find_version(chosen.name, chosen.version_or_alias)
    planned.check_backbone(backbone, fingerprint(version))
    with tempfile.TemporaryDirectory(prefix="squadron-") as temporary:
        folder = fetch_model(version, Path(temporary))
        model_folder.check_files(folder)
        yield str(champion.find_original(folder))
