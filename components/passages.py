"""Component passages: documents, and contexts of the data -> passages that can be found."""

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def passages(
    documents: str,
    digests: str,
    examples: dsl.Input[dsl.Dataset],
    passages: dsl.Output[dsl.Dataset],
):
    """Cuts documents into passages, and takes contexts of the data as passages.

    Args:
        documents: JSON of squadron.config.Documents.
        digests: JSON of squadron.provenance.Digests: checked by the step, part of the cache key.
        examples: The artifact of ingest.
        passages: A folder with passages.parquet and documents.json.
    """
    from squadron import steps

    steps.passages(
        documents=documents,
        digests=digests,
        examples=examples.path,
        passages=passages.path,
    )
