"""Does an analysis of hours, killed in the middle, end with every row?

Run by ``robustness.py``, not by hand. A recording is repeated to its length without decoding it.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from clips import repeat
from machine import Figures, table
from work import measure

from fer_video import read_timeline


def run(folder: Path, recording: Path, hours: float) -> Figures:
    """Analyze every frame, with the usual checkpoints; kill it half-way and go on."""
    long = folder / f"hours{recording.suffix}"
    repeat(recording, long, hours * 3600)
    out = folder / "hours.parquet"
    command = [sys.executable, "-m", "fer_video", "analyze", str(long), "--out", str(out)]
    command += ["--quiet", "--json"]
    began_s = time.monotonic()
    killed_at_s = _killed_at(command, hours * 1800)
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    events = [json.loads(line) for line in told.splitlines()]
    rows = read_timeline(out)
    return {
        "hours": hours,
        "seconds": time.monotonic() - began_s,
        "killed_at_s": killed_at_s,
        "went_on_at_s": next(one["at_s"] for one in events if one["event"] == "resumed"),
        "frames": measure("decode", long, threads="AUTO")["frames"],
        "frames_with_rows": int(rows["pts"].nunique()),
        "times_go_on": bool(rows["time_s"].is_monotonic_increasing),
    }


def _killed_at(command: list[str], at_s: float) -> float:
    """Kill an analysis, all processes at once, after so many seconds of the recording."""
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        for line in running.stdout or ():
            done_s = float(json.loads(line).get("done_s", 0))
            if done_s >= at_s:
                os.killpg(running.pid, signal.SIGKILL)
                return done_s
    raise RuntimeError("it ended before it was killed")


def is_broken(figures: Figures) -> bool:
    """Whether a frame has no row, or times go back."""
    return not figures["times_go_on"] or figures["frames"] != figures["frames_with_rows"]


def markdown(figures: Figures) -> str:
    """Write what became of it."""
    rows = [
        ["killed at", f"{figures['killed_at_s']:.0f} s"],
        ["went on at", f"{figures['went_on_at_s']:.0f} s"],
        ["frames", f"{figures['frames']:,}"],
        ["every frame has its rows, in order", "no" if is_broken(figures) else "yes"],
        ["minutes of work", f"{figures['seconds'] / 60:.1f}"],
    ]
    return table([f"a recording of {figures['hours']:g} h", ""], rows)
