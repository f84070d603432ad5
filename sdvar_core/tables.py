"""Tables in plain markdown: what the measuring commands print and the README shows."""

from collections.abc import Iterable, Sequence


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A whole table; the first column is left-aligned, the others right-aligned."""
    return "\n".join([head(header), *(row(cells) for cells in rows)])


def head(header: Sequence[str]) -> str:
    """The two lines above the rows, for a table whose rows come one by one."""
    return row(header) + "\n" + row(["---", *("---:" for _ in header[1:])])


def row(cells: Sequence[object]) -> str:
    """One line; cells are written as they are, so that the caller chooses the digits."""
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
