"""The steps of a race, one function per component: settings and paths in, files out.

Each may be run twice on the same inputs and leaves one result. Nothing here knows Kubeflow.
"""

import atexit
import contextlib
import functools
import gc
import hashlib
import json
import logging
import os
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, get_type_hints

from squadron import progress, standings, storage
from squadron.artifacts import (
    CANDIDATES,
    EXAMPLES,
    read_json,
    read_table,
    read_windows,
    write_json,
    write_table,
    write_windows,
    written_whole,
)
from squadron.config import SPLITS, Contender, Data, Register, digest, from_json, to_json
from squadron.errors import EXIT_CODE_INPUT_ERROR, InputError

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

JUDGED = ("tune", "select", "test")
"""The splits that are predicted and scored."""
CHECKPOINTS_VARIABLE = "SQUADRON_CHECKPOINTS"
TERMINATION_LOG = Path("/dev/termination-log")
"""Where Kubernetes looks for the last words of a container."""


def step(function: Callable[P, R]) -> Callable[P, R]:
    """Logs, measures and explains a step: one sentence and exit code 2 for bad input.

    The reason of a failure reaches the launcher, Kubernetes and, by the keyword `race`, MLflow.
    """
    hints = get_type_hints(function)
    # Every step is a process. Collecting what torch and MLflow leave behind would take its end
    # most of a second; the system takes it back at once.
    atexit.unregister(gc.freeze)
    atexit.register(gc.freeze)

    @functools.wraps(function)
    def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
        # Kubeflow gives paths as text.
        for name, value in kwargs.items():
            if hints[name] is Path:
                kwargs[name] = Path(str(value))
            elif hints[name] == Sequence[Path]:
                kwargs[name] = [Path(str(path)) for path in value]  # type: ignore[attr-defined]
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
        for noisy in ("httpx", "mlflow", "botocore", "urllib3", "datasets"):
            logging.getLogger(noisy).setLevel(logging.WARNING)
        try:
            return function(*args, **kwargs)
        except Exception as error:
            is_input = isinstance(error, InputError)
            reason = str(error) if is_input else f"{type(error).__name__}: {error}"
            progress.emit_error(function.__name__, reason, is_input)
            with contextlib.suppress(OSError):
                if TERMINATION_LOG.exists():
                    TERMINATION_LOG.write_text(f"{function.__name__}: {reason}"[:4000])
            if kwargs.get("race"):
                from squadron import tracking

                with contextlib.suppress(InputError):
                    parent = tracking.find_parent(tracking.read_race(str(kwargs["race"])))
                    tracking.note_failure(parent, f"{function.__name__}: {reason}")
            if is_input:
                sys.exit(EXIT_CODE_INPUT_ERROR)
            raise

    return wrapped


@contextlib.contextmanager
def _timed(figures: dict[str, float], name: str) -> Iterator[None]:
    started = time.monotonic()
    yield
    figures[f"seconds_{name}"] = time.monotonic() - started


@step
def open_race(*, race: str, experiment: str) -> None:
    """Opens the race in MLflow: the parent run and a child per contender.

    Args:
        race: JSON of tracking.Race.
        experiment: JSON of {labels, experiment (resolved), git_sha}.
    """
    from squadron import tracking

    fields = json.loads(experiment)
    tracking.open_race(
        tracking.read_race(race), fields["labels"], fields["experiment"], fields["git_sha"]
    )


@step
def ingest(*, data: str, race: str, examples: Path) -> None:
    """Reads, validates and splits the data into examples/{train,tune,select,test}.parquet.

    Args:
        data: JSON of config.Data.
        race: JSON of tracking.Race; "" tracks nothing.
        examples: The folder to write; validation.json lies in it too.
    """
    import tempfile

    import pyarrow as pa

    from squadron import tracking
    from squadron.sources import Example, load_source
    from squadron.split import assign_titles, limit_examples
    from squadron.validation import Report, check_rejected_share, validate_examples

    settings = from_json(Data, data)
    source = load_source(settings.source)
    report = Report()
    figures: dict[str, float] = {}
    with _timed(figures, "ingest"), tempfile.TemporaryDirectory() as temporary:

        def read(locations: Sequence[str]) -> Iterator[Example]:
            for number, location in enumerate(locations):
                folder = Path(temporary) / f"{len(locations)}-{number}"
                yield from source.read_examples(storage.fetch_file(location, folder))

        own = validate_examples(read(settings.train), report)
        given = validate_examples(read(settings.test), report)
        check_rejected_share(report, settings.max_rejected_share)
        splits = settings.splits
        if settings.test:
            from dataclasses import replace

            splits = replace(splits, test=0)
        # With split_by question, an id stands where a title does.
        by_title = settings.split_by == "title"
        group_of = {e.id: e.title if by_title else e.id for e in own}
        split_of = assign_titles(group_of.values(), splits, settings.seed)
        parts: dict[str, list[Example]] = {name: [] for name in SPLITS}
        for example in own:
            parts[split_of[group_of[example.id]]].append(example)
        if settings.test:
            parts["test"] = given
        shared = {e.context for e in parts["test"]} & {e.context for e in own}
        if settings.test and shared and by_title:
            report.samples["context of test also in train"] = [c[:80] for c in sorted(shared)[:5]]
            logger.warning("%d contexts of the test set are in the training data too", len(shared))
        tables = {}
        for name, part in parts.items():
            limit = getattr(settings, f"max_{name}_examples")
            kept = limit_examples(part, limit, settings.seed)
            if not kept:
                unit = settings.split_by
                raise InputError(
                    f"The split {name!r} is empty: {len(split_of)} {unit}s in "
                    f"{list(settings.train)} with data -> splits {asdict(splits)} and seed "
                    f"{settings.seed}; give it more {unit}s, another seed, or a test set of its own"
                    + (", or set data -> split_by: question" if by_title else "")
                )
            tables[name] = pa.Table.from_pylist([_as_row(e) for e in kept], schema=EXAMPLES)
        made_from = {name: _digest_table(table) for name, table in tables.items()}
        for name, table in tables.items():
            path = examples / f"{name}.parquet"
            write_table(path, table, schema="examples/1", made_from=made_from[name])
        content = {
            **report.as_dict(),
            "splits": {
                name: {
                    "examples": table.num_rows,
                    "titles": sorted(set(table["title"].to_pylist())),
                    "unanswerable": sum(not a for a in table["answers"].to_pylist()),
                    "digest": made_from[name],
                }
                for name, table in tables.items()
            },
            "contexts_shared_with_test": len(shared) if settings.test else 0,
        }
        write_json(
            examples / "validation.json",
            content,
            schema="validation/1",
            made_from=digest(*made_from.values()),
        )
    rejected = f", {report.rejected.total()} rejected" if report.rejected else ""
    sizes = ", ".join(f"{name} {table.num_rows:,}" for name, table in tables.items())
    progress.say(f"ingest     {report.accepted:,} examples{rejected}: {sizes}")
    parent = tracking.find_parent(tracking.read_race(race))
    for name, table in tables.items():
        source_name = settings.test if name == "test" and settings.test else settings.train
        tracking.log_dataset(parent, name, made_from[name], source_name[0], name, table.num_rows)
    tracking.log_json(parent, content, "validation.json")
    tracking.log_metrics(parent, figures)


@step
def featurize(*, contenders: str, race: str, examples: Path, windows: Path) -> None:
    """Cuts the examples into windows, once for every different tokenizer and window setting.

    Args:
        contenders: JSON list of {label, backbone, windows}.
        race: JSON of tracking.Race; "" tracks nothing.
        examples: As ingest wrote them.
        windows: The folder to write: <key>/{split}.arrow, contenders.json (label -> key) and
            backbones/, where a contender has the backbone `scratch`.
    """
    from squadron import backbones, scratch, tracking
    from squadron.config import Windows, from_mapping
    from squadron.windows import covering_length, read_layout, slide_windows

    tables = {
        name: read_table(examples / f"{name}.parquet", schema="examples/1") for name in SPLITS
    }
    examples_digest = read_json(examples / "validation.json", schema="validation/1")["made_from"]
    figures: dict[str, float] = {}
    keys: dict[str, str] = {}
    with _timed(figures, "featurize"):
        for contender in json.loads(contenders):
            settings = from_mapping(Windows, contender["windows"])
            backbone = scratch.make_backbone(
                contender["backbone"], windows, tables["train"], settings
            )
            tokenizer = backbones.load_tokenizer(backbone)
            limit = tokenizer.model_max_length
            if settings.max_length > limit:
                raise InputError(
                    f"windows -> max_length: {settings.max_length} is more than the {limit} tokens "
                    f"that {contender['backbone']!r} takes; lower it"
                )
            bare = backbones.bare_tokenizer(tokenizer)
            key = digest(bare.to_str(), to_json(settings), examples_digest)
            keys[contender["label"]] = key
            if key in list(keys.values())[:-1]:
                continue
            layout = read_layout(bare, tokenizer.pad_token_id)
            counts = {}
            for name, table in tables.items():
                rows, counted = slide_windows(table, bare, layout, settings)
                write_windows(windows / key / f"{name}.arrow", rows, about={"squadron.key": key})
                counts[name] = asdict(counted)
                if name == "train":
                    longest = covering_length(rows, counted.unreachable_answers)
            about = {
                "layout": asdict(layout),
                "settings": asdict(settings),
                "counts": counts,
                "answer_tokens": longest,
            }
            write_json(windows / key / "windows.json", about, schema="windows/1", made_from=key)
            total = sum(count["windows"] for count in counts.values())
            cut = sum(count["cut_questions"] for count in counts.values())
            extra = f", {cut} questions cut" if cut else ""
            lost = sum(count["unreachable_answers"] for count in counts.values())
            extra += f", {lost} answers in no window" if lost else ""
            figures["unreachable_answers"] = max(lost, figures.get("unreachable_answers", 0))
            progress.say(f"featurize  {total:,} windows of {settings.max_length} tokens{extra}")
            figures["windows"] = total
        made_from = digest(*keys.values())
        write_json(
            windows / "contenders.json", {"keys": keys}, schema="keys/1", made_from=made_from
        )
    tracking.log_metrics(tracking.find_parent(tracking.read_race(race)), figures)


@step
def train(*, contender: str, race: str, windows: Path, examples: Path, model: Path) -> None:
    """Trains one contender and keeps its best epoch by EM on tune; see `training.py`.

    A contender that diverges is disqualified: the folder then holds the reason instead of a model.

    Args:
        contender: JSON of config.Contender.
        race: JSON of tracking.Race; "" tracks nothing.
        windows: As featurize wrote them.
        examples: As ingest wrote them.
        model: The folder to write.
    """
    import torch

    from squadron import backbones, model_folder, scratch, tracking, variants
    from squadron.batches import WindowSet
    from squadron.devices import pick_device
    from squadron.training import DivergedError, train_model
    from squadron.windows import limit_negatives

    settings = _settle_answer_tokens(from_json(Contender, contender), windows)
    child = tracking.find_child(tracking.read_race(race), settings.label)
    tracking.log_params(child, _chosen_params(settings))
    figures: dict[str, float] = {}
    summary: dict[str, Any] = {}
    reason = ""
    with _timed(figures, "train"):
        folder, layout = _open_windows(windows, settings.label)
        variant = variants.load_variant(settings.variant)
        options = variants.read_options(settings)
        torch.manual_seed(settings.train.seed)
        backbone = scratch.find_backbone(settings.backbone, windows, settings.windows)
        network = variant.build(backbone, options)
        made_from = digest(contender, folder.name, backbones.fingerprint(backbone))
        counts = _count_parameters(network)
        if variant.TRAINS:
            network.to(pick_device())
            judge = _tune_judge(network, settings, folder, layout, examples)
            rows = limit_negatives(
                read_windows(folder / "train.arrow"),
                settings.train.max_negative_windows,
                settings.train.seed,
            )
            questions = len(set(rows["example_id"].to_pylist()))
            try:
                run = train_model(
                    network,
                    WindowSet(rows, layout),
                    settings.train,
                    evaluate=judge,
                    checkpoints=_checkpoint_root() / f"{settings.label}-{made_from}",
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
        figures |= {**counts, "peak_memory_mb": _peak_memory_mb()}
        summary |= {**figures}
        if reason:
            model_folder.write_disqualified(
                model, settings, reason, made_from=made_from, training=summary
            )
        else:
            tokenizer = backbones.load_tokenizer(backbone)
            model_folder.write_model(
                model, network, tokenizer, settings, made_from=made_from, training=summary
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


@step
def predict(*, contender: str, race: str, windows: Path, model: Path, candidates: Path) -> None:
    """Scores the windows of tune, select and test: candidates/{split}.parquet, streamed.

    Args:
        contender: JSON of config.Contender.
        race: JSON of tracking.Race; "" tracks nothing.
        windows: As featurize wrote them.
        model: As train wrote it.
        candidates: The folder to write.
    """
    import pyarrow.parquet as pq

    from squadron import model_folder, tracking
    from squadron.devices import pick_device
    from squadron.prediction import predict_candidates
    from squadron.progress import Progress

    settings = _settle_answer_tokens(from_json(Contender, contender), windows)
    about = model_folder.read_about(model)
    figures: dict[str, float] = {}
    status = {"disqualified": about["disqualified"], "training": about["training"]}
    if not about["disqualified"]:
        with _timed(figures, "predict"):
            folder, layout = _open_windows(windows, settings.label)
            device = pick_device()
            network = model_folder.load_model(model).model.to(device)
            tables = {name: read_windows(folder / f"{name}.arrow") for name in JUDGED}
            total = sum(table.num_rows for table in tables.values())
            with Progress(f"predict    {settings.label}", total, "windows") as bar:
                for name, table in tables.items():
                    meta = {
                        "squadron.schema": "candidates/1",
                        "squadron.made_from": about["made_from"],
                    }
                    path = candidates / f"{name}.parquet"
                    with (
                        written_whole(path) as temporary,
                        pq.ParquetWriter(temporary, CANDIDATES.with_metadata(meta)) as writer,
                    ):
                        for rows in predict_candidates(
                            network, table, layout, settings.predict, device, bar
                        ):
                            writer.write_table(rows.replace_schema_metadata(meta))
        figures["predict_peak_memory_mb"] = _peak_memory_mb()
        figures["windows_per_second_predict"] = total / figures["seconds_predict"]
    write_json(candidates / "status.json", status, schema="status/1", made_from=about["made_from"])
    tracking.log_metrics(tracking.find_child(tracking.read_race(race), settings.label), figures)


@step
def evaluate(
    *,
    contender: str,
    race: str,
    examples: Path,
    candidates: Path,
    evaluation: Path,
    figures_file: Path,
) -> dict[str, float]:
    """Answers and scores of one contender: the null threshold from tune, figures on every split.

    Args:
        contender: JSON of config.Contender.
        race: JSON of tracking.Race; "" tracks nothing.
        examples: As ingest wrote them.
        candidates: As predict wrote them.
        evaluation: The folder to write: metrics.json, {split}/{answers.json, nbest.json,
            scores.parquet}.
        figures_file: Gets them too: Kubeflow caches a Metrics output only if its file exists.

    Returns:
        Finite figures for the pipeline's own pages.
    """
    from squadron import answers, tracking
    from squadron.evaluation import Questions, add_intervals, judge

    settings = from_json(Contender, contender)
    child = tracking.find_child(tracking.read_race(race), settings.label)
    status = read_json(candidates / "status.json", schema="status/1")
    content: dict[str, Any] = {
        "label": settings.label,
        "group": settings.group,
        "variant": settings.variant,
        "disqualified": status["disqualified"],
        "training": {k: v for k, v in status["training"].items() if k != "log"},
        "splits": {},
    }
    figures: dict[str, float] = {"disqualified": float(bool(status["disqualified"]))}
    if not status["disqualified"]:
        with _timed(figures, "evaluate"):
            threshold: float | None = None
            for name in JUDGED:
                table = read_table(examples / f"{name}.parquet", schema="examples/1")
                rows = read_table(
                    candidates / f"{name}.parquet",
                    schema="candidates/1",
                    made_from=status["made_from"],
                )
                questions = Questions.read(table)
                judged = judge(questions, [rows], threshold, search=name == "tune")
                threshold = judged.null_threshold
                if name != "tune":  # which the threshold was fitted on
                    add_intervals(judged)
                content["splits"][name] = judged.summary
                about = table.schema.metadata[b"squadron.made_from"].decode()
                content.setdefault("digests", {})[name] = about
                best = answers.rank_as_dicts(
                    judged.ranked, questions.contexts, settings.predict.n_best
                )
                folder = evaluation / name
                write_table(
                    folder / "scores.parquet",
                    judged.scores,
                    schema="scores/1",
                    made_from=status["made_from"],
                )
                _dump(folder / "answers.json", dict(zip(questions.ids, judged.chosen, strict=True)))
                _dump(folder / "nbest.json", dict(zip(questions.ids, best, strict=True)))
            content["null_threshold"] = threshold
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
            f"evaluate   {settings.label}: EM {shown['exact']:.2f}, F1 {shown['f1']:.2f} on select"
        )
    _dump(figures_file, figures)
    tracking.log_metrics(child, figures)
    tracking.close_contender(child, status["disqualified"])
    return figures


@step
def register(
    *,
    settings: str,
    race: str,
    models: Sequence[Path],
    evaluations: Sequence[Path],
    results: str,
    champion: Path,
) -> dict[str, float]:
    """Chooses the best EM on select, registers it as `candidate` and writes champion.json.

    Args:
        settings: JSON of {"register": config.Register, "git_sha": text, "race": key}.
        race: JSON of tracking.Race; "" tracks nothing.
        models: Model folders of all contenders.
        evaluations: Their evaluation folders, in the same order.
        results: Where every contender's model and evaluation are published; "" for nowhere.
        champion: The file to write.

    Returns:
        Finite figures for the pipeline's own pages.
    """
    from squadron import backbones, registry, tracking
    from squadron.config import from_mapping
    from squadron.evaluation import compare_with_winner

    fields = json.loads(settings)
    options = from_mapping(Register, fields["register"])
    started = time.monotonic()
    rows = [read_json(folder / "metrics.json", schema="metrics/1") for folder in evaluations]
    order = standings.rank_contenders(rows)
    content: dict[str, Any] = {
        "race": fields["race"],
        "contenders": [standings.table_row(rows[n]) for n in order],
        "model": None,
    }
    figures: dict[str, float] = {}
    racing = [n for n in order if not rows[n]["disqualified"]]
    if not racing:
        content["refused"] = "every contender was disqualified"
    else:
        best = rows[racing[0]]
        select = best["splits"]["select"]
        refused = registry.gate(select, select["all_null_exact"])
        content |= {"winner": best["label"], "why": standings.explain(rows, racing)}
        scores = {
            rows[n]["label"]: read_table(
                evaluations[n] / "select" / "scores.parquet", schema="scores/1"
            )
            for n in racing
        }
        content["comparisons"] = compare_with_winner(scores.pop(best["label"]), scores)
        if refused and not options.demo:
            content["refused"] = f"{best['label']} is not registered: {refused}"
        else:
            child = tracking.find_child(tracking.read_race(race), best["label"])
            about = read_json(models[racing[0]] / "variant.json", schema="model/1")
            status = "demo" if options.demo else "passed"
            backbone = about["contender"]["backbone"]
            tags = standings.version_tags(
                best,
                status,
                backbone=backbone,
                licence=backbones.licence(backbone),
                git_sha=fields["git_sha"],
                run=tracking.run_url(child),
            )
            registered = registry.register_model(
                options.model_name, child, models[racing[0]], best["null_threshold"], tags
            )
            content["model"] = {
                "name": registered.name,
                "version": registered.version,
                "alias": registry.CANDIDATE,
                "validation_status": status,
            }
            content["gate"] = refused or "passed"
            figures["winner_select_exact_match"] = select["exact"]
            figures["version"] = float(registered.version)
    write_json(
        champion, content, schema="champion/1", made_from=digest(*(r["made_from"] for r in rows))
    )
    if results:
        place = _publish(results, fields["race"], rows, models, evaluations, champion)
        progress.say(f"register   results are in {place}")
    parent = tracking.find_parent(tracking.read_race(race))
    tracking.log_json(parent, content, "champion.json")
    tracking.log_metrics(parent, {**figures, "seconds_register": time.monotonic() - started})
    return figures


@step
def close_race(*, race: str, state: str, message: str) -> None:
    """Ends the race in MLflow and shows its table; runs whatever happened before.

    Args:
        race: JSON of tracking.Race.
        state: Kubeflow's word: SUCCEEDED or anything else.
        message: Kubeflow's, if it failed.
    """
    from squadron import tracking

    run_id = tracking.find_parent(tracking.read_race(race))
    if not run_id:
        return
    succeeded = state == "SUCCEEDED"
    tracking.close_race(run_id, succeeded=succeeded, reason=message)
    content = tracking.read_json_artifact(run_id, "champion.json") if succeeded else None
    if content:
        progress.show_table(content)


def _as_row(example: Any) -> dict[str, Any]:
    return {
        "id": example.id,
        "title": example.title,
        "question": example.question,
        "context": example.context,
        "answers": [{"text": a.text, "start_char": a.start_char} for a in example.answers],
        "reasoning_type": example.reasoning_type,
    }


def _digest_table(table: Any) -> str:
    """Of its rows, not of how Parquet happens to store them."""
    sha256 = hashlib.sha256()
    for row in table.to_pylist():
        sha256.update(json.dumps(row, sort_keys=True).encode())
    return sha256.hexdigest()[:16]


def _open_windows(windows: Path, label: str) -> tuple[Path, Any]:
    """(the folder of a contender's windows, their layout)."""
    from squadron.windows import Layout

    keys = read_json(windows / "contenders.json", schema="keys/1")["keys"]
    folder = windows / keys[label]
    fields = read_json(folder / "windows.json", schema="windows/1")["layout"]
    layout: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
    return folder, Layout(**layout)


def _settle_answer_tokens(contender: Contender, windows: Path) -> Contender:
    """With the longest answer that featurize found, where the contender leaves it to the data."""
    from dataclasses import replace

    from squadron.config import Predict

    if contender.predict.max_answer_tokens:
        return contender
    folder, _ = _open_windows(windows, contender.label)
    found = read_json(folder / "windows.json", schema="windows/1")["answer_tokens"]
    # No window of train has an answer: there is nothing to learn it from.
    found = found or Predict().max_answer_tokens
    return replace(contender, predict=replace(contender.predict, max_answer_tokens=found))


def _tune_judge(
    network: Any, settings: Contender, folder: Path, layout: Any, examples: Path
) -> Callable[[], dict[str, float]]:
    """Figures of the model as it stands, on tune, with the threshold that is best there."""
    from dataclasses import replace

    from squadron.batches import WindowSet
    from squadron.devices import pick_device
    from squadron.evaluation import Questions, judge
    from squadron.prediction import mean_loss, predict_candidates

    questions = Questions.read(read_table(examples / "tune.parquet", schema="examples/1"))
    windows = read_windows(folder / "tune.arrow")

    def evaluate_epoch() -> dict[str, float]:
        device = pick_device()
        # An answer needs the best span of each window alone.
        best = replace(settings.predict, n_best=1)
        parts = predict_candidates(network, windows, layout, best, device)
        summary = judge(questions, list(parts), None, search=True).summary
        figures = {"exact_match": summary["exact"], "f1": summary["f1"]}
        if settings.train.monitor == "eval_loss":
            rows = WindowSet(windows, layout)
            figures["eval_loss"] = mean_loss(network, rows, settings.predict, device)
        return figures

    return evaluate_epoch


def _chosen_params(contender: Contender) -> dict[str, Any]:
    """What someone chose, not everything that has a value."""
    return {
        "variant": contender.variant,
        "backbone": contender.backbone,
        **contender.options,
        **asdict(contender.windows),
        **{k: v for k, v in asdict(contender.train).items() if k != "checkpoint_minutes"},
        "n_best": contender.predict.n_best,
        "max_answer_tokens": contender.predict.max_answer_tokens,
    }


def _count_parameters(network: Any) -> dict[str, float]:
    sizes = [(p.numel(), p.requires_grad) for p in network.parameters()]
    return {
        "parameters": float(sum(size for size, _ in sizes)),
        "trainable_parameters": float(sum(size for size, trains in sizes if trains)),
    }


def _checkpoint_root() -> Path:
    """A place that a retried step finds again, outside its output folder."""
    return Path(os.environ.get(CHECKPOINTS_VARIABLE) or "runs/checkpoints")


def _peak_memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _dump(path: Path, content: dict[str, Any]) -> None:
    """JSON in the official layout: ids at the top, no schema beside them."""
    with written_whole(path) as temporary:
        temporary.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _publish(
    results: str,
    race: str,
    rows: Sequence[dict[str, Any]],
    models: Sequence[Path],
    evaluations: Sequence[Path],
    champion: Path,
) -> str:
    """Each contender's model and evaluation, then the race's summary; each with its marker."""
    import tempfile

    place = storage.join(results, race)
    for row, model, evaluation in zip(rows, models, evaluations, strict=True):
        storage.publish(model, storage.join(place, row["label"], "model"))
        storage.publish(evaluation, storage.join(place, row["label"], "evaluation"))
    with tempfile.TemporaryDirectory() as temporary:
        summary = Path(temporary) / "summary"
        summary.mkdir()
        shutil.copy(champion, summary / "champion.json")
        storage.publish(summary, storage.join(place, "summary"))
    return place
