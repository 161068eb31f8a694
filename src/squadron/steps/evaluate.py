"""The step evaluate: candidates -> answers and figures."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from squadron import progress
from squadron.artifacts import read_json, read_table, write_json, write_table
from squadron.config import Contender, Evaluate, from_json
from squadron.steps._files import judged_splits, write_official
from squadron.steps._step import step, timed

if TYPE_CHECKING:
    from squadron.evaluation import Judged, Questions

ERRORS_SHOWN = 500
"""Rows of the table of wrong answers in MLflow, which its page loads whole."""


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

    A registered model answers with the threshold that it was registered with.

    Args:
        settings: JSON of config.Evaluate.
        contender: JSON of config.Contender.
        race: JSON of tracking.Race; "" tracks nothing.
        examples: As ingest wrote them.
        candidates: As predict wrote them.
        evaluation: The folder to write: metrics.json, {split}/{answers.json, nbest.json,
            scores.parquet}, errors.parquet of select and test, training_log.json.
        figures_file: Gets them too: Kubeflow caches a Metrics output only if its file exists.

    Returns:
        Finite figures for the pipeline's own pages.
    """
    from squadron import answers, error_kinds, tracking
    from squadron.evaluation import Questions, add_intervals, choose_types, judge, judge_types

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
    shown_errors: list[dict[str, Any]] = []
    figures: dict[str, float] = {"disqualified": float(bool(status["disqualified"]))}
    if not status["disqualified"]:
        with timed(figures, "evaluate"):
            scorer = _load_scorer() if wanted.bertscore else None
            own = status.get("answering")
            threshold: float | None = own["null_threshold"] if own else None
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
                if name in ("select", "test"):  # the threshold was fitted on tune
                    add_intervals(judged)
                    extents = _read_extents(candidates, name, status["made_from"])
                    kinds = _sort_errors(questions, judged, extents)
                    content.setdefault("errors", {})[name] = error_kinds.count_kinds(kinds)
                    errors = error_kinds.errors_table(
                        table, _answered(judged), judged.ranked.best_score(), kinds
                    )
                    write_table(
                        evaluation / name / "errors.parquet",
                        errors,
                        schema="errors/1",
                        made_from=status["made_from"],
                    )
                    shown = error_kinds.sample_rows(errors, ERRORS_SHOWN // 2)
                    shown_errors += [{"split": name, **row} for row in shown]
                    if scorer:
                        means = scorer.mean_scores(judged.chosen, questions.golds)
                        judged.summary.update({f"bertscore_{k}": v for k, v in means.items()})
                content["splits"][name] = judged.summary
                about = table.schema.metadata[b"squadron.made_from"].decode()
                content.setdefault("digests", {})[name] = about
                best = answers.rank_as_dicts(
                    judged.ranked, questions.contexts, runner.predict.n_best
                )
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
                    told = choose_types(found, questions.ids)
                    judged.summary.update(judge_types(told, table))
                    write_official(
                        folder / "types.json", dict(zip(questions.ids, told, strict=True))
                    )
            content["null_threshold"] = threshold
    figures |= {
        f"{name}_{'exact_match' if key == 'exact' else key}": value
        for name, summary in content["splits"].items()
        for key, value in summary.items()
    }
    write_json(
        evaluation / "metrics.json", content, schema="metrics/1", made_from=status["made_from"]
    )
    write_json(
        evaluation / "training_log.json",
        {"log": status["training"].get("log") or []},
        schema="training_log/1",
        made_from=status["made_from"],
    )
    if content["splits"]:
        tracking.log_artifacts(child, evaluation, "evaluation")
        tracking.log_table(child, shown_errors, "errors.json")
        select = content["splits"]["select"]
        progress.say(
            f"evaluate   {runner.label}: EM {select['exact']:.2f}, F1 {select['f1']:.2f} on select"
        )
    write_official(figures_file, figures)
    tracking.log_metrics(child, figures)
    tracking.close_contender(child, status["disqualified"])
    return figures


def _answered(judged: "Judged") -> list[tuple[int, int]]:
    """The span of each answer, (-1, -1) where it abstained."""
    best = judged.ranked.best_span().tolist()
    return [
        (start, end) if text else (-1, -1)
        for (start, end), text in zip(best, judged.chosen, strict=True)
    ]


def _sort_errors(questions: "Questions", judged: "Judged", extents: Any) -> list[str]:
    """The kind of each wrong answer; `extents` is None where windows are not known."""
    import numpy as np

    from squadron import error_kinds

    counts = np.array([len(some) for some in questions.golds], np.int64)
    reached = None
    if extents is not None:
        found = error_kinds.find_reached(extents, questions.ids, questions.gold_spans, counts)
        reached = found.tolist()
    flat = iter(questions.gold_spans.tolist())
    golds = [[next(flat) for _ in range(count)] for count in counts.tolist()]
    wrong = (judged.scores["exact"].to_numpy() == 0).tolist()
    return error_kinds.sort_errors(questions.contexts, golds, _answered(judged), wrong, reached)


def _read_extents(candidates: Path, split: str, made_from: str) -> Any:
    path = candidates / f"{split}.windows.parquet"
    return read_table(path, schema="extents/1", made_from=made_from) if path.is_file() else None


def _load_scorer() -> Any:
    """The offline encoder; torch is imported for it alone."""
    from squadron.bertscore import BertScorer

    return BertScorer()
