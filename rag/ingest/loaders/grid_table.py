"""Turn a grid table, the kind drawn with `+---+` and `|`, into a Markdown list: `* cell: cell (cell)`.

Its rows are nearly always a term and a sentence about it. As a list item that sentence can be found and quoted; in a
table it would be cut into lines of cells.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise


def table_items(lines: list[str]) -> Iterator[str]:
    """A list item for each row below the header.

    Args:
        lines: the table, beginning with its upper border.
    """
    for term, *rest in _rows(lines):
        first, *remarks = [cell for cell in rest if cell] or [""]
        bracketed = [cell if cell.startswith("(") else f"({cell})" for cell in remarks]
        yield f"* {term}: {' '.join([first, *bracketed])}"


def _rows(lines: list[str]) -> Iterator[list[str]]:
    """The rows below the header, each cell unwrapped; a cell that spans columns is one cell."""
    columns = [at for at, character in enumerate(lines[0]) if character == "+"]
    row: list[str] = []
    for line in lines[1:]:
        if line.startswith("|="):
            row = []
        elif line.startswith("+"):
            yield _cells(row, columns)
            row = []
        else:
            row.append(line)


def _cells(lines: list[str], columns: list[int]) -> list[str]:
    cells: list[str] = []
    for left, right in pairwise(columns):
        words = " ".join(" ".join(line[left + 1 : right].split()) for line in lines).split()
        if cells and any(line[left : left + 1] != "|" for line in lines):
            words = [cells.pop(), *words]
        cells.append(" ".join(words))
    return cells
