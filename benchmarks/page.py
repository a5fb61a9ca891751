"""Put a table of figures between its marks in a page of the documentation."""

from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
ACCURACY = DOCS / "accuracy.md"


def marks(name: str) -> tuple[str, str]:
    """Give the lines before and after the table of a command.

    >>> marks("benchmarks/recordings.py")[0]
    '<!-- table of benchmarks/recordings.py -->\\n'
    """
    return f"<!-- table of {name} -->\n", f"<!-- end of the table of {name} -->\n"


def replace_table(page: Path, name: str, table: str) -> None:
    """Write a table in the place of the one that a command left there."""
    begin, end = marks(name)
    before, rest = page.read_text("utf-8").split(begin)
    after = rest.split(end)[1]
    page.write_text(before + begin + table + end + after, "utf-8")
