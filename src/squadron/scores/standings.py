"""The order of contenders, and the parts of the race's result that follow from it."""

from collections.abc import Sequence
from typing import Any

from squadron.scores import significance
from squadron.scores.contender_result import ContenderResult
from squadron.scores.race_result import SelectSplit, Standing
from squadron.wording import join_words

MERITS = ("exact_match", "f1", "answerable_f1")
"""Figures on select by which contenders are ranked, the first one first."""


RULES = (*MERITS, "trainable_parameters", "champion", "label")
"""The rules that order contenders. The first rule that tells two contenders apart decides."""


def rank_contenders(results: Sequence[ContenderResult]) -> list[int]:
    """Orders contenders by `RULES`: the best EM on select comes first, the disqualified last.

    Returns:
        Positions in `results`.
    """

    def key(number: int) -> tuple[Any, ...]:
        return (bool(results[number].disqualified), *_list_merits(results[number]).values())

    return sorted(range(len(results)), key=key)


def _list_merits(result: ContenderResult) -> dict[str, Any]:
    """Returns the value that each of `RULES` compares; the lower value is ahead."""
    select = result.splits.get("select")
    merits = (-getattr(select, name) if select else 0.0 for name in MERITS)
    size = result.training.trainable_parameters or 0.0
    # A champion that ties with what it was made from stays, or every race would have another.
    is_new = result.variant != "champion"
    return dict(zip(RULES, (*merits, size, is_new, result.label), strict=True))


def explain(winner: ContenderResult) -> str:
    """Says by what a contender won; `explain_tie` says how a tie was decided."""
    return f"highest EM on select, {winner.select.exact_match:.2f}"


def explain_tie(ranked: Sequence[ContenderResult]) -> str:
    """Says which rule put the winner ahead of contenders with the same EM; "" without a tie.

    Args:
        ranked: The contenders that were not disqualified, the best first.
    """
    best, *everyone = map(_list_merits, ranked)
    others = [each for each in everyone if each["exact_match"] == best["exact_match"]]
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


def describe_select(winner: ContenderResult, chosen_before: int | None) -> SelectSplit:
    """Describes the questions that chose the winner.

    Args:
        winner: The winner.
        chosen_before: How many other races have chosen by the same split; None if not known.
    """
    select = winner.select
    return SelectSplit(
        digest=winner.digests["select"],
        questions=select.total,
        paragraphs=select.paragraphs or 0,
        titles=select.titles or 0,
        least_paragraphs=significance.LEAST_CLUSTERS,
        chosen_before=chosen_before,
    )


def describe_standing(result: ContenderResult, registered_as: str = "") -> Standing:
    """Describes a contender for the race's result.

    Args:
        result: The contender.
        registered_as: The version that races, if the contender is a champion.
    """
    training = result.training
    return Standing(
        label=result.label,
        registered_as=registered_as,
        group=result.group,
        disqualified=result.disqualified,
        trained_on=result.trained_on,
        shared_with_train=result.shared_with_train,
        select=result.splits.get("select"),
        test=result.splits.get("test"),
        train=result.splits.get("train"),
        open_domain=result.open_domain,
        seconds=training.whole_seconds,
        examples_per_second=training.examples_per_second,
        trainable_parameters=training.trainable_parameters,
        gpu_memory_mb=training.gpu_memory_mb,
    )


def version_tags(winner: ContenderResult, status: str, **origin: str) -> dict[str, str]:
    """Returns the tags of a registered version: its figures, its index and its origin.

    A version has no metrics of its own in MLflow.

    Args:
        winner: The winner.
        status: validation_status.
        origin: Backbone, licence (its), data_licence, git_sha, run.
    """
    tags = {"validation_status": status, "contender": winner.label, "variant": winner.variant}
    tags["trained_on"] = winner.trained_on
    for split in ("select", "test"):
        figures = winner.splits.get(split)
        if figures is None:  # test was trained on
            continue
        tags |= {
            f"{split}_exact_match": f"{figures.exact_match:.4f}",
            f"{split}_f1": f"{figures.f1:.4f}",
            f"{split}_examples": str(figures.total),
            f"{split}_digest": winner.digests[split],
        }
    if winner.open_domain:
        index = winner.open_domain.index
        tags |= {"index_digest": index.digest, "index_passages": str(index.passages)}
        tags |= {"index_encoder": index.encoder, "index_place": index.place}
    return tags | origin
