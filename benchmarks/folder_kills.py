"""Does a run over a folder that is killed again and again end as one that never was?

Run by ``robustness.py``, not by hand. A run analyzes some recordings, two at a time. The same
command is killed at random moments, all processes at once as by a power cut, and given again until
it ends; then the timelines are compared byte for byte, and the manifest has to tell of each
recording once.
"""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from clips import SIZES_PX, make_clip
from machine import Figures, table

from fer_video import manifest
from fer_video.manifest import MANIFEST_FILE, Attempt

RECORDINGS = 4
SECONDS = 20.0
"""Length of each."""


def run(folder: Path, n_kills: int, seed: int) -> Figures:
    """Kill until that was done ``n_kills`` times, over as many runs as that takes."""
    command = _command(_drawn(folder / "folder"))
    whole = folder / "never-killed"
    began_s = time.monotonic()
    subprocess.run([*command, str(whole)], check=True)
    length_s = time.monotonic() - began_s
    chance = random.Random(seed)
    kills, outcomes = 0, []
    while kills < n_kills:
        out = folder / f"killed-{len(outcomes)}"
        while not _ends([*command, str(out)], chance.uniform(0, length_s), kills < n_kills):
            kills += 1
        outcomes.append(_contents(out) == _contents(whole) and _told_once(out))
    return {"kills": kills, "runs": len(outcomes), "different": outcomes.count(False)}


def _drawn(folder: Path) -> Path:
    folder.mkdir()
    for number in range(RECORDINGS):
        make_clip(folder / f"{number}.mp4", SIZES_PX["360p"], faces=2, seconds=SECONDS)
    return folder


def _command(recordings: Path) -> list[str]:
    words = ["analyze", recordings, "--quiet", "--jobs", 2, "--checkpoint-every", 1, "--out"]
    return [sys.executable, "-m", "fer_video", *map(str, words)]


def _ends(command: list[str], after_s: float, may_kill: bool) -> bool:
    """Run a command, and kill it after a while unless it has ended; whether it has."""
    with subprocess.Popen(command, start_new_session=True) as running:
        try:
            code = running.wait(after_s if may_kill else None)
        except subprocess.TimeoutExpired:
            os.killpg(running.pid, signal.SIGKILL)
            return False
    if code:  # a failure of its own must not count as a kill
        raise subprocess.CalledProcessError(code, command)
    return True


def _contents(results: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (results / "timelines").iterdir()}


def _told_once(results: Path) -> bool:
    lines = manifest.read(results / MANIFEST_FILE)
    told = sorted(line.recording for line in lines if isinstance(line, Attempt))
    return told == [f"{number}.mp4" for number in range(RECORDINGS)]


def is_broken(figures: Figures) -> bool:
    """Whether a killed run ended otherwise."""
    return bool(figures["different"])


def markdown(figures: Figures) -> str:
    """Write what became of the runs."""
    rows = [
        ["folders, each killed until one run came to its end", str(figures["runs"])],
        ["ended otherwise than a run never killed", str(figures["different"])],
    ]
    return table([f"after {figures['kills']} kills of runs over a folder", ""], rows)
