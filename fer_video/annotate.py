"""A recording with its timeline drawn into the picture: boxes, labels and a bar per emotion."""

from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import chain, takewhile
from pathlib import Path

import numpy as np
import pandas as pd
from av.video.frame import VideoFrame

from fer_video.canvas import Canvas
from fer_video.container import check_local
from fer_video.encode import encode
from fer_video.errors import DataError
from fer_video.files import being_read, sha256_of
from fer_video.options import ViewOptions
from fer_video.options_limits import USUAL_LIMITS, LimitOptions
from fer_video.overlay import Face, Overlay
from fer_video.samples import Picture, read_to
from fer_video.timeline import emotions_of, smooth
from fer_video.types import Box, RecordingInfo
from fer_video.video import Recording, open_recording
from fer_video.wording import smoothed

_ROUNDING_S = 0.001
"""Coarsest time stamps in use, those of Matroska: frames may be early by as much."""

Sampled = dict[int, list[Face]]
"""The faces of each sampled frame by its pts, in order; an empty list where there is none."""


def check_source(table: pd.DataFrame, timeline: Path, recording: Path) -> None:
    """Make sure that a timeline was made from a recording, as far as it says from what.

    Raises:
        DataError: It was made from another file.
        VideoError: The recording cannot be read.
    """
    check_local(recording)
    with being_read(recording):
        source = table.attrs["provenance"].get("source")
        if source and source["sha256"] != sha256_of(recording):
            raise DataError(timeline, f"it is not of {recording}, but of a file {source['name']}")


def annotate(
    recording: Path,
    table: pd.DataFrame,
    out: Path,
    view: ViewOptions,
    limits: LimitOptions = USUAL_LIMITS,
) -> Iterator[float]:
    """Write a copy of a recording with its timeline drawn in; ``out`` is there at the end.

    Every frame from the first sampled one to the last one is written, each at its own time, and
    the sound beside them. A face is drawn as it was sampled until the next sample.

    Args:
        recording: The recording that was analyzed.
        table: Its timeline, as ``timeline.read_timeline`` gives it.
        out: Ends in ``.mp4``; replaced if it exists, and whole or absent.
        view: Language of the labels, and width in seconds of the moving average.
        limits: What the recording may claim to be.

    Yields:
        Seconds of recording done; never decreasing, and 0 while what is before is read.

    Raises:
        DataError: The timeline is empty, or is not of this recording.
        OutputError: ``out`` cannot be written.
        VideoError: The recording cannot be read.
    """
    if table.empty:
        raise DataError(recording, "its timeline has no rows")
    emotions = emotions_of(table)
    sampled = _sampled(smooth(table, view.smooth_s), emotions)
    asked_start_s, asked_end_s = _asked_span_s(table)
    start_s, end_s = _span_s(table, asked_end_s)
    with open_recording(recording, limits) as source:
        _check_boxes(sampled, source, recording)
        first_pts = next(iter(sampled))
        pictures = source.pictures(start_s)
        first = yield from _first(pictures, first_pts, start_s, recording)
        note = smoothed(view.smooth_s, view.language) if view.smooth_s else ""
        size_px = (source.info.width_px, source.info.height_px)
        overlay = Overlay(size_px, emotions, view.language, note)
        shown = _until(chain([first], pictures), next(reversed(sampled)), end_s)
        frames = _drawn(shown, sampled, overlay, source.info)
        sound_end_s = None if asked_end_s is None else source.first_frame_s + end_s
        lead_in = (first.time_s if asked_start_s is None else asked_start_s) == 0
        yield from encode(frames, out, recording, lead_in=lead_in, end_s=sound_end_s, limits=limits)


def _sampled(table: pd.DataFrame, emotions: Sequence[str]) -> Sampled:
    sampled: Sampled = {pts: [] for pts in table["pts"].tolist()}
    seen = table[table["track"].notna()]
    columns = ["left", "top", "right", "bottom", *(f"p_{emotion}" for emotion in emotions)]
    numbers = seen[columns].to_numpy(float).tolist()
    labels = zip(seen["pts"], seen["track"], seen["emotion"], seen["confidence"], strict=True)
    for (pts, track, emotion, confidence), values in zip(labels, numbers, strict=True):
        face = Face(Box(*values[:4]), track, emotion, confidence, tuple(values[4:]))
        sampled[pts].append(face)
    return sampled


def _span_s(table: pd.DataFrame, asked_end_s: float | None) -> tuple[float, float]:
    """Give the first sampled moment, and that before which the next sample would be due."""
    times = np.unique(table["time_s"].to_numpy(np.float64))
    step_s = float(np.median(np.diff(times))) if len(times) > 1 else 0.0
    end_s = float(times[-1]) + step_s
    return float(times[0]), min(end_s, asked_end_s or end_s) - _ROUNDING_S


def _asked_span_s(table: pd.DataFrame) -> tuple[float | None, float | None]:
    """Read which span was asked for: no start means unknown, no end that of the recording."""
    options = table.attrs.get("provenance", {}).get("options", {})
    sample: dict[str, float | None] = options.get("sample", {})
    return sample.get("start_s"), sample.get("end_s")


def _check_boxes(sampled: Sampled, source: Recording, recording: Path) -> None:
    # most of a face at the edge may lie outside the picture, but not all of it
    width, height = source.info.width_px, source.info.height_px
    for face in chain.from_iterable(sampled.values()):
        left, top, right, bottom = face.box
        if right <= 0 or bottom <= 0 or left >= width or top >= height:
            x, y = face.box.centre
            raise DataError(
                recording,
                f"the timeline is not of this recording: it has a face at ({x:.0f}, {y:.0f}) px, "
                f"and the picture is {width} x {height}",
            )


def _first(
    pictures: Iterator[Picture], pts: int, start_s: float, recording: Path
) -> Generator[float, None, Picture]:
    """Read up to the picture first sampled, and make sure that it is there."""
    first = yield from read_to(pictures, lambda one: one.pts >= pts, start_s)
    if first is None or first.pts != pts:
        raise DataError(
            recording,
            f"the timeline is not of this recording: there is no frame with time stamp {pts}",
        )
    return first


def _until(pictures: Iterable[Picture], last_pts: int, end_s: float) -> Iterator[Picture]:
    """Stop where the sample after the last one would be due."""
    return takewhile(lambda one: one.pts <= last_pts or one.time_s < end_s, pictures)


def _drawn(
    pictures: Iterable[Picture], sampled: Sampled, overlay: Overlay, info: RecordingInfo
) -> Iterator[VideoFrame]:
    """Draw on each picture the faces sampled on it, or on the last sampled one before it."""
    faces: list[Face] = []
    for picture in pictures:
        faces = sampled.get(picture.pts, faces)
        canvas = Canvas(picture.frame, info.rotation_deg, info.mirrored)
        overlay.draw(canvas, faces)
        yield canvas.frame
