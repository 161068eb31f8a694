"""The step evaluate: candidates -> answers and figures.

Its folder gets metrics.json, all figures and how the contender answers, and training_log.json, the
points of its training. Every judged split has a folder of its own, `{split}/`, with

- answers.json: the answers, as the official evaluation reads them;
- predictions.json and null_odds.json: the answers if it had to answer, and how likely each
  question has none, for the official search of thresholds;
- nbest.json: the best candidates of each question, the first with its probability;
- scores.parquet: EM and F1 of each question;
- types.json: the type of each question, from a model that tells it.

The folders of select and test hold besides

- confidence.json: how far probabilities can be trusted, and what abstaining more would bring;
- errors.parquet: the wrong answers, each with its kind (scores/error_kinds.py);
- breakdown.parquet: EM and F1 by kinds of questions (scores/breakdown.py).
"""

from dataclasses import replace
from pathlib import Path

from squadron import progress
from squadron.artifacts import read_record, write_official, write_record
from squadron.config import Contender, Evaluate, from_json
from squadron.data import contamination
from squadron.data.validation_file import Validation
from squadron.models.training_summary import TrainingLog
from squadron.scores.contender_result import ContenderResult
from squadron.scores.figures import SplitFigures
from squadron.steps._files import judged_splits
from squadron.steps._judging import SplitJudge
from squadron.steps._record import record_contender
from squadron.steps._status import Status
from squadron.steps._step import step, timed


@step
def evaluate(
    *,
    settings: str,
    contender: str,
    examples: Path,
    candidates: Path,
    evaluation: Path,
    figures_file: Path,
    digests: str = "",
) -> dict[str, float]:
    """Answers and scores of one contender: how it answers from tune, figures on every split.

    A registered model answers as it was registered: with that threshold, rule and calibration.

    Args:
        settings: JSON of config.Evaluate.
        contender: JSON of config.Contender.
        digests: JSON of provenance.Digests; the decorator compares the code.
        examples: As ingest wrote them.
        candidates: As predict wrote them.
        evaluation: The folder to write.
        figures_file: Gets the figures, too: Kubeflow caches a Metrics output only if its file
            exists.

    Returns:
        Finite figures for the pipeline's own pages.
    """
    from squadron import tracking

    runner = from_json(Contender, contender)
    status = read_record(Status, candidates / "status.json")
    result = _describe(runner, status, examples)
    seconds: dict[str, float] = {}
    if not status.disqualified:
        with timed(seconds, "evaluate"):
            judge = SplitJudge(from_json(Evaluate, settings), runner, status, examples, candidates)
            is_test_spoilt = contamination.is_test_spoilt(result.shared_with_train)
            for name, count in judged_splits(runner).items():
                # What was trained on gets no folder and no figures.
                if name != "test" or not is_test_spoilt:
                    judge.write_split(name, count, evaluation / name)
            result = judge.complete(result)
    figures = {**seconds, **result.run_figures()}
    result = replace(result, figures={**status.figures, **figures})
    write_record(evaluation / "metrics.json", result)
    write_record(
        evaluation / "training_log.json", TrainingLog(status.made_from, status.training.log)
    )
    write_official(figures_file, figures.items())
    if result.splits:
        _say(runner.label, result.select)
    record_contender(tracking.address_run(tracking.current_race(), runner.label), evaluation)
    return figures


def _describe(runner: Contender, status: Status, examples: Path) -> ContenderResult:
    """Returns what metrics.json says of a contender before any split is judged."""
    validation = read_record(Validation, examples / "validation.json")
    is_trained = bool(status.training.trainable_parameters)
    return ContenderResult(
        made_from=status.made_from,
        label=runner.label,
        group=runner.group,
        variant=runner.variant,
        disqualified=status.disqualified,
        training=replace(status.training, log=()),
        params=status.params,
        trained_on=status.trained_on,
        synthetic=validation.describe_synthetic() if is_trained else "",
        shared_with_train=contamination.read_shared(validation),
    )


def _say(label: str, select: SplitFigures) -> None:
    """Shows EM and F1 on the split that chooses."""
    progress.say(
        f"evaluate   {label}: EM {select.exact_match:.2f}, F1 {select.f1:.2f} on select",
        exact_match=select.exact_match,
    )
