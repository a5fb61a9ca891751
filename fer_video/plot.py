"""Figures of a finished timeline, one panel per track."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MultipleLocator

from fer_video.colors import color_of
from fer_video.errors import OptionError, one_line
from fer_video.figures import QUIET, plain_axes, save
from fer_video.labels import Language, display_name
from fer_video.options import PlotStyle, ViewOptions
from fer_video.timeline import emotions_of, smooth
from fer_video.wording import decimal, smoothed

MAX_PANELS = 12
"""Tracks shown, those seen longest; a page holds no more that can be read."""
_MOST_NAMED = 10
"""Tracks that are not shown, but named below."""
POINTS_PER_PANEL = 1500
"""Most points along the time axis: more than a printed page can show side by side."""
SHORTEST_GAP_S = 0.5
"""Samples of a track at least this far apart may be a gap; nearer ones never are."""
_TITLE_LENGTH = 80
"""Characters of the title that the width holds."""

# hatched, since a plain gray would be read as the gray of neutral
_NO_FACE: dict[str, Any] = {
    "facecolor": "white", "edgecolor": "#D9D9D9", "hatch": "/////", "linewidth": 0.0,
}  # fmt: skip
_TICK_STEPS_S = (
    0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800,
)  # fmt: skip
_WORDS: dict[Language, dict[str, str]] = {
    "en": {
        "track": "Track #{number}",
        "probability": "Probability",
        "minutes": "Time (min:s)",
        "hours": "Time (h:min:s)",
        "no face": "no face",
        "empty": "No face was found in this recording",
        "left out": "{total} tracks in all; not shown: {named}",
        "more": "{named} and {count} more",
    },
    "fr": {
        "track": "Piste n°\xa0{number}",
        "probability": "Probabilité",
        "minutes": "Temps (min:s)",
        "hours": "Temps (h:min:s)",
        "no face": "aucun visage",
        "empty": "Aucun visage n’a été trouvé dans cet enregistrement",
        "left out": "{total} pistes en tout\xa0; non montrées\xa0: {named}",
        "more": "{named} et {count} autres",
    },
}

Values = np.ndarray[Any, np.dtype[np.floating[Any]]]


class Trace(NamedTuple):
    """What one panel draws: points along the time axis, a row of NaN wherever a gap is."""

    times_s: Values
    """Shape ``(n,)``, increasing."""
    probabilities: Values
    """Shape ``(n, n_emotions)``."""


def plot_timeline(
    table: pd.DataFrame,
    out: Path,
    view: ViewOptions,
    title: str | None = None,
    tracks: Sequence[int] = (),
) -> None:
    """Draw a timeline as PNG, SVG or PDF, as the suffix of ``out`` says.

    Args:
        table: A timeline as ``timeline.read_timeline`` gives it.
        out: The figure; replaced if it exists, and whole or absent.
        view: Language, style, and width in seconds of the moving average.
        title: Stands above the panels.
        tracks: To show, at most ``MAX_PANELS``; empty are those seen longest.

    Raises:
        OptionError: The timeline has no such track.
        OutputError: The suffix names another format, or the place cannot be written.
    """
    save(draw_timeline(table, view, title, tracks), out)


def draw_timeline(
    table: pd.DataFrame,
    view: ViewOptions,
    title: str | None = None,
    tracks: Sequence[int] = (),
) -> Figure:
    """Draw a timeline as a figure that is bound to no window and to no global state."""
    by_length = _by_length(table)
    shown_tracks = _chosen(tracks, by_length)
    figure = Figure(figsize=(9.0, _height_in(len(shown_tracks) or 1)), layout="constrained")
    if not shown_tracks:
        figure.suptitle(_fitting(title), fontsize=11, parse_math=False)
        figure.text(0.5, 0.4, _WORDS[view.language]["empty"], ha="center", fontsize=10)
        return figure
    shown = smooth(table, view.smooth_s)
    emotions = emotions_of(table)
    start_s, end_s, step_s = _time_span(table)
    thin_s = (end_s - start_s) / POINTS_PER_PANEL
    empty_spans = _spans_without_face(table, step_s, thin_s)
    panels = figure.subplots(len(shown_tracks), sharex=True, squeeze=False)[:, 0]
    for axes, track in zip(panels, shown_tracks, strict=True):
        rows = shown[shown["track"] == track]
        trace = trace_of(rows["time_s"], rows[[f"p_{name}" for name in emotions]], step_s, thin_s)
        axes.broken_barh(empty_spans, (0, 1), **_NO_FACE)
        _draw_trace(axes, trace, emotions, view.plot_style)
        _label_panel(axes, track, view.language)
    _label_time(panels[-1], start_s, end_s, view.language)
    figure.supylabel(_WORDS[view.language]["probability"], fontsize=9)
    _add_legend(figure, emotions, view, title, with_no_face=bool(empty_spans))
    _add_notes(figure, shown_tracks, by_length, view)
    return figure


def trace_of(
    times_s: "pd.Series[float]", probabilities: pd.DataFrame, step_s: float, thin_s: float
) -> Trace:
    """Turn the rows of one track into the points to draw, so that a gap stays a gap.

    Args:
        times_s: Increasing.
        probabilities: One column per emotion, as many rows.
        step_s: Usual seconds between samples: how long a sample stands for the picture.
        thin_s: Where samples are denser than this, their means are drawn.

    Returns:
        Pieces with a row of NaN between them; each ends one step after its last sample, so that
        a piece of a single sample can be seen.
    """
    times = times_s.to_numpy(np.float64)
    values = probabilities.to_numpy(np.float64)
    gap = np.full((1, values.shape[1]), np.nan)
    trace_times: list[Values] = []
    trace_values: list[Values] = []
    for piece in _pieces(times, step_s):
        thin_times, thin_values = _thin(times[piece], values[piece], thin_s)
        stop_s = times[piece[-1]] + step_s
        trace_times += [thin_times, np.array([stop_s, stop_s])]
        trace_values += [thin_values, thin_values[-1:], gap]
    return Trace(np.concatenate(trace_times), np.concatenate(trace_values))


def _pieces(times: Values, step_s: float) -> list[np.ndarray[Any, np.dtype[np.intp]]]:
    """Give the positions of the samples between one gap and the next."""
    cuts = 1 + np.flatnonzero(np.diff(times) > max(2.5 * step_s, SHORTEST_GAP_S))
    return np.split(np.arange(len(times)), cuts)


def _thin(times: Values, values: Values, thin_s: float) -> tuple[Values, Values]:
    """Average the samples that fall into one bin of ``thin_s`` seconds."""
    if thin_s <= 0:
        return times, values
    bin_of = np.floor((times - times[0]) / thin_s)
    starts = np.flatnonzero(np.diff(bin_of, prepend=-1.0))
    count = np.diff(starts, append=len(times))
    thin_times = np.add.reduceat(times, starts) / count
    # a piece begins where its first sample is, not at the mean of its first bin
    thin_times[0] = times[0]
    return thin_times, np.add.reduceat(values, starts) / count[:, None]


def _by_length(table: pd.DataFrame) -> list[int]:
    """Name all tracks, those with the most samples first."""
    tracks, counts = np.unique(table["track"].dropna().to_numpy(int), return_counts=True)
    longest_first: list[int] = tracks[np.argsort(-counts, kind="stable")].tolist()
    return longest_first


def _chosen(wanted: Sequence[int], by_length: Sequence[int]) -> list[int]:
    """Name the tracks to show, in order of their numbers."""
    for track in wanted:
        if track not in by_length:
            has = f"one from {min(by_length)} to {max(by_length)}" if by_length else "none"
            raise OptionError(f"--track must be a track of the timeline, {has}, got {track}")
    if len(set(wanted)) > MAX_PANELS:
        raise OptionError(f"--track may be given {MAX_PANELS} times: a page holds no more")
    return sorted(set(wanted) or by_length[:MAX_PANELS])


def _time_span(table: pd.DataFrame) -> tuple[float, float, float]:
    """Give start, end and usual step between samples, in seconds; the last sample has its step."""
    times = np.unique(table["time_s"].to_numpy(np.float64))
    step_s = float(np.median(np.diff(times))) if len(times) > 1 else 0.04
    return float(times[0]), float(times[-1]) + step_s, step_s


def _spans_without_face(
    table: pd.DataFrame, step_s: float, shortest_s: float
) -> list[tuple[float, float]]:
    """Give ``(start, length)`` in seconds of each run of samples that show no face at all.

    A pause in the recording ends a run: nobody has looked for a face there.
    """
    seen = table.groupby("time_s")["track"].count() > 0
    times, has_face = seen.index.to_numpy(np.float64), seen.to_numpy(np.int8)
    spans = []
    for piece in _pieces(times, step_s):
        bounds = np.append(times[piece], times[piece[-1]] + step_s)
        turns = np.flatnonzero(np.diff(has_face[piece], prepend=1, append=1)).reshape(-1, 2)
        spans += [(bounds[first], bounds[last] - bounds[first]) for first, last in turns]
    return [(start, length) for start, length in spans if length >= shortest_s]


def _draw_trace(axes: Axes, trace: Trace, emotions: Sequence[str], style: PlotStyle) -> None:
    if style == "lines":
        for emotion, values in zip(emotions, trace.probabilities.T, strict=True):
            axes.plot(trace.times_s, values, color=color_of(emotion), linewidth=1.3)
        return
    tops = np.cumsum(trace.probabilities, axis=1)
    # the highest first and each down to 0: areas that only touch would leave hairlines of white
    for emotion, top in reversed(list(zip(emotions, tops.T, strict=True))):
        axes.fill_between(trace.times_s, top, color=color_of(emotion), linewidth=0)


def _label_panel(axes: Axes, track: int, language: Language) -> None:
    name = _WORDS[language]["track"].format(number=track)
    axes.set_title(name, loc="left", fontsize=9, pad=3)
    axes.set_ylim(0, 1)
    axes.set_yticks([0, 0.5, 1], labels=["0", decimal(0.5, language), "1"])
    plain_axes(axes)


def _label_time(axes: Axes, start_s: float, end_s: float, language: Language) -> None:
    step_s = next((step for step in _TICK_STEPS_S if (end_s - start_s) / step <= 10), 86400)
    hours = end_s >= 3600
    axes.set_xlim(start_s, end_s)
    axes.xaxis.set_major_locator(MultipleLocator(step_s))
    axes.xaxis.set_major_formatter(
        FuncFormatter(lambda time_s, _: clock(time_s, hours, step_s, language))
    )
    axes.set_xlabel(_WORDS[language]["hours" if hours else "minutes"], fontsize=9)


def clock(time_s: float, hours: bool, step_s: float = 1.0, language: Language = "en") -> str:
    """Write a time as on a clock, with tenths of a second where the ticks are that near.

    >>> clock(75, hours=False), clock(3675, hours=True), clock(0.5, hours=False, step_s=0.5)
    ('1:15', '1:01:15', '0:00.5')
    """
    tenths = round(time_s * 10)
    minutes, seconds = divmod(tenths // 10, 60)
    fraction = f"{'.' if language == 'en' else ','}{tenths % 10}" if step_s < 1 else ""
    if not hours:
        return f"{minutes}:{seconds:02}{fraction}"
    return f"{minutes // 60}:{minutes % 60:02}:{seconds:02}{fraction}"


def _add_legend(
    figure: Figure,
    emotions: Sequence[str],
    view: ViewOptions,
    title: str | None,
    *,
    with_no_face: bool,
) -> None:
    """Put the legend, under the title, above the panels where it hides nothing."""
    handles = _legend_handles(emotions, view.plot_style)
    names = [display_name(emotion, view.language) for emotion in emotions]
    if with_no_face:
        handles.append(Patch(**_NO_FACE))
        names.append(_WORDS[view.language]["no face"])
    # the title belongs to the legend: a figure's own title would be drawn over it
    legend = figure.legend(handles, names, loc="outside upper center", ncols=len(names),
                           fontsize=8.5, title=_fitting(title), title_fontsize=11, frameon=False,
                           handlelength=1.2, handletextpad=0.5, columnspacing=1.4)  # fmt: skip
    legend.get_title().set_parse_math(False)  # a name may hold dollars


def _fitting(title: str | None) -> str:
    """Write a name on one line that is no wider than the figure."""
    line = one_line(title or "")
    return line if len(line) <= _TITLE_LENGTH else f"{line[:48]} ... {line[-27:]}"


def _add_notes(
    figure: Figure, shown: Sequence[int], by_length: Sequence[int], view: ViewOptions
) -> None:
    """Say under the panels what a reader cannot see: tracks left out, and smoothing."""
    words = _WORDS[view.language]
    notes = []
    if left_out := [track for track in by_length if track not in shown]:
        # one more is named rather than counted
        n_named = _MOST_NAMED if len(left_out) > _MOST_NAMED + 1 else len(left_out)
        named = ", ".join(f"#{track}" for track in sorted(left_out[:n_named]))
        if more := len(left_out) - n_named:
            named = words["more"].format(named=named, count=more)
        notes.append(words["left out"].format(total=len(by_length), named=named))
    if view.smooth_s:
        notes.append(smoothed(view.smooth_s, view.language))
    if notes:
        figure.supxlabel("; ".join(notes), x=0.99, ha="right", fontsize=8, color=QUIET)


def _legend_handles(emotions: Sequence[str], style: PlotStyle) -> list[Artist]:
    if style == "lines":
        return [Line2D([], [], color=color_of(emotion), linewidth=2.0) for emotion in emotions]
    return [Patch(facecolor=color_of(emotion)) for emotion in emotions]


def _height_in(panels: int) -> float:
    """Give the figure's height in inches: roomy for a few panels, one page for many."""
    return 1.1 + panels * (1.9 if panels <= 2 else 1.4 if panels <= 6 else 0.85)
