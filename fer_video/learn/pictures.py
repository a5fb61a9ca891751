"""Pictures of the faces of a data set."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from fer_video.figures import DPI, QUIET, save
from fer_video.learn.faces import Images

_GAP_PX = 3
"""Between faces."""
_NAMES_IN, _MARGIN_IN = 0.85, 0.12


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
