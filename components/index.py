"""Component index: passages -> an index, and what its searches find for the judged questions."""

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def index(
    documents: str,
    digests: str,
    passages: dsl.Input[dsl.Dataset],
    examples: dsl.Input[dsl.Dataset],
    index: dsl.Output[dsl.Artifact],
    found: dsl.Output[dsl.Dataset],
    figures: dsl.Output[dsl.Metrics],
):
    """Builds the index, asks it questions of select and test, and measures recall.

    Args:
        documents: JSON of squadron.config.Documents.
        digests: JSON of squadron.provenance.Digests: checked by the step, part of the cache key.
        passages: The artifact of the step passages.
        examples: The artifact of ingest.
        index: The index: a folder of LanceDB, with index.json.
        found: A folder with searches.json and a table for each split that was asked.
        figures: Figures for the pages of Kubeflow.
    """
    from squadron import steps

    figures.metadata |= steps.index(
        documents=documents,
        digests=digests,
        passages=passages.path,
        examples=examples.path,
        index=index.path,
        found=found.path,
        place=index.uri,
        figures_file=figures.path,
    )
