"""Who is ahead: the order of contenders, the rows of the table, what a version says of itself."""

from collections.abc import Sequence
from typing import Any


def rank_contenders(rows: Sequence[dict[str, Any]]) -> list[int]:
    """Best EM on select first (then F1, then the label); the disqualified last.

    Args:
        rows: metrics.json of every contender.

    Returns:
        Positions in `rows`.
    """

    def key(number: int) -> tuple[bool, float, float, str]:
        row = rows[number]
        select = row["splits"].get("select", {"exact": 0.0, "f1": 0.0})
        return bool(row["disqualified"]), -select["exact"], -select["f1"], row["label"]

    return sorted(range(len(rows)), key=key)


def table_row(row: dict[str, Any]) -> dict[str, Any]:
    """What champion.json and the table show of a contender."""
    training = row["training"]
    return {
        "label": row["label"],
        "disqualified": row["disqualified"],
        "select": row["splits"].get("select"),
        "test": row["splits"].get("test"),
        "seconds": training.get("seconds_train") or training.get("seconds"),
        "examples_per_second": training.get("examples_per_second"),
        "trainable_parameters": training.get("trainable_parameters"),
    }


def version_tags(row: dict[str, Any], status: str, **origin: str) -> dict[str, str]:
    """A registered version has no metrics of its own: its tags carry figures and origin.

    Args:
        row: metrics.json of the winner.
        status: validation_status.
        origin: Backbone, licence, git_sha, run.
    """
    tags = {"validation_status": status, "contender": row["label"], "variant": row["variant"]}
    for split in ("select", "test"):
        summary = row["splits"][split]
        tags |= {
            f"{split}_exact_match": f"{summary['exact']:.4f}",
            f"{split}_f1": f"{summary['f1']:.4f}",
            f"{split}_examples": str(summary["total"]),
            f"{split}_digest": row["digests"][split],
        }
    return tags | origin
