"""How much do key frames change, beside a detector that looks at every frame?

    python benchmarks/key_frames.py RECORDING ... [--json benchmarks/results/key_frames.json]

Each recording is detected and followed twice, with the default distance of key frames and on every
frame; nothing is classified. A face of the second run is found in the first where boxes overlap.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from machine import Figures, machine, show, table

from fer_video.detect import Detector, detect, load_detector, picture_side_px
from fer_video.options import DetectOptions, SampleOptions, TrackOptions
from fer_video.track import track
from fer_video.types import Face
from fer_video.video import open_recording

MIN_IOU = 0.3
"""Overlap from which on two boxes show the same face."""


Appearance = list[tuple[float, float]]
"""A face from when it is seen until it is not: time, and overlap with what the other way shows."""


@dataclass(frozen=True)
class SeenFrame:
    """The faces of one frame."""

    time_s: float
    faces: tuple[Face, ...]


@dataclass(frozen=True)
class Comparison:
    """Key frames beside every frame, on one recording."""

    recording: str
    faces: int
    """On all frames, where the detector looked at each."""
    found: float
    """Share of them that key frames gave, too."""
    median_iou: float
    lowest_iou: float
    """That 95 % of the faces reach."""
    latest_start_s: float
    """Longest time between a face's first frame and the first on which key frames show it."""
    latest_end_s: float
    """Longest time by which key frames show a face too long, or too short."""
    longest_missed_s: float
    """Of the faces that key frames never show."""


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", type=Path, nargs="+")
    parser.add_argument("--json", type=Path, help="Write the figures here, too.")
    wanted = parser.parse_args()
    options = DetectOptions()
    detector = load_detector(options)
    found = [asdict(compare(recording, detector, options)) for recording in wanted.recordings]
    figures: Figures = {"machine": machine(), "recordings": found}
    show(figures, markdown(figures), wanted.json)


def markdown(figures: Figures) -> str:
    """Write a row per recording that shows a face."""
    head = ["recording", "faces", "found", "median IoU", "5 % are below", "starts late by, s"]
    head += ["ends off by, s", "longest missed, s"]
    rows = [
        [
            f"`{one['recording']}`",
            f"{one['faces']:,}",
            f"{100 * one['found']:.1f} %",
            f"{one['median_iou']:.3f}",
            f"{one['lowest_iou']:.3f}",
            *(f"{one[name]:.2f}" for name in ("latest_start_s", "latest_end_s")),
            f"{one['longest_missed_s']:.2f}",
        ]
        for one in figures["recordings"]
        if one["faces"]
    ]
    return table(head, rows)


def compare(recording: Path, detector: Detector, options: DetectOptions) -> Comparison:
    """Follow the faces of a recording twice, and compare."""
    every = seen(recording, detector, replace(options, detect_every_s=0.0))
    keyed = seen(recording, detector, options)
    return compared(recording.name, every, keyed)


def seen(recording: Path, detector: Detector, options: DetectOptions) -> list[SeenFrame]:
    """Detect and follow, in every sampled frame."""
    with open_recording(recording) as opened:
        side_px = picture_side_px(opened.info.side_px, options)
        frames = opened.frames(SampleOptions(), options.detect_every_s, side_px)
        tracked = track(detect(frames, detector, options), TrackOptions(), options.min_score)
        return [SeenFrame(item.frame.time_s, item.faces or ()) for item in tracked]


def compared(recording: str, every: Sequence[SeenFrame], keyed: Sequence[SeenFrame]) -> Comparison:
    """Compare two ways of following the faces of the same frames."""
    missing = appearances(every, keyed)
    overlaps = [iou for one in missing for _, iou in one]
    extra = appearances(keyed, every)
    ends_s = [uncovered_s(one[::-1]) for one in [*missing, *extra] if is_found(one)]
    return Comparison(
        recording=recording,
        faces=len(overlaps),
        found=float(np.mean([iou >= MIN_IOU for iou in overlaps] or [1.0])),
        median_iou=float(np.median(overlaps or [1.0])),
        lowest_iou=float(np.percentile(overlaps or [1.0], 5)),
        latest_start_s=max([uncovered_s(one) for one in missing if is_found(one)], default=0.0),
        latest_end_s=max(ends_s, default=0.0),
        longest_missed_s=max([lasts_s(one) for one in missing if not is_found(one)], default=0.0),
    )


def appearances(frames: Sequence[SeenFrame], others: Sequence[SeenFrame]) -> list[Appearance]:
    """Every uninterrupted stretch of a face in ``frames``, with its overlap in ``others``."""
    finished: list[Appearance] = []
    going_on: dict[int | None, Appearance] = {}
    for frame, other in zip(frames, others, strict=True):
        finished += [
            going_on.pop(one) for one in going_on.keys() - {f.track_id for f in frame.faces}
        ]
        for face in frame.faces:
            iou = max((face.box.iou(one.box) for one in other.faces), default=0.0)
            going_on.setdefault(face.track_id, []).append((frame.time_s, iou))
    return [*finished, *going_on.values()]


def is_found(appearance: Appearance) -> bool:
    """Whether the other way shows the face at all."""
    return any(iou >= MIN_IOU for _, iou in appearance)


def uncovered_s(appearance: Appearance) -> float:
    """Time from the first frame to the first that the other way shows, too."""
    return abs(next(time_s for time_s, iou in appearance if iou >= MIN_IOU) - appearance[0][0])


def lasts_s(appearance: Appearance) -> float:
    """Time from the first frame to the last."""
    return appearance[-1][0] - appearance[0][0]


if __name__ == "__main__":
    main()
