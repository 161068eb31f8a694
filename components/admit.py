"""Component admit: refuses contenders that may not race, before anything trains."""

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def admit(contenders: str, digests: str, examples: dsl.Input[dsl.Dataset]):
    """Refuses contenders that were trained on what they would be judged on.

    Args:
        contenders: JSON list of {label, backbone, windows}.
        digests: Of the code and of what it reads; checked, and part of the cache key.
        examples: From ingest.
    """
    from squadron import steps

    steps.admit(contenders=contenders, digests=digests, examples=examples.path)
