"""Pictures of one test: where the answers went, how well they rank, and how sure they are."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fer_video.colors import color_of
from fer_video.figures import QUIET, plain_axes, save

_CELLS = "Blues"
_DARK = 0.715
"""From this shade on, white stands out more than black, by the contrast ratio of WCAG 2.1."""
_CHANCE: dict[str, Any] = {"color": QUIET, "linestyle": "--", "linewidth": 1.0}
_ROOM = 0.02
"""Around the unit square, so that a line along its edge is drawn in full."""
_DOTS = "#0072B2"
_LARGEST_DOT = 160.0
_SMALLEST_DOT = 8.0
"""In square points; smaller could not be seen."""


CONFUSION, ROC, RELIABILITY = PICTURES = ("confusion.png", "roc.png", "reliability.png")
"""What ``plot_report`` writes."""


class Points(TypedDict):
    """A receiver operating characteristic; both equally long, rising from 0 to 1."""

    false_positive_rate: Sequence[float]
    true_positive_rate: Sequence[float]


class Bin(TypedDict):
    """The answers of about one confidence; bins part (0, 1] into equal widths."""

    n: int
    confidence: float | None
    """Mean confidence; None in an empty bin."""
    accuracy: float | None
    """Share of right answers; None in an empty bin."""


def plot_report(metrics: Mapping[str, Any], emotions: Sequence[str], folder: Path) -> None:
    """Draw what one test measured: the three ``PICTURES``.

    Args:
        metrics: ``n``, ``accuracy``, ``calibration_error``, ``confusion``, ``roc``,
            ``reliability``, ``macro_auc``, and of each emotion in ``per_emotion`` its ``auc``.
        emotions: The classifier's labels, in order.
        folder: Where to write; made if it is missing. Files of these names are replaced.

    Raises:
        OutputError: The folder cannot be made or written.
    """
    n = f"{metrics['n']:,} faces"
    auc = {emotion: metrics["per_emotion"][emotion]["auc"] for emotion in emotions}
    plot_confusion(
        metrics["confusion"], emotions, folder / CONFUSION,
        title=f"Accuracy {100 * metrics['accuracy']:.1f} % of {n}",
    )  # fmt: skip
    plot_roc(metrics["roc"], auc, emotions, folder / ROC, macro_auc=metrics["macro_auc"])
    plot_reliability(
        metrics["reliability"], folder / RELIABILITY,
        title=f"Calibration error {metrics['calibration_error']:.3f}, {n}",
    )  # fmt: skip


def plot_confusion(
    counts: Sequence[Sequence[int]], emotions: Sequence[str], out: Path, title: str | None = None
) -> None:
    """Draw a confusion matrix, as counts and as shares of each truth.

    Args:
        counts: A row per true and a column per answered emotion.
        emotions: Their names, in order.
        out: The figure, PNG, SVG or PDF; replaced if it exists, and whole or absent.
        title: Stands above.

    Raises:
        OutputError: The suffix names another format, or the place cannot be written.
    """
    save(draw_confusion(counts, emotions, title), out)


def draw_confusion(
    counts: Sequence[Sequence[int]], emotions: Sequence[str], title: str | None = None
) -> Figure:
    """Draw a confusion matrix as a figure; the shares of an emotion without a face stay empty."""
    faces = np.asarray(counts)
    totals = faces.sum(axis=1, keepdims=True)
    shares = faces / np.maximum(totals, 1)
    percents = np.where(totals, np.char.mod("%.0f", 100 * shares), "")
    figure = Figure(figsize=(9.0, 5.0), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, gridspec_kw={"wspace": 0.05})
    _draw_cells(left, faces / max(faces.max(), 1), faces.astype(str), emotions)
    _draw_cells(right, shares, percents, emotions)
    left.set_title("Faces", fontsize=9)
    right.set_title("Percent of each row", fontsize=9)
    left.set_ylabel("Truth", fontsize=9)
    figure.supxlabel("Answer", fontsize=9)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


def _draw_cells(axes: Axes, shades: Any, texts: Any, emotions: Sequence[str]) -> None:
    """Draw a matrix, shades in [0, 1], with a text in each cell."""
    # exactly square cells would take back the room that the layout made for the titles
    axes.imshow(shades, cmap=_CELLS, vmin=0, vmax=1, aspect="auto")
    for (row, column), text in np.ndenumerate(texts):
        color = "white" if shades[row, column] >= _DARK else "black"
        axes.text(column, row, text, ha="center", va="center", fontsize=8.5, color=color)
    axes.set_xticks(range(len(emotions)), emotions, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(emotions)), emotions)
    axes.tick_params(labelsize=8.5, length=0)
    axes.spines[:].set_visible(False)


def plot_roc(
    roc: Mapping[str, Points],
    auc: Mapping[str, float | None],
    emotions: Sequence[str],
    out: Path,
    macro_auc: float | None = None,
) -> None:
    """Draw how each emotion is told from all others, whatever the threshold.

    Args:
        roc: The points by emotion; absent where no face shows it, or every one.
        auc: The areas under them by emotion; None where there is none.
        emotions: What to draw, in order.
        out: The figure, PNG, SVG or PDF; replaced if it exists, and whole or absent.
        macro_auc: Their mean, for the legend.

    Raises:
        OutputError: The suffix names another format, or the place cannot be written.

    Source:
        Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 27, 2006.
    """
    save(draw_roc(roc, auc, emotions, macro_auc), out)


def draw_roc(
    roc: Mapping[str, Points],
    auc: Mapping[str, float | None],
    emotions: Sequence[str],
    macro_auc: float | None = None,
) -> Figure:
    """Draw one curve per emotion, against all others, as a figure."""
    figure = Figure(figsize=(7.0, 5.2), layout="constrained")
    axes = figure.subplots()
    for emotion in emotions:
        label, points = _with_area(emotion, auc[emotion]), roc.get(emotion)
        if points is None:
            axes.plot([], [], " ", label=label)
            continue
        axes.plot(points["false_positive_rate"], points["true_positive_rate"], label=label,
                  color=color_of(emotion), linewidth=1.6)  # fmt: skip
    if macro_auc is not None:
        axes.plot([], [], " ", label=_with_area("macro mean", macro_auc))
    axes.plot([0, 1], [0, 1], label=_with_area("chance", 0.5), **_CHANCE)
    axes.set_xlabel("False positive rate", fontsize=9)
    axes.set_ylabel("True positive rate", fontsize=9)
    _fit_unit_square(axes)
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), title="AUC, one vs. rest",
                title_fontsize=8.5, fontsize=8.5, frameon=False, alignment="left")  # fmt: skip
    return figure


def _with_area(name: str, area: float | None) -> str:
    # as wide as three decimals
    return f"{area:.3f}  {name}" if area is not None else f"    –     {name}"


def plot_reliability(bins: Sequence[Bin], out: Path, title: str | None = None) -> None:
    """Draw how often answers of a given confidence are right, and how many there are.

    Args:
        bins: In order of confidence; at least one holds an answer.
        out: The figure, PNG, SVG or PDF; replaced if it exists, and whole or absent.
        title: Stands above.

    Raises:
        OutputError: The suffix names another format, or the place cannot be written.

    Source:
        Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017,
        figure 1.
    """
    save(draw_reliability(bins, title), out)


def draw_reliability(bins: Sequence[Bin], title: str | None = None) -> Figure:
    """Draw a reliability diagram as a figure, over a histogram of the confidences."""
    figure = Figure(figsize=(6.0, 6.6), layout="constrained")
    upper, lower = figure.subplots(2, sharex=True, height_ratios=[4, 1])
    filled = [one for one in bins if one["n"]]
    confidence = [one["confidence"] for one in filled]
    accuracy = [one["accuracy"] for one in filled]
    n = np.array([one["n"] for one in filled])
    areas = np.maximum(_SMALLEST_DOT, _LARGEST_DOT * n / n.max())
    upper.plot([0, 1], [0, 1], label="as often right as sure", **_CHANCE)
    upper.vlines(confidence, confidence, accuracy, color=_DOTS, linewidth=1.0)
    upper.scatter(confidence, accuracy, areas, color=_DOTS, clip_on=False,
                  label="faces of similar confidence")  # fmt: skip
    upper.set_ylabel("Accuracy", fontsize=9)
    upper.legend(loc="lower center", bbox_to_anchor=(0.5, 1), ncols=2, fontsize=8.5, frameon=False)
    if title:
        figure.suptitle(title, fontsize=11)
    _fit_unit_square(upper)
    edges = np.linspace(0, 1, len(bins) + 1)
    lower.stairs([one["n"] for one in bins], edges, fill=True, color=_DOTS)
    lower.set_xlabel("Confidence", fontsize=9)
    lower.set_ylabel("Faces", fontsize=9)
    plain_axes(lower)
    return figure


def _fit_unit_square(axes: Axes) -> None:
    axes.set_xlim(-_ROOM, 1 + _ROOM)
    axes.set_ylim(-_ROOM, 1 + _ROOM)
    axes.grid(color="#EEEEEE")
    axes.set_axisbelow(True)
    plain_axes(axes)
