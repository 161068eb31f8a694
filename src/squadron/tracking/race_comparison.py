"""Two races side by side: their figures, and what differs in their experiments, data and code."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from squadron.tracking.outcome import read_artifact
from squadron.tracking.race_texts import draw_table, show_figure, show_start, wrap_line
from squadron.tracking.races import Contender, RaceRow


def draw_comparison(first: RaceRow, second: RaceRow) -> str:
    """Returns the figures of two races side by side, and what differs in their experiments."""
    own: list[dict[str, Contender]] = [
        {each.label: each for each in race.contenders} for race in (first, second)
    ]
    labels = list(dict.fromkeys([*own[0], *own[1]]))
    rows = []
    for label in labels:
        one, two = (each.get(label) for each in own)
        cells = [label]
        for name in ("select_exact_match", "select_f1", "test_exact_match"):
            cells += [show_figure(one, name), show_figure(two, name), _difference(one, two, name)]
        rows.append(tuple(cells))
    heads = (
        "contender",
        *(f"{n}\n{whose}" for n in ("EM", "F1", "test\nEM") for whose in ("A", "B", "+/-")),
    )
    lines = [
        *(wrap_line(f"{mark}: {_about(race)}") for mark, race in (("A", first), ("B", second))),
        "",
        draw_table(heads, rows, figures=9),
        "EM and F1 are of select, test EM is of test, 0 to 100. +/- is B minus A.",
        *_judge_comparability(first, second),
        "",
    ]
    different = _differences(first, second)
    lines.append("What differs, A -> B:" if different else "The experiments are equal.")
    return "\n".join([*lines, *(wrap_line(f"  {line}") for line in different)])


def _judge_comparability(first: RaceRow, second: RaceRow) -> list[str]:
    """Returns a sentence on whether the figures of two races can be compared; [] if unknown."""
    ours, theirs = (race.digests.get("select", "") for race in (first, second))
    if not ours or not theirs:
        return []
    if ours == theirs:
        return ["Both races are judged on the same select split."]
    return ["The select splits differ: figures of A and B can't be compared."]


def _differences(first: RaceRow, second: RaceRow) -> list[str]:
    """Returns one line for each difference of the experiments, the data and the code."""
    values, own = [], []
    for race in (first, second):
        content = json.loads(read_artifact(race.run_id, "experiment.json") or "{}")
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
    """Returns one line for each value that differs."""
    pairs = {name: (first.get(name), second.get(name)) for name in {**first, **second}}
    shown = {name: (_show(one), _show(two)) for name, (one, two) in pairs.items()}
    return [f"{name}: {one} -> {two}" for name, (one, two) in shown.items() if one != two]


def _flatten(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the values of nested objects, each with its path, such as train.epochs."""
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from _flatten(each, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def _show(value: Any) -> str:
    """Returns a value of an experiment as text; strings stand without quotes."""
    if value is None or value == "":
        return "nothing"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _about(race: RaceRow) -> str:
    """Returns the name, start, status and winner of a race on one line."""
    winner = f", won by {race.winner.label}" if race.winner else ""
    version = f", model version {race.version}" if race.version else ""
    return f"{race.name}, {show_start(race)}, {race.status}{winner}{version}"


def _difference(first: Contender | None, second: Contender | None, name: str) -> str:
    """Returns how much higher a metric of the second contender is; "-" if one is missing."""
    if not first or not second or name not in first.metrics or name not in second.metrics:
        return "-"
    return f"{second.metrics[name] - first.metrics[name]:+.2f}"
