"""What all figures share: how they are saved, and how quiet their axes are."""

import warnings
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fer_video.files import check_suffix, whole_file

DPI = 200
"""Pixels of a PNG per inch of its figure."""
QUIET = "#666666"
"""Hex gray of what a reader needs, but not at first sight."""

# without a date the same content gives the same file; but the ids inside an SVG are random
_UNDATED: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}


def save(figure: Figure, out: Path) -> None:
    """Write a figure as PNG, SVG or PDF, as the suffix of ``out`` says; whole or absent.

    Raises:
        OutputError: The suffix names another format, or the place cannot be written.
    """
    check_suffix(out, "plot")
    kind = out.suffix.lower().removeprefix(".")
    with whole_file(out) as temporary, warnings.catch_warnings():
        # a name in a script that the font lacks is drawn as boxes, which needs no telling
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        figure.savefig(temporary, format=kind, dpi=DPI, metadata=_UNDATED.get(kind))


def plain_axes(axes: Axes) -> None:
    """Leave of the frame what carries ticks, in gray, with small numbers."""
    axes.tick_params(which="both", labelsize=8, color=QUIET)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(QUIET)
