"""How do time and memory grow with length, faces, resolution and cores?

    python benchmarks/scaling.py [--json benchmarks/results/scaling.json]

It draws its own recordings (benchmarks/clips.py), varies one thing at a time, and analyzes every
frame; imports and loading the network are not counted. Beside each stands decoding alone, with
PyAV's threads set to AUTO. Cores are taken away by the process's affinity. As it is, it takes about
six minutes on two cores.
"""

import argparse
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from clips import MOST_FACES, SIZES_PX, make_clip
from machine import Figures, machine, middle, show, table
from work import measure

MINUTES = (1, 2, 4, 8)
FACES = range(MOST_FACES + 1)
SECONDS = 12.0
"""Length of a recording, except where length is what varies."""
AXES = {"minutes": "length, minutes", "faces": "faces per frame", "size": "resolution",
        "cores": "cores"}  # fmt: skip


class Point(NamedTuple):
    """One recording to measure, and on how many cores."""

    value: Any
    """Of what varies."""
    size: str = "1080p"
    faces: int = 2
    seconds: float = SECONDS
    cores: int | None = None


def main() -> None:
    """Measure, print Markdown, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--axes", nargs="+", choices=AXES, default=list(AXES))
    parser.add_argument("--runs", type=int, default=3, help="Of which the median is taken.")
    parser.add_argument("--seconds", type=float, default=SECONDS, help="Length of a recording.")
    parser.add_argument("--minutes", type=float, nargs="+", default=MINUTES,
                        help="Lengths, where that is what varies.")  # fmt: skip
    parser.add_argument("--json", type=Path, help="Write the figures here, too.")
    wanted = parser.parse_args()
    points: dict[str, list[Point]] = {
        "minutes": [Point(one, "720p", seconds=one * 60) for one in wanted.minutes],
        "faces": [Point(one, "720p", one, wanted.seconds) for one in FACES],
        "size": [Point(one, one, seconds=wanted.seconds) for one in SIZES_PX],
        "cores": [Point(one, seconds=wanted.seconds, cores=one) for one in _core_counts()],
    }
    figures: Figures = {"machine": machine()}
    figures["axes"] = {axis: list(measured(points[axis], wanted.runs)) for axis in wanted.axes}
    show(figures, markdown(figures), wanted.json)


def measured(points: Iterable[Point], runs: int) -> Iterator[Figures]:
    """Draw and measure one recording after the other."""
    with tempfile.TemporaryDirectory() as folder:
        clips: dict[tuple[str, int, float], Path] = {}
        for point in points:
            key = (point.size, point.faces, point.seconds)
            if key not in clips:
                out = Path(folder) / f"{len(clips)}.mp4"
                clips[key] = make_clip(out, SIZES_PX[point.size], point.faces, point.seconds)
            yield {"value": point.value, **_measured(clips[key], runs, point.cores)}


def _measured(clip: Path, runs: int, cores: int | None) -> Figures:
    decoded, analyzed = [], []
    for _ in range(runs):
        decoded.append(measure("decode", clip, cores, threads="AUTO"))
        analyzed.append(measure("analyze", clip, cores))
    return {
        "frames": decoded[0]["frames"],
        "faces_found": analyzed[0]["most_faces"],
        "decode_s": [run["seconds"] for run in decoded],
        "analyze_s": [run["seconds"] for run in analyzed],
        "peak_mb": max(run["peak_mb"] for run in analyzed),
    }


def _core_counts() -> list[int]:
    """1, 2, 4 and so on, and all that there are."""
    there = len(os.sched_getaffinity(0))
    return [*(2**power for power in range(there.bit_length()) if 2**power < there), there]


def markdown(figures: Figures) -> str:
    """Write one table for each thing that was varied."""
    return "\n".join(axis_table(figures, axis) for axis in figures["axes"])


def axis_table(figures: Figures, axis: str) -> str:
    """Write what was measured as one thing varied."""
    head = [AXES[axis], "frames", "faces found", "decode only", "every frame", "seconds",
            "peak memory"]  # fmt: skip
    return table(head, map(_row, figures["axes"][axis]))


def _row(found: Figures) -> list[str]:
    decoded_s, analyzed_s = middle(found["decode_s"]), middle(found["analyze_s"])
    return [
        _shown(found["value"]), f"{found['frames']}", f"{found['faces_found']}",
        f"{found['frames'] / decoded_s:.0f}", f"{found['frames'] / analyzed_s:.0f}",
        f"{analyzed_s:.1f}", f"{found['peak_mb']:.0f} MB",
    ]  # fmt: skip


def _shown(value: float | str) -> str:
    return value if isinstance(value, str) else f"{value:g}"


if __name__ == "__main__":
    main()
