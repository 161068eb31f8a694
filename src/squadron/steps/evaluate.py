"""The step evaluate: candidates -> answers and figures."""

from pathlib import Path
from typing import Any

from squadron import progress
from squadron.artifacts import read_json, read_table, write_json, write_table
from squadron.config import Contender, Evaluate, from_json
from squadron.steps._files import judged_splits, write_official
from squadron.steps._step import step, timed


@step
def evaluate(
    *,
    settings: str,
    contender: str,
    race: str,
    examples: Path,
    candidates: Path,
    evaluation: Path,
    figures_file: Path,
) -> dict[str, float]:
    """Answers and scores of one contender: the null threshold from tune, figures on every split.

    Probabilities of answers are fitted on tune, too. A registered model answers with the threshold
    and the calibration that it was registered with.

    Args:
        settings: JSON of config.Evaluate.
        contender: JSON of config.Contender.
        race: JSON of tracking.Race; "" tracks nothing.
        examples: As ingest wrote them.
        candidates: As predict wrote them.
        evaluation: The folder to write: metrics.json, {split}/{answers.json, nbest.json,
            scores.parquet}, {select,test}/confidence.json.
        figures_file: Gets them too: Kubeflow caches a Metrics output only if its file exists.

    Returns:
        Finite figures for the pipeline's own pages.
    """
    from squadron import answers, calibration, tracking
    from squadron.evaluation import (
        Questions,
        add_confidence,
        add_intervals,
        choose_types,
        judge,
        judge_types,
    )

    wanted = from_json(Evaluate, settings)
    runner = from_json(Contender, contender)
    child = tracking.find_child(tracking.read_race(race), runner.label)
    status = read_json(candidates / "status.json", schema="status/1")
    content: dict[str, Any] = {
        "label": runner.label,
        "group": runner.group,
        "variant": runner.variant,
        "disqualified": status["disqualified"],
        "training": {k: v for k, v in status["training"].items() if k != "log"},
        "splits": {},
    }
    figures: dict[str, float] = {"disqualified": float(bool(status["disqualified"]))}
    if not status["disqualified"]:
        with timed(figures, "evaluate"):
            scorer = _load_scorer() if wanted.bertscore else None
            own = status.get("answering")
            threshold: float | None = own["null_threshold"] if own else None
            mapping = calibration.read_calibration(own.get("calibration")) if own else None
            for name, count in judged_splits(runner).items():
                table = read_table(examples / f"{name}.parquet", schema="examples/1")
                table = table.slice(0, count or None)
                rows = read_table(
                    candidates / f"{name}.parquet",
                    schema="candidates/1",
                    made_from=status["made_from"],
                )
                questions = Questions.read(table)
                # What was trained on is judged with a threshold of its own, and keeps it.
                searched = name == "train" or (name == "tune" and not own)
                judged = judge(questions, [rows], threshold, search=searched)
                if name == "tune":
                    threshold = judged.null_threshold
                    if not own:
                        mapping = calibration.fit(judged.ranked.best_score(), judged.right)
                if name in ("select", "test"):  # the threshold was fitted on tune
                    add_intervals(judged)
                    write_json(
                        evaluation / name / "confidence.json",
                        add_confidence(judged, mapping),
                        schema="confidence/1",
                        made_from=status["made_from"],
                    )
                    if scorer:
                        means = scorer.mean_scores(judged.chosen, questions.golds)
                        judged.summary.update({f"bertscore_{k}": v for k, v in means.items()})
                content["splits"][name] = judged.summary
                about = table.schema.metadata[b"squadron.made_from"].decode()
                content.setdefault("digests", {})[name] = about
                best = answers.rank_as_dicts(
                    judged.ranked, questions.contexts, runner.predict.n_best
                )
                if mapping:
                    # Of the best one alone: what it was fitted on (docs/decisions/calibration.md).
                    sure = mapping.apply(judged.ranked.best_score()).tolist()
                    for some, probability in zip(best, sure, strict=True):
                        if some:
                            some[0]["probability"] = probability
                folder = evaluation / name
                write_table(
                    folder / "scores.parquet",
                    judged.scores,
                    schema="scores/1",
                    made_from=status["made_from"],
                )
                write_official(
                    folder / "answers.json", dict(zip(questions.ids, judged.chosen, strict=True))
                )
                write_official(folder / "nbest.json", dict(zip(questions.ids, best, strict=True)))
                types = candidates / f"{name}.types.parquet"
                if types.is_file():
                    found = read_table(types, schema="types/1", made_from=status["made_from"])
                    kinds = choose_types(found, questions.ids)
                    judged.summary.update(judge_types(kinds, table))
                    write_official(
                        folder / "types.json", dict(zip(questions.ids, kinds, strict=True))
                    )
            content["null_threshold"] = threshold
            content["calibration"] = mapping.as_dict() if mapping else None
    figures |= {
        f"{name}_{'exact_match' if key == 'exact' else key}": value
        for name, summary in content["splits"].items()
        for key, value in summary.items()
    }
    write_json(
        evaluation / "metrics.json", content, schema="metrics/1", made_from=status["made_from"]
    )
    if content["splits"]:
        tracking.log_artifacts(child, evaluation, "evaluation")
        shown = content["splits"]["select"]
        progress.say(
            f"evaluate   {runner.label}: EM {shown['exact']:.2f}, F1 {shown['f1']:.2f} on select"
        )
    write_official(figures_file, figures)
    tracking.log_metrics(child, figures)
    tracking.close_contender(child, status["disqualified"])
    return figures


def _load_scorer() -> Any:
    """The offline encoder; torch is imported for it alone."""
    from squadron.bertscore import BertScorer

    return BertScorer()
