"""Component featurize: examples -> windows."""

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def featurize(
    contenders: str,
    race: str,
    digests: str,
    examples: dsl.Input[dsl.Dataset],
    windows: dsl.Output[dsl.Dataset],
):
    """Cuts sliding windows, once per tokenizer and window setting.

    Args:
        contenders: JSON list of {label, backbone, windows}.
        race: JSON of squadron.tracking.Race.
        digests: Of the backbones and of the code; only for the cache key.
        examples: From ingest.
        windows: <key>/{split}.arrow and contenders.json.
    """
    from squadron import steps

    steps.featurize(contenders=contenders, race=race, examples=examples.path, windows=windows.path)
