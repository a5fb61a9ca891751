"""How should the stages share the cores? One thing at a time is changed from what is shipped.

    python benchmarks/threads.py RECORDING [--runs N] [--json benchmarks/results/threads.json]

Each change is timed as in benchmarks/speed.py, on every frame and on 5 a second, all in turn. No
option of fer-video makes these changes: they are made in the measured process.
"""

import argparse
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import work
from machine import Figures, in_process, machine, middle, show, table
from speed import SAMPLED_FPS

from fer_video import lite, litert, pipeline, video


def main() -> None:
    """Measure, print Markdown, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recording", type=Path)
    parser.add_argument("--runs", type=int, default=5, help="Of which the median is taken.")
    parser.add_argument("--json", type=Path, help="Write the figures here, too.")
    parser.add_argument("--change", choices=CHANGES, help=argparse.SUPPRESS)
    parser.add_argument("--density", choices=DENSITIES, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.change:
        CHANGES[wanted.change]()
        print(json.dumps(work.analyze(str(wanted.recording), DENSITIES[wanted.density])))
        return
    figures: Figures = {"machine": machine(), **compare(wanted.recording, wanted.runs)}
    show(figures, markdown(figures), wanted.json)


def compare(recording: Path, runs: int) -> Figures:
    """Analyze with each change; seconds of every run."""
    seconds: dict[str, dict[str, list[float]]] = {
        change: {density: [] for density in DENSITIES} for change in CHANGES
    }
    for _ in range(runs):
        for change, by_density in seconds.items():
            for density, taken_s in by_density.items():
                taken_s.append(measure(recording, change, density)["seconds"])
    frames = work.measure("decode", recording, threads="AUTO")["frames"]
    return {"recording": recording.name, "frames": frames, "seconds": seconds}


def measure(recording: Path, change: str, density: str) -> Figures:
    """Analyze in a process of its own, in which one thing is changed."""
    words = (str(recording), "--change", change, "--density", density)
    return in_process(Path(__file__), *words)


def markdown(figures: Figures) -> str:
    """Write frames per second with each change, and as a share of what is shipped."""
    head = [f"`{figures['recording']}`"]
    for density in DENSITIES:
        head += [density, "share of as shipped"]
    rows = []
    for change, by_density in figures["seconds"].items():
        cells = [change]
        for density, taken_s in by_density.items():
            shipped_s = middle(figures["seconds"][SHIPPED][density])
            cells += [f"{figures['frames'] / middle(taken_s):.0f}",
                      f"{shipped_s / middle(taken_s):.2f}"]  # fmt: skip
        rows.append(cells)
    return table(head, rows)


def _decoder(thread_type: str) -> None:
    shipped = video.picture_stream

    def picture_stream(*words: Any) -> Any:
        stream = shipped(*words)
        stream.thread_type = thread_type
        return stream

    video.picture_stream = picture_stream


def _opencv(threads: int) -> None:
    set_threads = cv2.setNumThreads
    cv2.setNumThreads = lambda _: set_threads(threads)


def _litert(threads: int) -> None:
    shipped = litert.Interpreter
    litert.Interpreter = lambda **words: shipped(**words | {"num_threads": threads})


def _queues(frames: int) -> None:
    pipeline._DEPTH = pipeline._CROPPED_DEPTH = frames


def _batch(crops: int) -> None:
    lite.LiteNet.batch_size = crops


SHIPPED = "as shipped"
CHANGES: dict[str, Callable[[], None]] = {
    SHIPPED: lambda: None,
    "decoder: slice threads": partial(_decoder, "SLICE"),
    "decoder: frame threads": partial(_decoder, "FRAME"),
    "OpenCV: 2 threads": partial(_opencv, 2),
    "LiteRT: 2 threads": partial(_litert, 2),
    "queues: 8 frames each": partial(_queues, 8),
    "queues: 256 frames each": partial(_queues, 256),
    "LiteRT: 32 crops at once": partial(_batch, 32),
}
"""What is different, and what makes it so in the process that calls it."""
DENSITIES: dict[str, dict[str, dict[str, Any]]] = {
    "every frame": {},
    f"`--fps {SAMPLED_FPS}`": {"sample": {"fps": SAMPLED_FPS}},
}
"""How densely the recording is sampled, and the options of ``AnalysisOptions`` for it."""

if __name__ == "__main__":
    main()
