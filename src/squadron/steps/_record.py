"""What MLflow is told of a race's examples and of a contender, from the files that steps left.

A step that kfp takes from its cache tells MLflow nothing. The step open_race tells of the examples,
and register reads the evaluations and tells what is missing, so that every race in every store has
all of its figures.
"""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from squadron import tracking
from squadron.artifacts import read_record, read_table, to_content
from squadron.config import Contender
from squadron.data.validation_file import Validation
from squadron.models.training_summary import TrainingLog
from squadron.scores.contender_result import ContenderResult
from squadron.scores.error_kinds import sample_file
from squadron.scores.open_domain import OpenDomain, Recall
from squadron.steps._files import COMPARED
from squadron.tracking import Race, Run

ERRORS_SHOWN = 500
"""Rows of the table of wrong answers in MLflow, which its page loads whole."""
OPEN_DOMAIN = "open_domain.json"
"""The table of answers whose passage had to be found first."""
GROUPS_SHOWN = 400
"""Rows of the table of figures by kinds of questions there; titles come last."""


def chosen_params(contender: Contender) -> dict[str, object]:
    """What someone chose for a contender, not everything that has a value."""
    return {
        "variant": contender.variant,
        "backbone": contender.backbone,
        **contender.options,
        **asdict(contender.windows),
        **{k: v for k, v in asdict(contender.train).items() if k != "checkpoint_minutes"},
        "n_best": contender.predict.n_best,
        "max_answer_tokens": contender.predict.max_answer_tokens,
    }


def name_race(race: Race | None) -> str:
    """The name of the folder that a race's results get, and of the race in its summary."""
    return f"{race.name}-{race.key}" if race else "untracked"


def record_examples(parent: str, examples: Path) -> None:
    """Tells the race's run its data sets, validation.json and the figures of ingest.

    What was rejected, repaired and noted is also a table.

    Args:
        parent: The id of the race's run; "" records nothing.
        examples: As ingest wrote them.
    """
    validation = read_record(Validation, examples / "validation.json")
    for name, split in validation.splits.items():
        files = ", ".join(split.files)
        tracking.log_dataset(parent, name, split.digest, files, name, split.examples)
    tracking.log_json(parent, to_content(validation), "validation.json")
    tracking.log_table(parent, _list_findings(validation), "findings.json")
    tracking.log_metrics(parent, validation.figures)


def record_contender(child: Run | str | None, evaluation: Path) -> None:
    """Tells the run of a contender all that its evaluation knows, and ends the run.

    Args:
        child: The contender's run; its id to write at once, None to record nothing.
        evaluation: The folder that evaluate wrote.
    """
    result = read_record(ContenderResult, evaluation / "metrics.json")
    tracking.log_params(child, result.params)
    tracking.log_points(child, read_record(TrainingLog, evaluation / "training_log.json").log)
    if result.splits:
        tracking.log_artifacts(child, evaluation, "evaluation")
        tracking.log_table(child, _list_errors(evaluation), "errors.json")
        tracking.log_table(child, _list_groups(evaluation), "breakdown.json")
    if result.open_domain:
        tracking.log_table(child, _list_methods(result.open_domain), OPEN_DOMAIN)
    trained = ["train"] if result.training.trainable_parameters else []
    tracking.share_datasets(child, [*trained, "tune", *COMPARED])
    tracking.log_metrics(child, result.figures)
    tracking.close_contender(child, result.disqualified)


def record_open_domain(child: Run | str | None, evaluation: Path) -> None:
    """Tells the run of a contender how it answers if the passage must be found first.

    Args:
        child: As for `record_contender`.
        evaluation: The folder that the step answer wrote.
    """
    result = read_record(ContenderResult, evaluation / "metrics.json")
    if result.open_domain is None:
        return
    tracking.log_metrics(child, {**result.figures, **result.open_domain.flat()})
    tracking.log_artifacts(child, evaluation, "evaluation")
    tracking.log_table(child, _list_methods(result.open_domain), OPEN_DOMAIN)


def record_missing(race: Race | None, evaluations: Sequence[Path]) -> None:
    """Tells MLflow at once what it does not have: the contenders that did not end.

    Their steps came from the cache, or could not reach MLflow and their disk is gone.

    Args:
        race: None records nothing.
        evaluations: Evaluation folders of all contenders.

    Raises:
        InputError: If MLflow can't be reached.
    """
    for evaluation in evaluations:
        label = read_record(ContenderResult, evaluation / "metrics.json").label
        child = tracking.find_child(race, label)
        if child and not tracking.has_ended(child):
            record_contender(child, evaluation)


def _compared(evaluation: Path) -> list[str]:
    """The splits on which contenders are compared, without a test split that was trained on."""
    return [split for split in COMPARED if (evaluation / split).is_dir()]


def _list_findings(validation: Validation) -> list[dict[str, object]]:
    """Rows of MLflow's table of findings: one for each sample."""
    return [
        {
            "what": finding.what,
            "why": finding.reason,
            "count": finding.count,
            "where": sample.where,
            "question": sample.id,
            "sample": sample.text,
        }
        for finding in validation.findings.list_all()
        for sample in finding.samples
    ]


def _list_errors(evaluation: Path) -> list[dict[str, object]]:
    """Rows of MLflow's table of wrong answers: some of each split and kind."""
    first = ("kind", "question", "golds", "answer", "excerpt", "score")
    rows: list[dict[str, object]] = []
    for split in _compared(evaluation):
        errors = evaluation / split / "errors.parquet"
        for row in sample_file(errors, ERRORS_SHOWN // len(COMPARED)):
            values: dict[str, object] = {**row}
            rows.append({name: values[name] for name in first} | {"split": split, **values})
    return rows


def _list_groups(evaluation: Path) -> list[dict[str, object]]:
    """Rows of MLflow's table of figures by kinds of questions: the first ones of each split."""
    rows: list[dict[str, object]] = []
    for split in _compared(evaluation):
        groups = read_table(evaluation / split / "breakdown.parquet", schema="breakdown/2")
        some = groups.slice(0, GROUPS_SHOWN // len(COMPARED)).to_pylist()
        rows += [{"split": split, **row} for row in some]
    return rows


def _list_methods(open_domain: OpenDomain) -> list[dict[str, object]]:
    """Rows of MLflow's table of search methods: a line for each split and method."""
    rows: list[dict[str, object]] = []
    for name, split in open_domain.splits.items():
        for method, figures in {"context given": split.given, **split.methods}.items():
            recall = split.searched.recall.get(method, Recall(None, None, None))
            known = {f"recall_{key}": value for key, value in vars(recall).items()} | vars(figures)
            # The page shows every digit.
            shown = {k: None if value is None else round(value, 2) for k, value in known.items()}
            rows.append({"split": name, "passages": method, **shown})
    return rows
