"""The end of a race as a terminal shows it: the table of contenders and the lines around it."""

import io
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from squadron.reports.race_facts import describe_contamination
from squadron.reports.race_summary import describe_end, describe_figures, describe_next
from squadron.reports.search_facts import SHOWN
from squadron.scores.figures import SplitFigures
from squadron.scores.race_result import RaceResult, Standing
from squadron.wording import LEVEL, figure, interval

WIDEST = 120
"""Maximum width of the table in columns, and its width where there is no terminal."""
LEAST_NEEDED = (
    "GPU MiB",
    "trainable",
    "seconds",
    "train F1",
    "BERTScore",
    "HasAns and NoAns EM",
    "open EM",
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
    cell: Callable[[Standing], str]
    """The text of a contender that was not disqualified."""

    def cells(self, rows: Sequence[Standing]) -> list[str]:
        """Returns the texts of all contenders."""
        return [_MISSING if row.disqualified else self.cell(row) for row in rows]

    def width(self, rows: Sequence[Standing]) -> int:
        """Returns the width in which nothing is folded."""
        return _BETWEEN + _longest([self.title, *self.cells(rows)])


def screen_width() -> int:
    """Returns the columns of the terminal, `WIDEST` at most; `WIDEST` without a terminal."""
    return min(WIDEST, shutil.get_terminal_size((WIDEST, 24)).columns)


def render_table(
    result: RaceResult,
    report: str = "",
    width: int = WIDEST,
    squadron: str = "squadron",
    pages: str = "make ui",
    seconds: Sequence[str] = (),
) -> str:
    """Renders the result of a race as a table with lines of text around it.

    Args:
        result: As the register step wrote it. Its model may have the aliases as they are now.
        report: The place of the report; "" if there is none.
        width: Columns of the terminal. Where they are too few, columns of figures are left out, in
            the order of `LEAST_NEEDED`. No figure is ever cut.
        squadron: The command `squadron` as it can be run from here.
        pages: The command that shows MLflow's pages.
        seconds: Lines that say how long the steps took; none if nobody measured it.
    """
    rows = result.contenders
    columns, left_out = _fit(_list_columns(rows), rows, width)
    lines = []
    if left_out:
        lines.append(f"Left out because {width} columns are too few: {', '.join(left_out)}.")
    lines += [*describe_figures(result), *describe_end(result, report)]
    lines += [*(["", *seconds] if seconds else []), ""]
    lines += describe_next(result, width, squadron, pages)
    warnings = "".join(f"Warning: {each}\n" for each in describe_contamination(result))
    return warnings + _draw(columns, rows, width) + "\n".join(lines)


def _draw(columns: list[_Column], rows: Sequence[Standing], width: int) -> str:
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
        table.add_row(row.name, *texts)
    console = Console(width=width, record=True, file=io.StringIO(), highlight=False)
    console.print(table)
    return console.export_text()


def _list_columns(rows: Sequence[Standing]) -> list[_Column]:
    """Lists all columns that the race has figures for."""
    selects = [row.select for row in rows if row.select]
    has_titles = any(each.exact_match_title_low is not None for each in selects)
    title = f"{LEVEL}\nby title" if has_titles else LEVEL

    def sure(head: str, split: str, name: str) -> _Column:
        return _Column(
            head, f"{head}\n{title}", lambda row: _stack(getattr(row, split), name, has_titles)
        )

    near = _Column(
        "BERTScore",
        "BERTScore\ntest",
        lambda row: _stack_figures(*_pick(row, "bertscore_f1", ("select", "test"))),
    )
    # This figure is without a threshold, because abstaining would hide what little a demo learns.
    train = _Column(
        "train F1",
        "train F1",
        lambda row: _stack_figures(*_pick(row, "answerable_f1", ("train",))),
    )
    searched = _Column("open EM", f"open EM\n{LEVEL}", _stack_open)
    memory = _Column("GPU MiB", "GPU MiB", lambda row: figure(row.gpu_memory_mb, 0, _MISSING))
    return [
        sure("EM", "select", "exact_match"),
        sure("F1", "select", "f1"),
        *([near] if any(each.bertscore_f1 is not None for each in selects) else []),
        _Column(
            "HasAns and NoAns EM",
            "HasAns EM\nNoAns EM",
            lambda row: _stack_figures(
                *(
                    each
                    for name in ("has_ans_exact_match", "no_ans_exact_match")
                    for each in _pick(row, name, ("select",))
                )
            ),
        ),
        sure("test EM", "test", "exact_match"),
        sure("test F1", "test", "f1"),
        *([train] if any(row.train for row in rows) else []),
        *([searched] if any(row.open_domain for row in rows) else []),
        _Column(
            "seconds",
            "seconds\nexamples/s",
            lambda row: _stack_figures(row.seconds, row.examples_per_second, digits=1),
        ),
        _Column("trainable", "trainable", lambda row: _count(row.trainable_parameters)),
        *([memory] if any(row.gpu_memory_mb for row in rows) else []),
    ]


def _fit(
    columns: list[_Column], rows: Sequence[Standing], width: int
) -> tuple[list[_Column], list[str]]:
    """Returns the columns that fit the width, and the names of the others."""
    labels = min(_LABEL_WIDTH, _longest([row.name for row in rows])) + _BETWEEN + 1
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


def _pick(row: Standing, name: str, splits: Sequence[str]) -> list[float | None]:
    """Returns a figure of some splits; None where it is not known."""
    return [getattr(getattr(row, split), name, None) for split in splits]


def _stack(figures: SplitFigures | None, name: str, has_titles: bool) -> str:
    """Returns a figure and, below it, its interval by paragraph and, if wanted, by title.

    Args:
        figures: None where the split was not judged, because it was trained on.
        name: Of the figure.
        has_titles: Whether there is a line for the interval by title.
    """
    units = ("", "title") if has_titles else ("",)
    if figures is None:
        return "\n".join([_MISSING] * (1 + len(units)))
    lines = [figure(figures.estimate(name).value)]
    return "\n".join([*lines, *(interval(figures.estimate(name, by)) or _MISSING for by in units)])


def _stack_open(row: Standing) -> str:
    """Returns EM on select with the passage to be found, and its interval by paragraph."""
    if row.open_domain is None:
        return f"{_MISSING}\n{_MISSING}"
    estimate = row.open_domain.splits["select"].methods[SHOWN].estimate("exact_match")
    return f"{figure(estimate.value)}\n{interval(estimate) or _MISSING}"


def _stack_figures(*values: float | None, digits: int = 2) -> str:
    """Returns figures one below the other."""
    return "\n".join(figure(each, digits, _MISSING) for each in values)


def _count(value: float | None) -> str:
    """Returns a number of parameters in at most nine characters."""
    if value is None:
        return _MISSING
    return f"{int(value):,}" if value < 1e7 else f"{value / 1e6:,.1f}M"
