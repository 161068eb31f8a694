"""The order of contenders, the rows of the race's table, and the tags of a registered version."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from squadron.scores import significance
from squadron.wording import join_words

MERITS = ("exact", "f1", "answerable_f1")
"""Figures on select by which contenders are ranked, the first one first."""


RULES = (*MERITS, "trainable_parameters", "champion", "label")
"""The rules that order contenders. The first rule that tells two contenders apart decides."""


def rank_contenders(rows: Sequence[dict[str, Any]]) -> list[int]:
    """Orders contenders by `RULES`: the best EM on select comes first, the disqualified last.

    Args:
        rows: metrics.json of every contender.

    Returns:
        Positions in `rows`.
    """

    def key(number: int) -> tuple[Any, ...]:
        return (bool(rows[number]["disqualified"]), *_standing(rows[number]).values())

    return sorted(range(len(rows)), key=key)


def _standing(row: dict[str, Any]) -> dict[str, Any]:
    """Returns the value that each of `RULES` compares; the lower value is ahead."""
    select = row["splits"].get("select", {})
    size = row["training"].get("trainable_parameters") or 0.0
    # A champion that ties with what it was made from stays, or every race would have another.
    is_new = row.get("variant") != "champion"
    merits = (-float(select.get(name, 0.0)) for name in MERITS)
    return dict(zip(RULES, (*merits, size, is_new, row["label"]), strict=True))


def run_figures(row: Mapping[str, Any]) -> dict[str, float]:
    """Returns the figures of a contender's splits as its MLflow run names them: select_f1, ...

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
    """Says by what the first contender won; `explain_tie` says how a tie was decided.

    Args:
        rows: metrics.json of every contender.
        order: Positions of those that were not disqualified, best first.
    """
    return f"highest EM on select, {rows[order[0]]['splits']['select']['exact']:.2f}"


def explain_tie(rows: Sequence[dict[str, Any]], order: Sequence[int]) -> str:
    """Says which rule put the winner ahead of contenders with the same EM; "" without a tie.

    Args:
        rows: metrics.json of every contender.
        order: Positions of those that were not disqualified, best first.
    """
    best = _standing(rows[order[0]])
    everyone = (_standing(rows[n]) for n in order[1:])
    others = [each for each in everyone if each["exact"] == best["exact"]]
    if not others:
        return ""
    beaten: dict[str, list[str]] = {}
    for rule in RULES:
        decided = [each["label"] for each in others if _decisive(best, each) == rule]
        if decided:
            beaten[rule] = decided
    parts = [f"of {join_words(labels)} {_advantage(rule, best)}" for rule, labels in beaten.items()]
    shared = join_words([each["label"] for each in others])
    return f"{best['label']} shares this EM with {shared}; it is ahead {join_words(parts)}."


def _decisive(best: dict[str, Any], other: dict[str, Any]) -> str:
    """Returns the first rule that tells two contenders apart."""
    return next(rule for rule in RULES if best[rule] != other[rule])


def _advantage(rule: str, best: dict[str, Any]) -> str:
    """Says how the winner is ahead by a rule."""
    return {
        "f1": f"by F1 ({-best['f1']:.2f})",
        "answerable_f1": (
            f"by F1 if every answerable question were answered ({-best['answerable_f1']:.2f})"
        ),
        "trainable_parameters": (
            f"by fewer trained parameters ({best['trainable_parameters']:,.0f})"
        ),
        "champion": "because a champion stays at a tie",
        "label": "by nothing but the order of labels",
    }[rule]


def select_split(best: dict[str, Any], chosen_before: int | None) -> dict[str, Any]:
    """Describes for champion.json the questions that chose the winner.

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


def table_row(row: dict[str, Any], registered_as: str = "") -> dict[str, Any]:
    """Describes a contender for champion.json and the table.

    Args:
        row: metrics.json of the contender.
        registered_as: The version that races, if the contender is a champion.
    """
    training = row["training"]
    return {
        "label": row["label"],
        "registered_as": registered_as,
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
    """Returns the tags of a registered version: its figures and its origin.

    A version has no metrics of its own in MLflow.

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
