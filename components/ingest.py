"""Component ingest: data -> examples."""

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def ingest(data: str, digests: str, examples: dsl.Output[dsl.Dataset]):
    """Reads, validates and splits the data.

    Args:
        data: JSON of squadron.config.Data.
        digests: JSON of squadron.provenance.Digests: checked by the step, part of the cache key.
        examples: A folder with {train,tune,select,test}.parquet and validation.json.
    """
    from squadron import steps

    steps.ingest(data=data, digests=digests, examples=examples.path)
