"""What a timeline should not depend on: the measures of benchmarks/recordings.py.

Each is a small function of a finished timeline, or of what the stages of fer-video give.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import cv2
import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from fer_video.crop import crop_face
from fer_video.types import Box, CropSpec, DetectedFrame, Face, Floats, Frame, Image, Moment

JITTERS = (0.05, 0.10)
"""Shares of the box's sides: a detector's box moves by about as much between frames."""
_MOVED = tuple(f"box ±{100 * share:.0f} %" for share in JITTERS)
BLUR_SIGMA_PX = 1.0
"""Of the Gaussian, in pixels of the 48x48 crop."""
JPEG_QUALITY = 40
DARKENED = 0.5
"""Factor of every gray level."""
HOLD_S = 0.5
"""Seconds for which an emotion must stay on top to count as a turn."""
MIN_IOU = 0.3
"""Least overlap of two boxes to be of one face."""


def flips_per_s(table: pd.DataFrame) -> float:
    """How often the top emotion changes, per second for which a face is in view.

    A flip is a pair of neighbouring rows of one track with different top emotions. The seconds
    are those from the first to the last row of each track, summed. 0 where there are none.
    """
    flips = sum(int((top[1:] != top[:-1]).sum()) for _, top in _tracks(table))
    seconds = seconds_in_view(table)
    return flips / seconds if seconds else 0.0


def seconds_in_view(table: pd.DataFrame) -> float:
    """Seconds from the first to the last row of each track, summed."""
    return float(sum(time_s[-1] - time_s[0] for time_s, _ in _tracks(table)))


def turns(table: pd.DataFrame, hold_s: float = HOLD_S) -> list[tuple[float, str]]:
    """When the top emotion changes for good: ``(time_s, emotion)``, the first one included.

    Of the track with the most rows. A run of rows with one top emotion counts if it lasts at
    least ``hold_s``, from its first row to the first row of the next run, or to the last row of
    all. A run that is too short is as if the emotion before it had stayed. Empty without a face.
    """
    tracks = sorted(_tracks(table), key=lambda rows: len(rows[0]))
    if not tracks:
        return []
    time_s, top = tracks[-1]
    starts = [0, *(np.flatnonzero(top[1:] != top[:-1]) + 1)]
    ends_s = [*time_s[starts[1:]], time_s[-1]]
    found: list[tuple[float, str]] = []
    for start, end_s in zip(starts, ends_s, strict=True):
        is_new = not found or top[start] != found[-1][1]
        if is_new and end_s - time_s[start] >= hold_s:
            found.append((float(time_s[start]), str(top[start])))
    return found


def mean_change(before: Floats, after: Floats) -> float:
    """Mean absolute difference of the probabilities, over faces and emotions.

    With seven emotions it is 0.29 where one sure answer is replaced by another.
    """
    return float(np.abs(after - before).mean())


def share_of_same_top(before: Floats, after: Floats) -> float:
    """Share of the faces whose top emotion is the same, in [0, 1]."""
    return float((before.argmax(axis=1) == after.argmax(axis=1)).mean())


def disturbed_crops(
    item: DetectedFrame, spec: CropSpec, rng: np.random.Generator
) -> Iterator[dict[str, Image]]:
    """Cut each face of a frame as it is (first), and disturbed in each way, by name."""
    frame = item.frame
    cut = functools.partial(crop_face, frame.gray, spec=spec, full_range=frame.full_range)
    for face in item.faces or ():
        crop = cut(face.landmarks)
        moved = [cut(jittered(face, share, rng)) for share in JITTERS]
        yield {
            "as it is": crop,
            **dict(zip(_MOVED, moved, strict=True)),
            "blurred": cv2.GaussianBlur(crop, (0, 0), BLUR_SIGMA_PX),
            "JPEG": _compressed(crop),
            "darkened": np.asarray((crop * DARKENED).round(), np.uint8),
        }


def jittered(face: Face, share: float, rng: np.random.Generator) -> Floats:
    """Landmarks as they would be if the detector's box lay elsewhere; they move with the box.

    The box is shifted by up to ``share`` of its width and of its height either way, and its
    sides grow or shrink by up to ``share`` about its centre; each of the three is uniform.
    """
    shift = rng.uniform(-share, share, 2) * (face.box.width, face.box.height)
    scale = 1 + rng.uniform(-share, share)
    centre = np.array(face.box.centre)
    return np.asarray((face.landmarks - centre) * scale + centre + shift, np.float32)


def halved(frame: Frame) -> Frame:
    """Scale a frame to half its width and height; each new pixel is the mean of four."""
    height_px, width_px = frame.gray.shape
    small = cv2.resize(frame.gray, (width_px // 2, height_px // 2), interpolation=cv2.INTER_AREA)
    return replace(frame, gray=np.asarray(small, np.uint8))


def matches(first: Sequence[Moment], second: Sequence[Moment], scale: float = 1.0) -> pd.DataFrame:
    """Pair the faces of the same frames in two analyses, so that the boxes overlap most.

    Args:
        first: Moments of one analysis.
        second: Those of another one of the same frames, in the same order.
        scale: Pixels of the first per pixel of the second.

    Returns:
        One row per pair of boxes that overlap by ``MIN_IOU``: ``iou``, and the probabilities
        ``before`` and ``after`` as arrays.
    """
    rows = []
    for one, other in zip(first, second, strict=True):
        boxes = [Box(*(edge * scale for edge in seen.face.box)) for seen in other.observations]
        ious = [[seen.face.box.iou(box) for box in boxes] for seen in one.observations]
        overlap = np.reshape(ious, (len(one.observations), len(boxes)))
        for row, column in zip(*linear_sum_assignment(overlap, maximize=True), strict=True):
            if overlap[row, column] >= MIN_IOU:
                before = one.observations[row].probabilities
                after = other.observations[column].probabilities
                rows.append({"iou": overlap[row, column], "before": before, "after": after})
    return pd.DataFrame(rows, columns=["iou", "before", "after"])


def counts_of_faces(first: Sequence[Moment], second: Sequence[Moment]) -> pd.DataFrame:
    """Count the faces in each frame in which at least one of two analyses has any."""
    counts = pd.DataFrame(
        {
            "first": [len(moment.observations) for moment in first],
            "second": [len(moment.observations) for moment in second],
        }
    )
    return counts[counts.max(axis=1) > 0]


def _tracks(table: pd.DataFrame) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Times and top emotions of the rows of each track."""
    for _, rows in table.dropna(subset=["track"]).groupby("track"):
        yield rows["time_s"].to_numpy(), rows["emotion"].to_numpy()


def _compressed(crop: Image) -> Image:
    _, encoded = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE), np.uint8)
