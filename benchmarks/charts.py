"""Pictures of docs/performance.md: time per stage, and how cost grows."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import speed
from clips import SIZES_PX
from machine import Figures, middle
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator
from work import STAGES

from fer_video.colors import EMOTION_COLORS
from fer_video.figures import QUIET, plain_axes, save

COLORS = dict(zip(STAGES, EMOTION_COLORS.values(), strict=True))
"""Seven stages, seven colors that a color-blind reader tells apart."""
OURS, DECODE = EMOTION_COLORS["sad"], EMOTION_COLORS["angry"]
WIDTH_IN = 8.5
_BAR_IN = 0.55
_LABELS = {"fontsize": 9, "color": "#222222"}


def draw_stages(figures: Figures, out: Path) -> None:
    """Draw what each stage takes, one after the other, over what the whole takes with overlap."""
    recordings = figures["recordings"]
    figure = Figure((WIDTH_IN, 1.3 + 2 * _BAR_IN * len(recordings)), layout="constrained")
    axes = figure.subplots()
    names = []
    for found in recordings:
        left_ms = 0.0
        for stage, ms in speed.stages_ms(found).items():
            label = None if names else stage
            axes.barh(len(names), ms, left=left_ms, height=0.7, color=COLORS[stage], label=label)
            left_ms += ms
        whole_ms = 1000 * middle(found["seconds"]["analyze"]) / found["frames"]
        axes.barh(len(names) + 0.8, whole_ms, height=0.5, color=QUIET)
        names += [
            f"{speed.described(found).replace('`', '')}\none stage at a time",
            "all, overlapped",
        ]
    places = [place + (0.0 if place % 2 == 0 else -0.2) for place in range(len(names))]
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.set_xlabel("milliseconds per frame", **_LABELS)
    plain_axes(axes)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    figure.legend(loc="outside upper center", ncols=len(STAGES), frameon=False, fontsize=9,
                  handlelength=1, columnspacing=1.2)  # fmt: skip
    save(figure, out)


def draw_scaling(figures: Figures, out: Path) -> None:
    """Draw how time and memory grow with length, faces, resolution and cores."""
    figure = Figure((WIDTH_IN, 5.2), layout="constrained")
    ((length, faces, cores), (held, sizes, held_by_size)) = figure.subplots(2, 3)
    axes = figures["axes"]
    _lines(length, axes["minutes"], _seconds, "minutes of recording", "seconds")
    _lines(faces, axes["faces"], _rate, "faces per frame", "frames/s")
    _lines(cores, axes["cores"], _rate, "cores", "frames/s")
    _lines(held, axes["minutes"], _peak_mb, "minutes of recording", "peak memory, MB")
    _lines(sizes, axes["size"], _frame_ms, "", "ms per frame")
    _lines(held_by_size, axes["size"], _peak_mb, "", "peak memory, MB")
    cores.set_xticks([point["value"] for point in axes["cores"]])
    figure.legend(*length.get_legend_handles_labels(), loc="outside upper center", ncols=2,
                  frameon=False, fontsize=9)  # fmt: skip
    save(figure, out)


Measure = Callable[[Figures, str], float]
"""A number of one point, for ``analyze_s`` or ``decode_s``."""


def _seconds(point: Figures, what: str) -> float:
    return middle(point[what])


def _rate(point: Figures, what: str) -> float:
    return point["frames"] / middle(point[what])


def _frame_ms(point: Figures, what: str) -> float:
    return 1000 / _rate(point, what)


def _peak_mb(point: Figures, what: str) -> float:
    return point["peak_mb"] if what == "analyze_s" else float("nan")


def _lines(
    axes: Axes, points: Sequence[Figures], measure: Measure, x_label: str, y_label: str
) -> None:
    """Draw analysis, and decoding alone where that has the measure."""
    x = [_place(point["value"]) for point in points]
    for what, label, color in (
        ("analyze_s", "every frame analyzed", OURS),
        ("decode_s", "decoding alone", DECODE),
    ):
        y = [measure(point, what) for point in points]
        axes.plot(x, y, "o-", color=color, label=label, markersize=4, linewidth=1.5)
    if isinstance(points[0]["value"], str):
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks(x, [point["value"] for point in points])
    axes.set_ylim(0, 1.08 * axes.dataLim.ymax)  # from 0, and no point half outside
    axes.set_xlabel(x_label, **_LABELS)
    axes.set_ylabel(y_label, **_LABELS)
    plain_axes(axes)


def _place(value: float | str) -> float:
    """Where a point lies: a resolution by its pixels, the rest by itself."""
    return float(np.prod(SIZES_PX[value])) if isinstance(value, str) else value
