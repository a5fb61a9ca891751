"""How much do key frames change, beside a detector that looks at every frame?

    python benchmarks/key_frames.py RECORDING ... [--json benchmarks/results/key_frames.json]

Each recording is detected and followed twice, with the default distance of key frames and on every
frame; nothing is classified. In each frame a face of the one is paired with one of the other at
most, where their boxes overlap. A frame lasts until the next one: for so long a face without a
pair is missed, or added.
"""

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
from machine import Figures, machine, show, table
from matching import pairs

from fer_video.detect import Detector, detect, load_detector, picture_side_px
from fer_video.options import DetectOptions, SampleOptions, TrackOptions
from fer_video.track import track
from fer_video.types import Face
from fer_video.video import open_recording

Appearance = list[tuple[float, float]]
"""A face from when it is seen until it is not: how long each frame lasts, and the overlap with the
face that the other way shows in its place, 0 where it shows none."""


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
    added: int
    """Faces on all frames that only key frames gave."""
    median_iou: float
    lowest_iou: float
    """That 95 % of the faces reach."""
    longest_without_s: float
    """Without a break, and that key frames do not show a face: late, early, in between or ever."""
    longest_added_s: float
    """Without a break, and that only key frames show a face."""


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
    head = ["recording", "faces", "found", "added", "median IoU", "5 % are below"]
    head += ["longest without, s", "longest added, s"]
    rows = [
        [
            f"`{one['recording']}`",
            f"{one['faces']:,}",
            f"{100 * one['found']:.1f} %",
            f"{one['added']:,}",
            f"{one['median_iou']:.3f}",
            f"{one['lowest_iou']:.3f}",
            *(f"{one[name]:.2f}" for name in ("longest_without_s", "longest_added_s")),
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
    expected, given = appearances(every, keyed), appearances(keyed, every)
    overlaps = [iou for one in expected for _, iou in one]
    return Comparison(
        recording=recording,
        faces=len(overlaps),
        found=float(np.mean([iou > 0 for iou in overlaps] or [1.0])),
        added=sum(iou == 0 for one in given for _, iou in one),
        median_iou=float(np.median(overlaps or [1.0])),
        lowest_iou=float(np.percentile(overlaps or [1.0], 5)),
        longest_without_s=max(map(longest_unpaired_s, expected), default=0.0),
        longest_added_s=max(map(longest_unpaired_s, given), default=0.0),
    )


def appearances(frames: Sequence[SeenFrame], others: Sequence[SeenFrame]) -> list[Appearance]:
    """Every uninterrupted stretch of a face in ``frames``, with its overlap in ``others``."""
    finished: list[Appearance] = []
    going_on: dict[int | None, Appearance] = {}
    for frame, other, lasts_s in zip(frames, others, durations_s(frames), strict=True):
        finished += [
            going_on.pop(one) for one in going_on.keys() - {f.track_id for f in frame.faces}
        ]
        paired = pairs([face.box for face in frame.faces], [face.box for face in other.faces])
        overlaps = {at: iou for at, _, iou in paired}
        for at, face in enumerate(frame.faces):
            going_on.setdefault(face.track_id, []).append((lasts_s, overlaps.get(at, 0.0)))
    return [*finished, *going_on.values()]


def durations_s(frames: Sequence[SeenFrame]) -> list[float]:
    """How long each frame lasts; the last one as long as the one before."""
    gaps_s = [after.time_s - before.time_s for before, after in pairwise(frames)]
    return [*gaps_s, gaps_s[-1]] if gaps_s else [0.0] * len(frames)


def longest_unpaired_s(appearance: Appearance) -> float:
    """Longest time without a break in which the other way shows no such face."""
    stretches = groupby(appearance, key=lambda moment: moment[1] > 0)
    return max((sum(s for s, _ in run) for paired, run in stretches if not paired), default=0.0)


if __name__ == "__main__":
    main()
