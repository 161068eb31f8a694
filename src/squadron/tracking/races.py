"""The races of an MLflow store: listed, compared with each other, and removed where they failed.

Reads what races logged. Texts for people are drawn 80 columns wide.
"""

import io
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from squadron import tracking
from squadron.errors import InputError
from squadron.runs_folder.places import RUNS
from squadron.tracking import reuse
from squadron.tracking.schema_lock import sqlite_file

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

WIDTH = 80
RUNNING = "running"
_PARENT_TAG = "mlflow.parentRunId"
_COMMIT_TAG = "mlflow.source.git.commit"
_MOST_SHOWN = 5
"""Races that an error message names."""


@dataclass(frozen=True)
class Contender:
    """A contender of a race as MLflow has it."""

    label: str
    run_id: str
    metrics: Mapping[str, float]
    is_winner: bool


@dataclass(frozen=True)
class RaceRow:
    """A race as MLflow has it."""

    run_id: str
    """Of the parent run."""
    name: str
    """Of the experiment and the beginning of the key, such as example-0123ab."""
    experiment: str
    key: str
    started_ms: int
    """Since 1970."""
    status: str
    """"running", "finished" or "failed"."""
    reason: str
    """Why it failed; "" otherwise."""
    version: str
    """Of the model that it registered or kept; "" for none."""
    has_result: bool
    """Whether it chose a winner, or one of its contenders was registered."""
    commit: str
    digests: Mapping[str, str]
    """Split -> digest of its examples."""
    contenders: tuple[Contender, ...]

    @property
    def winner(self) -> Contender | None:
        """The contender that won; None if there is no winner."""
        return next((each for each in self.contenders if each.is_winner), None)


def read_races() -> list[RaceRow]:
    """All races of the store, the last one first. Creates nothing.

    Raises:
        InputError: If there is no store or it can't be used.
    """
    client = _connect()
    with tracking.explained():
        experiments = _read_all(lambda token: client.search_experiments(page_token=token))
        names = {str(each.experiment_id): each.name for each in experiments}
        # A store may hold runs of anybody; only races have this tag.
        wanted = f"tags.`{tracking.CONTENDER_TAG}` != ''"
        runs = _read_all(
            lambda token: client.search_runs(
                list(names), wanted, max_results=reuse.PAGE, page_token=token
            )
        )
        versions = _read_all(lambda token: client.search_model_versions(page_token=token))
    registered = {str(each.run_id) for each in versions}
    contenders: dict[str, list[Run]] = {}
    for run in runs:
        contenders.setdefault(run.data.tags.get(_PARENT_TAG, ""), []).append(run)
    races = [
        _row(run, contenders.get(str(run.info.run_id), []), names, registered)
        for run in runs
        if run.data.tags[tracking.CONTENDER_TAG] == tracking.PARENT
    ]
    return sorted(races, key=lambda race: -race.started_ms)


def find_race(races: Sequence[RaceRow], wanted: str) -> RaceRow:
    """The race that a person means.

    Args:
        races: As `read_races` gives them.
        wanted: The race's name, its key or the beginning of that, or the name of an experiment,
            which means its last race.

    Raises:
        InputError: If no race or several races are meant.
    """
    exact = [race for race in races if wanted in (race.name, race.key)]
    found = exact or [race for race in races if wanted and race.key.startswith(wanted)]
    if not found:
        found = [race for race in races if race.experiment == wanted][:1]
    if not found:
        raise InputError(
            f"There is no race {wanted!r} in {tracking.shown_store()}; give a name that "
            "`squadron races` lists, or the name of an experiment for its last race"
        )
    if len(found) > 1:
        shown = ", ".join(f"{race.name} (key {race.key})" for race in found[:_MOST_SHOWN])
        raise InputError(
            f"{len(found)} races are named {wanted!r}: {shown}; give more of the key of one"
        )
    return found[0]


def draw_list(races: Sequence[RaceRow]) -> str:
    """The races as a table, with the reasons of those that failed."""
    if not races:
        return _wrapped(f"There is no race in {tracking.shown_store()}; `make run` starts one.")
    rows = [
        (
            race.name,
            _when(race),
            race.status,
            race.winner.label if race.winner else "-",
            *(_figure(race.winner, f"select_{name}") for name in ("exact_match", "f1")),
            race.version or "-",
        )
        for race in races
    ]
    heads = ("race", "started", "status", "winner", "EM", "F1", "version")
    failed = [f"{race.name} failed: {race.reason}" for race in races if race.reason]
    lines = [_table(heads, rows, figures=3), "EM and F1 are the winner's on select, 0 to 100."]
    return "\n".join([*lines, *map(_wrapped, failed)])


def draw_comparison(first: RaceRow, second: RaceRow) -> str:
    """The figures of two races side by side, and what differs in their experiments."""
    own: list[dict[str, Contender]] = [
        {each.label: each for each in race.contenders} for race in (first, second)
    ]
    labels = list(dict.fromkeys([*own[0], *own[1]]))
    rows = []
    for label in labels:
        one, two = (each.get(label) for each in own)
        cells = [label]
        for name in ("select_exact_match", "select_f1", "test_exact_match"):
            cells += [_figure(one, name), _figure(two, name), _difference(one, two, name)]
        rows.append(tuple(cells))
    heads = (
        "contender",
        *(f"{n}\n{whose}" for n in ("EM", "F1", "test\nEM") for whose in ("A", "B", "+/-")),
    )
    lines = [
        *(_wrapped(f"{mark}: {_about(race)}") for mark, race in (("A", first), ("B", second))),
        "",
        _table(heads, rows, figures=9),
        "EM and F1 are of select, test EM is of test, 0 to 100. +/- is B minus A.",
        *_judge_comparability(first, second),
        "",
    ]
    different = _differences(first, second)
    lines.append("What differs, A -> B:" if different else "The experiments are equal.")
    return "\n".join([*lines, *(_wrapped(f"  {line}") for line in different)])


def choose_prunable(races: Iterable[RaceRow], running_stay: bool) -> list[RaceRow]:
    """The races that left no result: they failed, or nobody ended them.

    Args:
        races: As `read_races` gives them.
        running_stay: Whether a race that MLflow says is running may really run.
    """
    ended = {"failed"} if running_stay else {"failed", RUNNING}
    return [race for race in races if race.status in ended and not race.has_result]


def delete_races(races: Iterable[RaceRow]) -> None:
    """Deletes the runs of races; MLflow can restore them until `mlflow gc` is called."""
    client = _connect()
    with tracking.explained():
        for race in races:
            # The parent goes last, so that a deletion that was broken off can be repeated.
            for run_id in (*(each.run_id for each in race.contenders), race.run_id):
                client.delete_run(run_id)


def draw_prunable(races: Sequence[RaceRow]) -> str:
    """One line for each race that can be removed."""
    return "\n".join(
        _wrapped(f"  {race.name}, {_when(race)}: {race.reason or 'it was never ended'}")
        for race in races
    )


def is_local_store() -> bool:
    """Whether the store is that of this folder, where one race runs at a time (`runs_lock`)."""
    file = sqlite_file(tracking.tracking_uri())
    return file is not None and file.resolve().parent == RUNS.resolve()


def _connect() -> "MlflowClient":
    """A client of the store, which must be there."""
    # Experiments are small files, of which bars would say nothing.
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    return tracking.connect_existing()


def _read_all(read: Callable[[str | None], Any]) -> list[Any]:
    """All pages of a search."""
    found, token = [], None
    while token != "":
        page = read(token)
        found += list(page)
        token = page.token or ""
    return found


def _row(
    run: "Run", children: Iterable["Run"], names: Mapping[str, str], registered: set[str]
) -> RaceRow:
    tags, metrics = run.data.tags, run.data.metrics
    key, experiment = tags.get(tracking.RACE_TAG, ""), names[str(run.info.experiment_id)]
    status = str(run.info.status).lower()
    contenders = tuple(
        Contender(
            child.data.tags[tracking.CONTENDER_TAG],
            str(child.info.run_id),
            child.data.metrics,
            child.data.tags.get(tracking.STANDING_TAG) == "winner",
        )
        for child in sorted(children, key=lambda each: each.info.start_time)
    )
    is_failed = status not in (RUNNING, tracking.FINISHED)
    reason = tags.get(tracking.STATUS_TAG, "").removeprefix("failed: ") or "no reason was given"
    version = metrics.get("version")
    return RaceRow(
        run_id=str(run.info.run_id),
        name=f"{experiment}-{key[:6]}",
        experiment=experiment,
        key=key,
        started_ms=int(run.info.start_time),
        status="failed" if is_failed else status,
        reason=reason if is_failed else "",
        version="" if version is None else str(int(version)),
        has_result=reuse.CHOSEN in metrics or any(c.run_id in registered for c in contenders),
        commit=tags.get(_COMMIT_TAG, ""),
        digests={
            each.dataset.name: each.dataset.digest
            for each in (run.inputs.dataset_inputs if run.inputs else ())
        },
        contenders=contenders,
    )


def _judge_comparability(first: RaceRow, second: RaceRow) -> list[str]:
    """Whether figures of two races may be compared at all."""
    ours, theirs = (race.digests.get("select", "") for race in (first, second))
    if not ours or not theirs:
        return []
    if ours == theirs:
        return ["Both races are judged on the same select split."]
    return ["The select splits differ: figures of A and B can't be compared."]


def _differences(first: RaceRow, second: RaceRow) -> list[str]:
    """What the experiments, the data and the code of two races don't share, one line each."""
    values, own = [], []
    for race in (first, second):
        content = tracking.read_json_artifact(race.run_id, "experiment.json") or {}
        contenders = {each["label"]: each for each in content.pop("contenders", [])}
        content |= {f"digest of {name}": digest for name, digest in sorted(race.digests.items())}
        values.append(dict(_flatten(content)) | {"commit": race.commit})
        own.append(contenders)
    lines = _changes(*values)
    for label in dict.fromkeys([*own[0], *own[1]]):
        pair = [each.get(label) for each in own]
        if None in pair:
            lines.append(f"contender {label}: only in {'B' if pair[0] is None else 'A'}")
        else:
            lines += _changes(*(dict(_flatten(each, f"contender {label}")) for each in pair))
    return lines


def _changes(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """One line for each value that is not the same in both."""
    pairs = {name: (first.get(name), second.get(name)) for name in {**first, **second}}
    shown = {name: (_plain(one), _plain(two)) for name, (one, two) in pairs.items()}
    return [f"{name}: {one} -> {two}" for name, (one, two) in shown.items() if one != two]


def _flatten(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """The leaves of nested objects, each with its path, such as train.epochs."""
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from _flatten(each, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def _plain(value: Any) -> str:
    if value is None or value == "":
        return "nothing"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _about(race: RaceRow) -> str:
    """Name, start and end of a race on one line."""
    winner = f", won by {race.winner.label}" if race.winner else ""
    version = f", model version {race.version}" if race.version else ""
    return f"{race.name}, {_when(race)}, {race.status}{winner}{version}"


def _when(race: RaceRow) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(race.started_ms / 1000))


def _figure(contender: Contender | None, name: str) -> str:
    value = contender.metrics.get(name) if contender else None
    return "-" if value is None else f"{value:.2f}"


def _difference(first: Contender | None, second: Contender | None, name: str) -> str:
    if not first or not second or name not in first.metrics or name not in second.metrics:
        return "-"
    return f"{second.metrics[name] - first.metrics[name]:+.2f}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], figures: int) -> str:
    """A table whose last columns are figures, which are never cut; texts are folded."""
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="")
    for number, head in enumerate(heads):
        is_figure = number >= len(heads) - figures
        table.add_column(
            head, justify="right" if is_figure else "left", overflow="fold", no_wrap=is_figure
        )
    for row in rows:
        table.add_row(*row)
    console = Console(width=WIDTH, record=True, file=io.StringIO(), highlight=False, markup=False)
    console.print(table)
    return "\n".join(line.rstrip() for line in console.export_text().splitlines())


def _wrapped(line: str) -> str:
    """A line of at most 80 columns; what follows is indented further."""
    import textwrap

    indent = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(
        line.strip(),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=f"{indent}  ",
        # A path or an address that is cut can't be copied.
        break_long_words=False,
        break_on_hyphens=False,
    )
