"""Who is ahead: the order of contenders, the rows of the table, what a version says of itself."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from squadron import significance

MERITS = ("exact", "f1", "answerable_f1")
"""Figures on select by which contenders are ranked, the first one first."""


def rank_contenders(rows: Sequence[dict[str, Any]]) -> list[int]:
    """Best EM on select first; then F1, and F1 if every answerable question were answered.

    Then fewer trained parameters, the champion, the label. The disqualified come last.

    Args:
        rows: metrics.json of every contender.

    Returns:
        Positions in `rows`.
    """

    def key(number: int) -> tuple[bool, float, float, float, float, bool, str]:
        row = rows[number]
        select = row["splits"].get("select", {})
        size = row["training"].get("trainable_parameters") or 0.0
        # A champion that ties with what it was made from stays, or every race would have another.
        is_new = row.get("variant") != "champion"
        exact, f1, forced = (-select.get(name, 0.0) for name in MERITS)
        return bool(row["disqualified"]), exact, f1, forced, size, is_new, row["label"]

    return sorted(range(len(rows)), key=key)


def run_figures(row: Mapping[str, Any]) -> dict[str, float]:
    """The figures of a contender's splits as its MLflow run names them: select_exact_match, ...

    Args:
        row: metrics.json of the contender.
    """
    figures = {
        f"{name}_{re.sub('^exact', 'exact_match', key)}": value
        for name, summary in row["splits"].items()
        for key, value in summary.items()
    }
    return {"disqualified": float(bool(row["disqualified"])), **figures}


def explain(rows: Sequence[dict[str, Any]], order: Sequence[int]) -> str:
    """Why the first of these contenders won; a tie is said as one.

    Args:
        rows: metrics.json of every contender.
        order: Positions of those that were not disqualified, best first.
    """
    best, *others = ([_merit(rows[number], name) for name in MERITS] for number in order)
    shown = f"highest EM on select, {best[0]:.2f}"
    if not others or others[0][0] < best[0]:
        return shown
    if others[0][1] < best[1]:
        return f"{shown}, and of those the highest F1, {best[1]:.2f}"
    ties = [n for n, other in zip(order[1:], others, strict=True) if other[:2] == best[:2]]
    labels = ", ".join(rows[n]["label"] for n in ties)
    tie = f"{shown}; a tie in EM and F1 with {labels}"
    if others[0][2] < best[2]:
        return f"{tie}: highest F1 if every answerable question were answered, {best[2]:.2f}"
    last = "champion" if rows[order[0]].get("variant") == "champion" else "label"
    return f"{tie}: fewest trained parameters, then the {last}"


def _merit(row: dict[str, Any], name: str) -> float:
    return float(row["splits"]["select"].get(name, 0.0))


def select_split(best: dict[str, Any], chosen_before: int | None) -> dict[str, Any]:
    """What champion.json says of the questions that chose the winner.

    Args:
        best: metrics.json of the winner.
        chosen_before: How many other races have chosen by the same split; None if not known.
    """
    summary = best["splits"]["select"]
    return {
        "digest": best["digests"]["select"],
        "questions": summary["total"],
        "paragraphs": summary["paragraphs"],
        "titles": summary["titles"],
        "least_paragraphs": significance.LEAST_CLUSTERS,
        "chosen_before": chosen_before,
    }


def table_row(row: dict[str, Any]) -> dict[str, Any]:
    """What champion.json and the table show of a contender."""
    training = row["training"]
    return {
        "label": row["label"],
        "group": row.get("group", ""),
        "disqualified": row["disqualified"],
        "trained_on": row.get("trained_on", "unknown"),
        "shared_with_train": row.get("shared_with_train", {}),
        "select": row["splits"].get("select"),
        "test": row["splits"].get("test"),
        "train": row["splits"].get("train"),
        "seconds": training.get("seconds_train") or training.get("seconds"),
        "examples_per_second": training.get("examples_per_second"),
        "trainable_parameters": training.get("trainable_parameters"),
    }


def version_tags(row: dict[str, Any], status: str, **origin: str) -> dict[str, str]:
    """A registered version has no metrics of its own: its tags carry figures and origin.

    Args:
        row: metrics.json of the winner.
        status: validation_status.
        origin: Backbone, licence (its), data_licence, git_sha, run.
    """
    tags = {"validation_status": status, "contender": row["label"], "variant": row["variant"]}
    tags["trained_on"] = row.get("trained_on", "unknown")
    for split in ("select", "test"):
        summary = row["splits"].get(split)
        if summary is None:  # test was trained on
            continue
        tags |= {
            f"{split}_exact_match": f"{summary['exact']:.4f}",
            f"{split}_f1": f"{summary['f1']:.4f}",
            f"{split}_examples": str(summary["total"]),
            f"{split}_digest": row["digests"][split],
        }
    return tags | origin
