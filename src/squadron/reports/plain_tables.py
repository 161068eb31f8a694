"""Draws tables without lines, for pages of plain text."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def make_table(
    heads: Sequence[str], rows: Iterable[Sequence[str]], figures: int, gap: int
) -> "Table":
    """Returns a table. Text that is too long continues on the next line; figures are never cut.

    Args:
        heads: The heads of the columns. If all are "", there is no line of heads.
        rows: The cells of each row.
        figures: How many of the last columns hold figures.
        gap: Blanks between two columns.
    """
    from rich.table import Table

    table = Table(
        box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="", show_header=any(heads)
    )
    for number, head in enumerate(heads):
        is_figure = number >= len(heads) - figures
        table.add_column(
            head, justify="right" if is_figure else "left", overflow="fold", no_wrap=is_figure
        )
    for row in rows:
        table.add_row(*row)
    return table
