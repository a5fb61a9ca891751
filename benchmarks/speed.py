"""How fast is analysis beside mere decoding, where does its time go, and what memory does it take?

    python benchmarks/speed.py RECORDING [RECORDING ...] [--json benchmarks/results/speed.json]
    python benchmarks/speed.py RECORDING --memory-minutes 30 [--json benchmarks/results/memory.json]

Every figure comes from a process of its own, in one run on one machine; what is compared takes
turns, so that drift hits all alike, and medians are shown. Decoding alone is PyAV with each of its
thread settings, frames dropped. Analysis classifies every frame (or 5 a second) and writes
Parquet. Imports and loading the network are not counted on either side. With
``--memory-minutes`` the first recording is repeated to that length instead, and memory is noted as
its analysis goes on.
"""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from clips import repeat
from machine import Figures, machine, middle, show, table
from work import STAGES, measure

from fer_video.video import open_recording

THREADS = ("NONE", "SLICE", "FRAME", "AUTO")
SAMPLED_FPS = 5
ANNOTATED_S = 10.0
"""Seconds of a recording that are annotated: the pictures to encode alone are held in memory."""
SETTLED_S = 300.0
"""Seconds of recording after which memory is expected to stay the same."""


def main() -> None:
    """Measure, print Markdown, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", type=Path, nargs="+")
    parser.add_argument("--runs", type=int, default=3, help="Of which the median is taken.")
    parser.add_argument("--memory-minutes", type=float, help="Repeat the first to this length; "
                        f"memory settles in the first {SETTLED_S / 60:.0f} minutes.")  # fmt: skip
    parser.add_argument("--json", type=Path, help="Write the figures here, too.")
    wanted = parser.parse_args()
    if wanted.memory_minutes and wanted.memory_minutes * 60 < 2 * SETTLED_S:
        parser.error(f"--memory-minutes must be {2 * SETTLED_S / 60:.0f} or more")
    figures: Figures = {"machine": machine()}
    if wanted.memory_minutes:
        figures |= memory_over_length(wanted.recordings[0], wanted.memory_minutes)
        show(figures, memory_text(figures), wanted.json)
        return
    figures["recordings"] = [compare(recording, wanted.runs) for recording in wanted.recordings]
    show(figures, markdown(figures), wanted.json)


def compare(recording: Path, runs: int) -> Figures:
    """Measure one recording several times over; seconds of every run."""
    seconds: Figures = {
        **{threads: [] for threads in THREADS},
        "analyze": [], "analyze_sampled": [], "annotate": [], "encode": [],
    }  # fmt: skip
    stage_seconds: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for _ in range(runs):
        for threads in THREADS:
            decoded = measure("decode", recording, threads=threads)
            seconds[threads].append(decoded["seconds"])
        analyzed = measure("analyze", recording)
        seconds["analyze"].append(analyzed["seconds"])
        sampled = measure("analyze", recording, options={"sample": {"fps": SAMPLED_FPS}})
        seconds["analyze_sampled"].append(sampled["seconds"])
        one_by_one = measure("stages", recording)
        for stage, spent_s in one_by_one["stages"].items():
            stage_seconds[stage].append(spent_s)
        for what in ("annotate", "encode"):
            drawn = measure(what, recording, end_s=ANNOTATED_S)
            seconds[what].append(drawn["seconds"])
    return {
        "recording": recording.name,
        "picture": decoded["picture"],
        "frames": decoded["frames"],
        "duration_s": decoded["duration_s"],
        "most_faces": analyzed["most_faces"],
        "peak_mb": analyzed["peak_mb"],
        "annotated_frames": drawn["frames"],
        "seconds": seconds,
        "stages": stage_seconds,
    }


def memory_over_length(recording: Path, minutes: float) -> Figures:
    """Analyze a recording repeated to a length, and note memory as it goes on."""
    with tempfile.TemporaryDirectory() as folder:
        long = Path(folder) / f"long{recording.suffix}"
        repeat(recording, long, minutes * 60)
        run = measure("analyze", long)
    with open_recording(recording) as opened:
        picture = f"{opened.info.width_px}x{opened.info.height_px}"
    return {"recording": recording.name, "picture": picture, **run}


def slope_mb(notes: Sequence[Sequence[float]]) -> float:
    """Fit a line to memory once it has settled: MB per 10 minutes of recording.

    The last note is left out: the decoder is closed by then, and the file finished.
    """
    done_s, held_mb = np.array([note for note in notes[:-1] if note[0] >= SETTLED_S]).T
    return float(np.polyfit(done_s / 600, held_mb, 1)[0])


def markdown(figures: Figures) -> str:
    """Write all tables of what was compared."""
    parts = [rate_table(figures), decode_table(figures), stage_table(figures)]
    return "\n".join([*parts, annotate_table(figures)])


def rate_table(figures: Figures) -> str:
    """Compare analysis with decoding alone."""
    head = ["recording", "decode only", "every frame", "share of it",
            f"`--fps {SAMPLED_FPS}`", "share of it", "hours per hour", "peak memory"]  # fmt: skip
    return table(head, map(_rate_row, figures["recordings"]))


def _rate_row(found: Figures) -> list[str]:
    alone, every, sampled = (
        found["frames"] / middle(found["seconds"][what])
        for what in (_fastest(found), "analyze", "analyze_sampled")
    )
    hours = found["duration_s"] / middle(found["seconds"]["analyze"])
    return [
        described(found), f"{alone:.0f}", f"{every:.0f}", f"{share_of_decoding(found):.2f}",
        f"{sampled:.0f}", f"{share_of_decoding(found, 'analyze_sampled'):.2f}", f"{hours:.0f}",
        f"{found['peak_mb']:.0f} MB",
    ]  # fmt: skip


def share_of_decoding(found: Figures, analyzed: str = "analyze") -> float:
    """Divide the rate of an analysis by that of decoding alone."""
    return middle(found["seconds"][_fastest(found)]) / middle(found["seconds"][analyzed])


def decode_table(figures: Figures) -> str:
    """Show decoding alone, frames per second by thread setting."""
    rows = [
        [described(found), *(f"{found['frames'] / middle(found['seconds'][one]):.0f}"
         for one in THREADS)]
        for found in figures["recordings"]
    ]  # fmt: skip
    return table(["decode only", *(f"`{one}`" for one in THREADS)], rows)


def stage_table(figures: Figures) -> str:
    """Show milliseconds per frame by stage, one at a time, and the whole with overlap."""
    head = ["ms per frame", *STAGES, "sum", "whole, overlapped"]
    return table(head, map(_stage_row, figures["recordings"]))


def _stage_row(found: Figures) -> list[str]:
    spent = list(stages_ms(found).values())
    whole_ms = 1000 * middle(found["seconds"]["analyze"]) / found["frames"]
    return [described(found), *(f"{one:.2f}" for one in (*spent, sum(spent), whole_ms))]


def stages_ms(found: Figures) -> dict[str, float]:
    """Milliseconds per frame of the recording, by stage."""
    return {name: 1000 * middle(found["stages"][name]) / found["frames"] for name in STAGES}


def annotate_table(figures: Figures) -> str:
    """Compare annotated video with encoding the same pictures and doing nothing else."""
    rows = []
    for found in figures["recordings"]:
        drawn, encoded = (
            found["annotated_frames"] / middle(found["seconds"][what])
            for what in ("annotate", "encode")
        )
        share = f"{share_of_encoding(found):.2f}"
        rows.append([described(found), f"{encoded:.0f}", f"{drawn:.0f}", share])
    return table(["recording", "encode only", "annotated video", "share of it"], rows)


def share_of_encoding(found: Figures) -> float:
    """Divide the rate of annotated video by that of encoding alone."""
    return middle(found["seconds"]["encode"]) / middle(found["seconds"]["annotate"])


def memory_text(found: Figures) -> str:
    """Say how memory went over a long recording."""
    minutes = found["memory"][-1][0] / 60
    return (
        f"{described(found)}, {minutes:.0f} minutes, {found['frames']} frames: "
        f"peak {found['peak_mb']:.0f} MB; after the first {SETTLED_S / 60:.0f} minutes "
        f"{slope_mb(found['memory']):+.1f} MB per 10 minutes.\n"
    )


def described(found: Figures) -> str:
    """Name a recording, its picture and how many faces are in it."""
    faces = {0: "no face", 1: "1 face"}.get(found["most_faces"], f"{found['most_faces']} faces")
    return f"`{found['recording']}`, {found['picture']}, {faces}"


def _fastest(found: Figures) -> str:
    return min(THREADS, key=lambda threads: middle(found["seconds"][threads]))


if __name__ == "__main__":
    main()
