"""Finds the context that all questions of a race share, which its models keep."""

from pathlib import Path

from squadron.artifacts import read_parts, read_record


def find_shared_context(examples: Path) -> str:
    """Returns the one context of all examples that train; "" if there are several.

    Data that are split by title have no shared context, even if few examples of one paragraph
    train: only a split by question says that the context is shared by design.

    Args:
        examples: The folder that ingest wrote.
    """
    from squadron.data.validation_file import Validation

    found: set[str] = set()
    for part in read_parts(examples / "train.parquet", schema="examples/1", columns=["context"]):
        for chunk in part["context"].chunks:
            found.update(chunk.dictionary.to_pylist())
        if len(found) > 1:
            return ""
    if not found:
        return ""
    validation = read_record(Validation, examples / "validation.json")
    return found.pop() if validation.split_by == "question" else ""
