"""Gets a contender's backbone for a step and checks that it is the planned one."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from squadron.models.model_names import read_model_name
from squadron.provenance import Digests


@contextlib.contextmanager
def fetched(backbone: str, planned: Digests) -> Iterator[str]:
    """Fetches the folder of a `models:/` backbone; any other backbone keeps its name.

    Args:
        backbone: A contender's backbone.
        planned: The digests that the step was planned with.

    Yields:
        The name of the backbone or the fetched folder, which exists within the context.

    Raises:
        InputError: If there is no such version, if its files are missing or altered, or if the
            backbone is not the one that the race was planned with.
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
