"""The step train: windows -> model."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from squadron import progress, provenance
from squadron.artifacts import read_table, read_windows
from squadron.config import Contender, digest, from_json
from squadron.steps._backbones import fetched
from squadron.steps._files import (
    checkpoint_folder,
    read_about_windows,
    settle_answer_tokens,
)
from squadron.steps._record import chosen_params
from squadron.steps._shared_context import find_shared_context
from squadron.steps._step import peak_memory_mb, step

if TYPE_CHECKING:
    from squadron.data.window_table import WindowTable
    from squadron.models.trained_on import Record
    from squadron.models.training import Training
    from squadron.models.training_summary import TrainingSummary


@dataclass(frozen=True)
class _Outcome:
    """The result of the training of a contender, or of none."""

    record: "Record"
    """What the model was trained on, its backbone included."""
    run: "Training | None" = None
    """None if the contender does not train, or if it diverged."""
    examples_per_second: float | None = None
    """None without a run."""
    reason: str = ""
    """Why the contender is disqualified; "" if it is not."""


@step
def train(*, contender: str, windows: Path, examples: Path, model: Path, digests: str = "") -> None:
    """Trains one contender and keeps its best epoch on tune; see `models/training.py`.

    A contender that diverges is disqualified. The folder then holds the reason instead of a model.

    Args:
        contender: JSON of config.Contender.
        digests: JSON of provenance.Digests; "" compares nothing.
        windows: The folder that featurize wrote.
        examples: The folder that ingest wrote.
        model: The folder to write.
    """
    from squadron import tracking
    from squadron.models import scratch, trained_on, variants
    from squadron.models.devices import gpu_memory_mb

    settings = settle_answer_tokens(from_json(Contender, contender), windows)
    planned = provenance.read_digests(digests)
    child = tracking.address_run(tracking.current_race(), settings.label)
    tracking.log_params(child, chosen_params(settings))
    started = time.monotonic()
    with fetched(settings.backbone, planned) as place:
        variant = variants.load_variant(settings.variant)
        backbone = scratch.find_backbone(place, windows, settings.windows)
        network = _build_network(variant, backbone, settings)
        made_from = _digest_inputs(contender, settings.variant, backbone, windows, planned)
        counts = _count_parameters(network, trains=variant.TRAINS)
        record = trained_on.read_record(backbone, settings.trained_on)
        outcome = _Outcome(record)
        if variant.TRAINS:
            outcome = _train_network(
                *(network, record, settings, windows, examples),
                checkpoints=checkpoint_folder(settings.label, made_from),
                on_point=lambda point: tracking.log_points(child, [point]),
            )
        summary = replace(
            _summarise(outcome),
            parameters=counts.parameters,
            trainable_parameters=counts.trainable,
            peak_memory_mb=peak_memory_mb(),
            gpu_memory_mb=gpu_memory_mb(),
            seconds_train=time.monotonic() - started,
        )
        context = find_shared_context(examples)
        _write_folder(model, network, settings, backbone, outcome, summary, made_from, context)
    _say(settings.label, outcome)
    if outcome.run and outcome.run.log:
        # A resumed training has points that this MLflow run has not seen.
        tracking.log_points(child, outcome.run.log)
        tracking.log_json(child, {"log": outcome.run.log}, "training_log.json")
    tracking.log_metrics(child, summary.figures)


def _build_network(variant: Any, backbone: str, settings: Contender) -> Any:
    """Returns the variant's model before training; the seed decides its new weights."""
    import torch

    from squadron.models import variants
    from squadron.models.frozen_layers import freeze_layers

    options = variants.read_options(settings)
    torch.manual_seed(settings.train.seed)
    network = variant.build(backbone, options)
    if variant.TRAINS:
        freeze_layers(network, settings.train.frozen_layers, settings.backbone)
    return network


def _digest_inputs(
    contender: str, variant: str, backbone: str, windows: Path, planned: provenance.Digests
) -> str:
    """Returns the digest of all that shapes the model: settings, data, backbone and code."""
    from squadron.models import backbones

    code = planned.code or provenance.code_digest(("steps.train", f"models.variants.{variant}"))
    made_from = read_about_windows(windows).made_from
    return digest(contender, made_from, backbones.fingerprint(backbone), code)


def _train_network(
    network: Any,
    record: "Record",
    settings: Contender,
    windows: Path,
    examples: Path,
    *,
    checkpoints: Path,
    on_point: Callable[[dict[str, float]], None],
) -> _Outcome:
    """Trains a network in place.

    Args:
        network: The variant's model.
        record: What its backbone was trained on.
        settings: Of the contender.
        windows: As for `train`.
        examples: As for `train`.
        checkpoints: As for `training.train_model`.
        on_point: As for `training.train_model`.
    """
    from squadron.models import trained_on
    from squadron.models.batches import WindowSet
    from squadron.models.devices import pick_device
    from squadron.models.step_losses import DivergedError
    from squadron.models.training import train_model

    network.to(pick_device())
    layout = read_about_windows(windows).layout
    judge = _tune_judge(network, settings, windows, layout, examples)
    rows = _read_train_windows(settings, windows, layout)
    questions = set(rows.example_ids().to_pylist())
    table = read_table(examples / "train.parquet", schema="examples/1")
    record = trained_on.extend_record(record, table, questions)
    if hasattr(network, "prepare_training"):
        network.prepare_training(rows)
    try:
        run = train_model(
            network,
            WindowSet(rows, layout),
            settings.train,
            evaluate=judge,
            checkpoints=checkpoints,
            title=f"train      {settings.label}",
            on_point=on_point,
        )
    except DivergedError as error:
        return _Outcome(record, reason=str(error))
    return _Outcome(record, run, run.windows_per_second * (len(questions) / len(rows)))


def _read_train_windows(settings: Contender, windows: Path, layout: Any) -> "WindowTable":
    """Returns the windows that the contender trains on: all, or as many as its settings allow."""
    from squadron.data.window_table import WindowTable
    from squadron.data.windows import limit_negatives

    table = WindowTable(read_windows(windows / "train.arrow"), layout)
    return limit_negatives(
        table.first_examples(settings.train.max_examples),
        settings.train.max_negative_windows,
        settings.train.seed,
    )


def _tune_judge(
    network: Any, settings: Contender, windows: Path, layout: Any, examples: Path
) -> Callable[[], dict[str, float]]:
    """Returns a function that judges the current weights on tune.

    Its figures are at the null threshold that is best on tune.
    """
    from squadron.data.window_table import WindowTable
    from squadron.models.batches import WindowSet
    from squadron.models.devices import pick_device
    from squadron.models.prediction import mean_loss, predict_candidates
    from squadron.scores.evaluation import Questions, judge

    questions = Questions.read(read_table(examples / "tune.parquet", schema="examples/1"))
    rows = WindowTable(read_windows(windows / "tune.arrow"), layout)

    def evaluate_epoch() -> dict[str, float]:
        device = pick_device()
        # The answer to a question needs only the best span of each of its windows. Epochs are
        # compared with each other alone, so they are judged at the speed of training.
        best = replace(settings.predict, n_best=1, precision=settings.train.precision)
        parts = predict_candidates(network, rows, layout, best, device)
        found = judge(questions, parts, None, search=True).figures
        figures = {
            "exact_match": found.exact_match,
            "f1": found.f1,
            "answerable_f1": found.answerable_f1,
        }
        if settings.train.monitor == "eval_loss":
            figures["eval_loss"] = mean_loss(network, WindowSet(rows, layout), best, device)
        return figures

    return evaluate_epoch


class _Counts(NamedTuple):
    """Parameters of a network."""

    parameters: float
    trainable: float
    """How many of them training changes."""


def _count_parameters(network: Any, *, trains: bool) -> _Counts:
    """Returns how many parameters a network has, and how many of them training changes."""
    sizes = [(p.numel(), p.requires_grad) for p in network.parameters()]
    trainable = sum(size for size, is_trained in sizes if is_trained)
    return _Counts(float(sum(size for size, _ in sizes)), float(trainable) if trains else 0.0)


def _summarise(outcome: _Outcome) -> "TrainingSummary":
    """Returns what is kept of a training; an empty summary without a training."""
    from squadron.models.training_summary import TrainingSummary, finite_points

    run = outcome.run
    if run is None:
        return TrainingSummary()
    return TrainingSummary(
        epoch=run.epoch,
        best_epoch=run.best_epoch,
        best_exact_match=run.best_exact_match,
        seconds=run.seconds,
        windows_seen=run.windows_seen,
        examples_per_second=outcome.examples_per_second,
        log=finite_points(run.log),
    )


def _write_folder(
    folder: Path,
    network: Any,
    settings: Contender,
    backbone: str,
    outcome: _Outcome,
    summary: "TrainingSummary",
    made_from: str,
    context: str,
) -> None:
    """Writes the model, or the reason why there is none."""
    from squadron.models import backbones, model_folder

    if outcome.reason:
        model_folder.write_disqualified(
            folder, settings, outcome.reason, made_from=made_from, training=summary
        )
        return
    model_folder.write_model(
        folder,
        network,
        backbones.load_tokenizer(backbone),
        settings,
        made_from=made_from,
        training=summary,
        record=outcome.record,
        context=context,
    )


def _say(label: str, outcome: _Outcome) -> None:
    """Prints one line on the outcome; an untrained contender has none."""
    if outcome.reason:
        progress.say(f"train      {label} is disqualified: {outcome.reason}")
    elif outcome.run:
        run, exact = outcome.run, outcome.run.best_exact_match
        kept = f"epoch {run.best_epoch} is kept"
        if exact is not None:
            kept = f"best EM on tune {exact:.2f} in epoch {run.best_epoch}"
        progress.say(f"train      {label}: {kept}, {outcome.examples_per_second:.1f} examples/s")
