"""Figures of benchmarks/framing.py: a diagram of landmarks, and a grid of crops."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Ellipse, Rectangle

from fer_video.figures import QUIET, save
from fer_video.types import Image

_SHOWN = 12
"""Crops of each kind in the grid."""
_FER2013_COLOR, _OURS_COLOR = "#0072B2", "#D55E00"  # Okabe and Ito: told apart by everyone


def draw_picture(landmarks: Mapping[str, Any], out: Path) -> None:
    """Draw where landmarks lie in FER2013's images, and in the crops of each detector.

    A dot is the mean, an ellipse two standard deviations of the faces. Nobody is shown.
    """
    ours = [name for name in landmarks if name != "FER2013"]
    figure = Figure(figsize=(2.6 * len(ours), 3.2), layout="constrained")
    for axes, name in zip(figure.subplots(1, len(ours)), ours, strict=True):
        _draw_frame(axes, f"{name}, {landmarks[name]['faces']:,} faces")
        _draw_points(axes, landmarks["FER2013"], _FER2013_COLOR, 0.25, "FER2013's images")
        _draw_points(axes, landmarks[name], _OURS_COLOR, 0.6, "crops of recordings")
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize=8)
    out.parent.mkdir(parents=True, exist_ok=True)
    save(figure, out)


def draw_grid(rows: Mapping[str, Image], out: Path) -> None:
    """Show crops of each kind, evenly chosen, one kind a row."""
    figure = Figure(figsize=(_SHOWN * 0.75, len(rows)), layout="constrained")
    for axes, (name, crops) in zip(np.ravel(figure.subplots(len(rows))), rows.items(), strict=True):
        chosen = np.linspace(0, len(crops) - 1, _SHOWN).round().astype(int)
        axes.imshow(np.hstack(crops[chosen]), cmap="gray", vmin=0, vmax=255)
        axes.set_title(name, fontsize=8, loc="left")
        axes.set_axis_off()
    save(figure, out)


def _draw_frame(axes: Axes, title: str) -> None:
    axes.set_title(title, fontsize=9, pad=8)
    axes.set(xlim=(-0.02, 1.02), ylim=(1.02, -0.02), aspect="equal")
    axes.set_axis_off()
    axes.add_patch(Rectangle((0, 0), 1, 1, fill=False, color=QUIET))


def _draw_points(
    axes: Axes, spread: Mapping[str, Any], color: str, opacity: float, label: str
) -> None:
    mean = np.array(spread["mean"])
    axes.plot(*mean.T, ".", color=color, markersize=5, label=label)
    for point, covariance in zip(mean, spread["covariance"], strict=True):
        variances, directions = np.linalg.eigh(covariance)
        # half axes of two standard deviations; an ellipse is given by whole ones
        width, height = 4 * np.sqrt(variances)
        angle_deg = np.degrees(np.arctan2(directions[1, 0], directions[0, 0]))
        axes.add_patch(Ellipse(tuple(point), width, height, angle=angle_deg, color=color,
                               alpha=opacity, linewidth=0))  # fmt: skip
