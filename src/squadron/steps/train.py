"""The step train: windows -> model."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from squadron import progress, provenance
from squadron.artifacts import read_table, read_windows
from squadron.config import Contender, digest, from_json
from squadron.steps._backbones import fetched
from squadron.steps._files import (
    checkpoint_folder,
    find_layout,
    read_about_windows,
    settle_answer_tokens,
)
from squadron.steps._record import chosen_params
from squadron.steps._step import peak_memory_mb, step


@step
def train(*, contender: str, windows: Path, examples: Path, model: Path, digests: str = "") -> None:
    """Trains one contender and keeps its best epoch by EM on tune; see `training.py`.

    A contender that diverges is disqualified: the folder then holds the reason instead of a model.

    Args:
        contender: JSON of config.Contender.
        digests: JSON of provenance.Digests; "" compares nothing.
        windows: As featurize wrote them.
        examples: As ingest wrote them.
        model: The folder to write.
    """
    import torch

    from squadron import tracking
    from squadron.data.window_table import WindowTable
    from squadron.data.windows import limit_negatives
    from squadron.models import backbones, model_folder, scratch, trained_on, variants
    from squadron.models.batches import WindowSet
    from squadron.models.devices import pick_device
    from squadron.models.training import DivergedError, train_model

    settings = settle_answer_tokens(from_json(Contender, contender), windows)
    planned = provenance.read_digests(digests)
    child = tracking.address_run(tracking.current_race(), settings.label)
    tracking.log_params(child, chosen_params(settings))
    figures: dict[str, float] = {}
    summary: dict[str, Any] = {}
    reason = ""
    started = time.monotonic()
    with fetched(settings.backbone, planned) as place:
        about_windows = read_about_windows(windows)
        layout = find_layout(about_windows)
        variant = variants.load_variant(settings.variant)
        options = variants.read_options(settings)
        torch.manual_seed(settings.train.seed)
        backbone = scratch.find_backbone(place, windows, settings.windows)
        network = variant.build(backbone, options)
        made_from = digest(
            contender,
            about_windows["made_from"],
            backbones.fingerprint(backbone),
            planned.code
            or provenance.code_digest(("steps.train", f"models.variants.{settings.variant}")),
        )
        counts = _count_parameters(network)
        record = trained_on.read_record(backbone, settings.trained_on)
        if variant.TRAINS:
            network.to(pick_device())
            judge = _tune_judge(network, settings, windows, layout, examples)
            rows = limit_negatives(
                WindowTable(read_windows(windows / "train.arrow"), layout).first_examples(
                    settings.train.max_examples
                ),
                settings.train.max_negative_windows,
                settings.train.seed,
            )
            asked = set(rows.example_ids().to_pylist())
            questions = len(asked)
            table = read_table(examples / "train.parquet", schema="examples/1")
            record = trained_on.extend_record(record, table, asked)
            if hasattr(network, "prepare_training"):
                network.prepare_training(rows)
            try:
                run = train_model(
                    network,
                    WindowSet(rows, layout),
                    settings.train,
                    evaluate=judge,
                    checkpoints=checkpoint_folder(settings.label, made_from),
                    title=f"train      {settings.label}",
                    on_point=lambda point: tracking.log_points(child, [point]),
                )
                summary = {**vars(run), "log": run.log}
                share = questions / len(rows)
                figures["examples_per_second"] = run.windows_per_second * share
                figures["best_epoch"] = run.best_epoch
            except DivergedError as error:
                reason = str(error)
        else:
            counts["trainable_parameters"] = 0
        figures |= {**counts, "peak_memory_mb": peak_memory_mb()}
        figures["seconds_train"] = time.monotonic() - started
        summary |= {**figures, "figures": figures}
        if reason:
            model_folder.write_disqualified(
                model, settings, reason, made_from=made_from, training=summary
            )
        else:
            tokenizer = backbones.load_tokenizer(backbone)
            model_folder.write_model(
                model,
                network,
                tokenizer,
                settings,
                made_from=made_from,
                training=summary,
                record=record,
            )
    if reason:
        progress.say(f"train      {settings.label} is disqualified: {reason}")
    elif variant.TRAINS:
        progress.say(
            f"train      {settings.label}: best EM on tune {run.best_exact_match:.2f} in epoch "
            f"{run.best_epoch}, {figures['examples_per_second']:.1f} examples/s"
        )
    if summary.get("log"):
        # A resumed training has points that this MLflow run has not seen.
        tracking.log_points(child, summary["log"])
        tracking.log_json(child, {"log": summary["log"]}, "training_log.json")
    tracking.log_metrics(child, figures)


def _tune_judge(
    network: Any, settings: Contender, windows: Path, layout: Any, examples: Path
) -> Callable[[], dict[str, float]]:
    """Figures of the model as it stands, on tune, with the threshold that is best there."""
    from dataclasses import replace

    from squadron.data.window_table import WindowTable
    from squadron.models.batches import WindowSet
    from squadron.models.devices import pick_device
    from squadron.models.prediction import mean_loss, predict_candidates
    from squadron.scores.evaluation import Questions, judge

    questions = Questions.read(read_table(examples / "tune.parquet", schema="examples/1"))
    rows = WindowTable(read_windows(windows / "tune.arrow"), layout)

    def evaluate_epoch() -> dict[str, float]:
        device = pick_device()
        # An answer needs the best span of each window alone.
        best = replace(settings.predict, n_best=1)
        parts = predict_candidates(network, rows, layout, best, device)
        summary = judge(questions, parts, None, search=True).summary
        figures = {name: summary[name] for name in ("f1", "answerable_f1")}
        figures |= {"exact_match": summary["exact"]}
        if settings.train.monitor == "eval_loss":
            figures["eval_loss"] = mean_loss(
                network, WindowSet(rows, layout), settings.predict, device
            )
        return figures

    return evaluate_epoch


def _count_parameters(network: Any) -> dict[str, float]:
    sizes = [(p.numel(), p.requires_grad) for p in network.parameters()]
    return {
        "parameters": float(sum(size for size, _ in sizes)),
        "trainable_parameters": float(sum(size for size, trains in sizes if trains)),
    }
