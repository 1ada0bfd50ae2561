"""Tables of which nothing is cut off: as wide as they need to be where there is no terminal, else folded."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

WIDEST = 1000
"""Columns that lines may take where no terminal limits them."""


def show_table(table: Table) -> None:
    """Print a table on standard output."""
    for column in table.columns:
        column.overflow = "fold"
    console = Console()
    (console if console.is_terminal else Console(width=WIDEST)).print(table)
