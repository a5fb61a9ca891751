"""Does a run that is killed go on to the very timeline of one that never was?

Run by ``robustness.py``, not by hand. It analyzes a recording once, and keeps the timeline. Then,
again and again, it starts the same command anew, kills it at a random moment (all of its
processes, as a power cut does, or only the one that works, as an exhausted machine does), starts
it again, and compares the bytes of the two timelines. A run may be killed several times before it
comes to its end.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import NamedTuple

import psutil
from clips import SIZES_PX, make_clip
from machine import Figures, table

SECONDS = 20.0
"""Length of the recording that is drawn."""
CHECKPOINT_EVERY_S = 1.0
"""So that a short recording has many."""


class Killed(NamedTuple):
    """A run that was killed until it came to its end."""

    kills: int
    resumed: int
    """How often it went on from a checkpoint."""
    same: bool
    """Whether its timeline is, byte for byte, that of the run that was never killed."""
    left: list[str]
    """Files beside the timeline at the end: the hidden folder, if it was killed just before that
    was removed, and nothing else."""


def drawn(folder: Path) -> Path:
    """Draw a recording of two people."""
    return make_clip(folder / "drawn.mp4", SIZES_PX["360p"], faces=2, seconds=SECONDS)


def run(folder: Path, recording: Path, n_kills: int, seed: int) -> Figures:
    """Kill runs over a recording, and sum up what became of them."""
    runs = list(killed_runs(recording, folder, n_kills, seed))
    return {
        "runs": len(runs),
        "kills": sum(run.kills for run in runs),
        "resumed": sum(run.resumed for run in runs),
        "different": sum(not run.same for run in runs),
        "hidden_folders_left": sum(bool(run.left) for run in runs),
    }


def killed_runs(recording: Path, folder: Path, n_kills: int, seed: int) -> Iterator[Killed]:
    """Kill runs over a recording until that was done ``n_kills`` times.

    Args:
        recording: To analyze.
        folder: For the timelines.
        n_kills: In all runs together.
        seed: Decides when, and which processes.
    """
    command = [sys.executable, "-m", "fer_video", "analyze", str(recording)]
    command += ["--quiet", "--json", "--checkpoint-every", str(CHECKPOINT_EVERY_S)]
    whole = folder / "whole" / "t.parquet"
    told = subprocess.run([*command, "--out", whole], check=True, capture_output=True, text=True)
    length_s = max(map(_done_s, told.stdout.splitlines()))
    chance = random.Random(seed)
    left = n_kills
    for number in count():
        out = folder / str(number) / "t.parquet"
        run = _killed([*command, "--out", str(out)], out, whole, length_s, left, chance)
        yield run
        left -= run.kills
        if not left:
            return


def _killed(
    command: list[str], out: Path, whole: Path, length_s: float, most: int, chance: random.Random
) -> Killed:
    kills = 0
    told: list[str] = []
    while not out.exists():
        # below 0 it is killed while it starts
        at_s = chance.uniform(-0.1 * length_s, length_s) if kills < most else float("inf")
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, start_new_session=True
        ) as running:
            for line in _until(running, at_s, chance):
                told.append(line)
            if running.poll() is None:
                kills += 1
                _kill(running, only_worker=chance.random() < 0.5)
            told += running.communicate()[0].splitlines()
        if running.returncode not in (0, -signal.SIGKILL):
            raise RuntimeError("\n".join(told))
    resumed = sum('"event": "resumed"' in line for line in told)
    same = out.read_bytes() == whole.read_bytes()
    left = sorted(path.name for path in out.parent.iterdir() if path != out)
    return Killed(kills, resumed, same, left)


def _until(running: "subprocess.Popen[str]", at_s: float, chance: random.Random) -> Iterator[str]:
    """Pass on what a run tells, until shortly after it has so many seconds behind it."""
    if at_s >= 0:
        for line in running.stdout or ():
            yield line
            if _done_s(line) >= at_s:
                break
    time.sleep(chance.uniform(0, 0.3))


def _done_s(line: str) -> float:
    return float(json.loads(line).get("done_s", 0.0))


def _kill(running: "subprocess.Popen[str]", only_worker: bool) -> None:
    """Kill the process that works, which is then tried once more, or all."""
    with suppress(psutil.NoSuchProcess, ProcessLookupError):
        if only_worker:
            for child in psutil.Process(running.pid).children():
                if "spawn_main" in " ".join(child.cmdline()):  # the other one looks after resources
                    child.kill()
        else:
            os.killpg(running.pid, signal.SIGKILL)


def is_broken(figures: Figures) -> bool:
    """Whether a killed run led to another timeline."""
    return bool(figures["different"])


def markdown(figures: Figures) -> str:
    """Write it as a table."""
    rows = [
        ["analyses, each killed until one run came to its end", str(figures["runs"])],
        ["went on from a checkpoint", f"{figures['resumed']} times"],
        ["timelines that differ from that of a run never killed", str(figures["different"])],
        ["left a hidden folder beside the whole timeline", str(figures["hidden_folders_left"])],
    ]
    return table([f"after {figures['kills']} kills of runs over a recording", ""], rows)
