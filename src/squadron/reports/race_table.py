"""The end of a race as a terminal shows it: the table of contenders and the lines around it."""

import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from squadron.reports.race_facts import describe_contamination, shown_names
from squadron.reports.race_summary import describe_end, describe_figures
from squadron.wording import LEVEL, figure, interval

WIDEST = 120
"""Maximum width of the table in columns, and its width where there is no terminal."""
LEAST_NEEDED = (
    "trainable",
    "seconds",
    "train F1",
    "BERTScore",
    "HasAns and NoAns EM",
    "test F1",
    "F1",
    "test EM",
)
"""Columns that a narrow terminal leaves out, in this order. EM on select always stays."""
_LABEL_WIDTH = 11
"""Labels are folded to this width before a column is left out: "champion", "(version 3)"."""
_BETWEEN = 3
"""What a column takes besides its content: two blanks and a line."""
_MISSING = "-"
"""Stands in a cell without a figure."""


@dataclass(frozen=True)
class _Column:
    """A column of figures."""

    name: str
    """As in `LEAST_NEEDED`."""
    title: str
    cell: Callable[[dict[str, Any]], str]
    """The text of a row of champion.json that was not disqualified."""

    def cells(self, rows: list[dict[str, Any]]) -> list[str]:
        """Returns the texts of all rows."""
        return [_MISSING if row["disqualified"] else self.cell(row) for row in rows]

    def width(self, rows: list[dict[str, Any]]) -> int:
        """Returns the width in which nothing is folded."""
        return _BETWEEN + _longest([self.title, *self.cells(rows)])


def screen_width() -> int:
    """Returns the columns of the terminal, `WIDEST` at most; `WIDEST` without a terminal."""
    return min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns)


def render_table(
    champion: dict[str, Any],
    width: int = WIDEST,
    squadron: str = "squadron",
    pages: str = "make ui",
) -> str:
    """Renders champion.json as a table with lines of text around it.

    Args:
        champion: As the register step wrote it; EM and F1 are 0 to 100. It may also have "report",
            the place of the report, and the aliases of the model as they are now.
        width: Columns of the terminal. Where they are too few, columns of figures are left out, in
            the order of `LEAST_NEEDED`. No figure is ever cut.
        squadron: The command `squadron` as it can be run from here.
        pages: The command that shows MLflow's pages.
    """
    rows, names = champion["contenders"], shown_names(champion)
    columns, left_out = _fit(_list_columns(rows), rows, list(names.values()), width)
    lines = []
    if left_out:
        lines.append(f"Left out because {width} columns are too few: {', '.join(left_out)}.")
    lines += [*describe_figures(champion), *describe_end(champion, width, squadron, pages)]
    warnings = "".join(f"Warning: {each}\n" for each in describe_contamination(champion))
    return warnings + _draw(columns, rows, names, width) + "\n".join(lines)


def _draw(
    columns: list[_Column], rows: list[dict[str, Any]], names: dict[str, str], width: int
) -> str:
    """Draws the table alone."""
    from rich.console import Console
    from rich.table import Table

    table = Table(
        title="The race, ranked by EM on the select split", title_justify="left", show_lines=True
    )
    # Labels are folded where there is little room. A folded figure would read as another one.
    table.add_column("contender", overflow="fold")
    for column in columns:
        table.add_column(column.title, justify="right", overflow="fold", no_wrap=True)
    cells = zip(*(column.cells(rows) for column in columns), strict=True)
    for row, texts in zip(rows, cells, strict=True):
        table.add_row(names[row["label"]], *texts)
    console = Console(width=width, record=True, file=io.StringIO(), highlight=False)
    console.print(table)
    return console.export_text()


def _list_columns(rows: list[dict[str, Any]]) -> list[_Column]:
    """Lists all columns that the race has figures for."""
    has_train = any(row.get("train") for row in rows)
    has_near = any("bertscore_f1" in (row["select"] or {}) for row in rows)
    has_titles = any("exact_title_low" in (row["select"] or {}) for row in rows)

    def sure(name: str, split: str, key: str) -> _Column:
        title = f"{name}\n{LEVEL}\nby title" if has_titles else f"{name}\n{LEVEL}"
        # A test split that was trained on has no figures.
        return _Column(name, title, lambda row: _stack(row[split] or {}, key, has_titles))

    near = _Column(
        "BERTScore",
        "BERTScore\ntest",
        lambda row: _two(
            row["select"].get("bertscore_f1"), (row["test"] or {}).get("bertscore_f1")
        ),
    )
    # This figure is without a threshold, because abstaining would hide what little a demo learns.
    train = _Column(
        "train F1",
        "train F1",
        lambda row: figure((row.get("train") or {}).get("answerable_f1"), missing=_MISSING),
    )
    return [
        sure("EM", "select", "exact"),
        sure("F1", "select", "f1"),
        *([near] if has_near else []),
        _Column(
            "HasAns and NoAns EM",
            "HasAns EM\nNoAns EM",
            lambda row: _two(row["select"].get("HasAns_exact"), row["select"].get("NoAns_exact")),
        ),
        sure("test EM", "test", "exact"),
        sure("test F1", "test", "f1"),
        *([train] if has_train else []),
        _Column(
            "seconds",
            "seconds\nexamples/s",
            lambda row: _two(row["seconds"], row["examples_per_second"], 1),
        ),
        _Column("trainable", "trainable", lambda row: _count(row["trainable_parameters"])),
    ]


def _fit(
    columns: list[_Column], rows: list[dict[str, Any]], names: list[str], width: int
) -> tuple[list[_Column], list[str]]:
    """Returns the columns that fit the width, and the names of the others."""
    labels = min(_LABEL_WIDTH, _longest(names)) + _BETWEEN + 1
    kept, left_out = list(columns), []
    for name in LEAST_NEEDED:
        if labels + sum(column.width(rows) for column in kept) <= width:
            break
        left_out += [column.name for column in kept if column.name == name]
        kept = [column for column in kept if column.name != name]
    return kept, left_out


def _longest(texts: list[str]) -> int:
    """Returns the length of the longest line of all texts."""
    return max((len(line) for text in texts for line in text.split("\n")), default=0)


def _stack(summary: dict[str, Any], key: str, has_titles: bool) -> str:
    """Returns a figure and, below it, its interval by paragraph and, if wanted, by title."""
    lines = [figure(summary.get(key), missing=_MISSING)]
    for by in ("", "title") if has_titles else ("",):
        lines.append(interval(summary, key, by) or _MISSING)
    return "\n".join(lines)


def _two(above: float | None, below: float | None, digits: int = 2) -> str:
    """Returns one figure below the other."""
    return "\n".join(figure(each, digits, _MISSING) for each in (above, below))


def _count(value: float) -> str:
    """Returns a number of parameters in at most nine characters."""
    return f"{int(value):,}" if value < 1e7 else f"{value / 1e6:,.1f}M"
