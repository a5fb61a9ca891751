"""Pictures of a data set and of a training."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from fer_video.figures import DPI, QUIET, plain_axes, save
from fer_video.learn.faces import Images

_GAP_PX = 3
"""Between faces."""
_NAMES_IN, _MARGIN_IN = 0.85, 0.12


class Curve(NamedTuple):
    """A column of a training's history, and how it is drawn."""

    column: str
    name: str
    color: str
    dashes: str = "-"


_GRAY, _BLUE, _RED, _GREEN = "#8C8C8C", "#0072B2", "#D55E00", "#009E73"
_PANELS: dict[str, tuple[Curve, ...]] = {
    "Loss": (
        Curve("loss", "training", _GRAY),
        Curve("val_loss", "validation", _BLUE),
    ),
    "Accuracy": (
        Curve("accuracy", "training", _GRAY),
        Curve("val_accuracy", "validation", _BLUE),
        Curve("val_label_accuracy", "validation: label", _RED, "--"),
        Curve("val_ferplus_accuracy", "validation: FER+", _GREEN, "-."),
    ),
    "Validation AUC": (Curve("val_auc", "AUC", _BLUE),),
    "Validation": (
        Curve("val_precision", "precision", _RED, "--"),
        Curve("val_recall", "recall", _GREEN, "-."),
        Curve("val_f1", "F1", _BLUE),
    ),
    "Learning rate": (Curve("learning_rate", "learning rate", _GRAY),),
}
"""Columns of ``history.csv`` by the title of their panel."""
_IN_FIRST_ROW = 2
_WITH_DOTS = 20
"""Most epochs that are marked one by one."""


def plot_samples(samples: Mapping[str, Images], totals: Mapping[str, int], out: Path) -> None:
    """Draw faces of a data set, a row per emotion.

    Args:
        samples: Gray faces to show by emotion, uint8, shape ``(n, size, size)`` each.
        totals: How many faces the data set has of each emotion.
        out: The figure, PNG, SVG or PDF; replaced if it exists, and whole or absent.

    Raises:
        OutputError: The suffix names another format, or the place cannot be written.
    """
    save(draw_samples(samples, totals), out)


def draw_samples(samples: Mapping[str, Images], totals: Mapping[str, int]) -> Figure:
    """Draw faces of a data set as a figure, at two pixels of a PNG for one of a face."""
    columns = max(1, *(len(faces) for faces in samples.values()))
    size_px = max(faces.shape[-1] for faces in samples.values())
    cell_in = 2 * (size_px + _GAP_PX) / DPI
    width_in = _NAMES_IN + columns * cell_in + _MARGIN_IN
    height_in = len(samples) * cell_in + 2 * _MARGIN_IN
    figure = Figure(figsize=(width_in, height_in))
    figure.subplots_adjust(
        left=_NAMES_IN / width_in,
        right=1 - _MARGIN_IN / width_in,
        bottom=_MARGIN_IN / height_in,
        top=1 - _MARGIN_IN / height_in,
        hspace=0,
    )
    rows = figure.subplots(len(samples), squeeze=False)[:, 0]
    for axes, (emotion, faces) in zip(rows, samples.items(), strict=True):
        axes.imshow(_strip(faces, columns, size_px), cmap="gray", vmin=0, vmax=255,
                    interpolation="nearest", aspect="auto")  # fmt: skip
        axes.set_axis_off()
        beside = {"transform": axes.transAxes, "ha": "right"}
        axes.text(-0.015, 0.58, emotion, fontsize=10, **beside)
        axes.text(-0.015, 0.3, f"{totals[emotion]:,}", fontsize=8, color=QUIET, **beside)
    return figure


def _strip(faces: Images, columns: int, size_px: int) -> Images:
    """Set faces side by side on white."""
    cell_px = size_px + _GAP_PX
    strip = np.full((cell_px, columns * cell_px), 255, np.uint8)
    for column, face in enumerate(faces):
        strip[:size_px, column * cell_px : column * cell_px + size_px] = face
    return strip


def plot_curves(history: pd.DataFrame, out: Path) -> None:
    """Draw the measures of a training over its epochs.

    Args:
        history: ``history.csv``, at least one row; ``epoch`` counts from 1. A measure that is
            not there, as in files of older versions, is not drawn.
        out: The figure, PNG, SVG or PDF; replaced if it exists, and whole or absent.

    Raises:
        OutputError: The suffix names another format, or the place cannot be written.
    """
    save(draw_curves(history), out)


def draw_curves(history: pd.DataFrame) -> Figure:
    """Draw a training as a figure: loss beside accuracy, and below them what else was measured."""
    known = set(history.columns[history.notna().any()])
    panels = {title: [curve for curve in curves if curve.column in known]
              for title, curves in _PANELS.items()}  # fmt: skip
    titles = [title for title, curves in panels.items() if curves]
    rows = [row for row in (titles[:_IN_FIRST_ROW], titles[_IN_FIRST_ROW:]) if row]
    figure = Figure(figsize=(9.0, 0.3 + 2.6 * len(rows)), layout="constrained")
    for part, row in zip(figure.subfigures(len(rows), squeeze=False)[:, 0], rows, strict=True):
        for axes, title in zip(part.subplots(1, len(row), squeeze=False)[0], row, strict=True):
            _draw_panel(axes, title, history, panels[title])
    figure.supxlabel("Epoch", fontsize=9)
    return figure


def _draw_panel(axes: Axes, title: str, history: pd.DataFrame, curves: Sequence[Curve]) -> None:
    # a line through a single epoch could not be seen
    marker = "o" if len(history) <= _WITH_DOTS else ""
    epochs = history["epoch"]
    for column, name, color, dashes in curves:
        axes.plot(epochs, history[column], dashes, marker=marker, color=color, label=name,
                  linewidth=1.4, markersize=4)  # fmt: skip
    axes.set_xlim(0.5, epochs.max() + 0.5)
    axes.xaxis.set_major_locator(
        MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True, min_n_ticks=1)
    )
    # a rate of 0 has no logarithm: it is not drawn where there are others
    if title == "Learning rate" and (history["learning_rate"] > 0).any():
        axes.set_yscale("log", nonpositive="mask")
    axes.set_title(title, loc="left", fontsize=9)
    if len(_PANELS[title]) > 1:
        # above the axes, where it hides nothing
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, fontsize=8, frameon=False,
                    borderaxespad=0.2, handlelength=2.2, columnspacing=1.2)  # fmt: skip
    axes.grid(axis="y", color="#EEEEEE")
    plain_axes(axes)
