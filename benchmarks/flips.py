"""Flip bits of recordings and see that `fer-video analyze` keeps its promises about broken files.

Run by ``robustness.py``, not by hand. Small recordings in the containers and codecs that people
have are broken by chance, from a seed: bits are flipped, runs of bytes are overwritten, emptied,
left out or repeated, ends are cut off. The real command analyzes them all; then its manifest and
its results are held against what docs/reliability.md promises. Whatever breaks a promise is named
by its seed, which makes it again.
"""

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from machine import Figures, table

from fer_video import read_timeline
from fer_video.errors import FerVideoError
from fer_video.jobs import result_name
from fer_video.manifest import MANIFEST_FILE, Attempt, attempts
from fer_video.timeline import check_whole

SIZE_PX = (64, 48)
FRAMES, FPS = 25, 25
MAX_STALL_S = 60
KINDS = (
    # suffix, encoder, its pixel format, whether there is sound
    (".mp4", "libx264", "yuv420p", True),
    (".mp4", "libx265", "yuv420p", False),
    (".mov", "prores_ks", "yuv422p10le", False),
    (".mkv", "libx264", "yuv420p", True),
    (".mkv", "ffv1", "yuv420p", False),
    (".webm", "libvpx", "yuv420p", False),
    (".webm", "libvpx-vp9", "yuv420p", False),
    (".avi", "mjpeg", "yuvj420p", False),
    (".avi", "mpeg4", "yuv420p", True),
    (".ts", "libx264", "yuv420p", True),
    (".ts", "mpeg2video", "yuv420p", False),
    (".wmv", "wmv2", "yuv420p", False),
    (".flv", "flv", "yuv420p", False),
    (".gif", "gif", "rgb8", False),
)
_OPTIONS = {
    "libx264": {"preset": "veryfast", "bf": "2"},
    "libx265": {"preset": "ultrafast", "x265-params": "log-level=none"},
    "libvpx-vp9": {"cpu-used": "8"},
}
_HEADER_BYTES = 1024
_EXIT_CODES = {"ok": {0}, "partial": {10}, "failed": {3, 11}}


def run(folder: Path, n_cases: int, first_seed: int) -> Figures:
    """Break as many recordings, analyze them with one command, and check what it promises."""
    recordings, results = folder / "recordings", folder / "results"
    recordings.mkdir()
    names = [
        broken.write(recordings)
        for broken in _cases(folder, range(first_seed, first_seed + n_cases))
    ]
    started_s = time.perf_counter()
    words = ["analyze", recordings, "--out", results, "--quiet", "--jobs", 1]
    words += ["--max-stall", MAX_STALL_S]
    command = [sys.executable, "-m", "fer_video", *map(str, words)]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=Path(__file__).parents[1])
    seconds = time.perf_counter() - started_s
    ended = attempts(results / MANIFEST_FILE)
    broken_promises = [*of_the_run(results, ran.returncode, ran.stdout + ran.stderr)]
    for name in names:
        broken_promises += [f"{name}: {what}" for what in of_one(name, ended.get(name), results)]
    return {
        "cases": n_cases,
        "first_seed": first_seed,
        "seconds": seconds,
        "slowest_s": max(one.work_s for one in ended.values()),
        "verdicts": Counter(one.verdict for one in ended.values()),
        "lost_processes": sorted(one.reason for one in ended.values() if one.exit_code == 11),
        "reasons": Counter(_alike(one.reason) for one in ended.values() if one.reason),
        "broken_promises": broken_promises,
    }


@dataclass(frozen=True)
class Broken:
    """A recording, and how it is broken: the same for the same seed."""

    whole: Path
    seed: int

    def write(self, folder: Path) -> str:
        """Write the broken recording; return its name, which says what was done."""
        chance = random.Random(self.seed)
        how = chance.choice(list(HOW))
        content = bytearray(self.whole.read_bytes())
        HOW[how](content, chance)
        name = f"{self.seed}_{self.whole.stem}_{how}{self.whole.suffix}"
        (folder / name).write_bytes(content)
        return name


def _cases(folder: Path, seeds: Sequence[int]) -> Iterator[Broken]:
    """Take the kinds of recordings in turn."""
    wholes = [write_whole(folder, *kind) for kind in KINDS]
    return (Broken(wholes[seed % len(wholes)], seed) for seed in seeds)


def write_whole(folder: Path, suffix: str, codec: str, pix_fmt: str, sound: bool) -> Path:
    """Write one second of a square that moves over noise."""
    path = folder / f"{codec.replace('_', '-')}{suffix}"
    noise = np.random.default_rng(0).integers(0, 90, (SIZE_PX[1], SIZE_PX[0], 3), np.uint8)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS, options=_OPTIONS.get(codec, {}))
        (stream.width, stream.height), stream.pix_fmt = SIZE_PX, pix_fmt
        tone = container.add_stream("aac" if suffix != ".avi" else "mp2", 16000) if sound else None
        for index in range(FRAMES):
            rgb = noise.copy()
            rgb[10:26, 2 * index % 48 :][:, :16] = 210
            container.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, "rgb24")))
        container.mux(stream.encode(None))
        if tone:
            _add_tone(container, tone)
    return path


def _add_tone(container: av.container.OutputContainer, tone: av.AudioStream) -> None:
    wave = np.sin(np.arange(16000) * 0.17) * 3000
    frame = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None], "s16", "mono")
    frame.sample_rate = 16000
    container.mux(tone.encode(frame))
    container.mux(tone.encode(None))


def _flip(content: bytearray, chance: random.Random, number: int, end: int) -> None:
    for _ in range(number):
        content[chance.randrange(min(end, len(content)))] ^= 1 << chance.randrange(8)


def _span(content: bytearray, chance: random.Random) -> slice:
    start = chance.randrange(len(content))
    return slice(start, min(len(content), start + 2 ** chance.randrange(12)))


def _overwrite(content: bytearray, chance: random.Random) -> None:
    span = _span(content, chance)
    content[span] = chance.randbytes(span.stop - span.start)


def _empty(content: bytearray, chance: random.Random) -> None:
    span = _span(content, chance)
    content[span] = bytes(span.stop - span.start)


def _leave_out(content: bytearray, chance: random.Random) -> None:
    del content[_span(content, chance)]


def _repeat(content: bytearray, chance: random.Random) -> None:
    span = _span(content, chance)
    content[span.stop : span.stop] = content[span]


def _cut_off(content: bytearray, chance: random.Random) -> None:
    del content[chance.randrange(len(content)) :]


HOW: dict[str, Callable[[bytearray, random.Random], None]] = {
    "one-bit": lambda content, chance: _flip(content, chance, 1, len(content)),
    "bit-of-header": lambda content, chance: _flip(content, chance, 1, _HEADER_BYTES),
    "bits-of-header": lambda content, chance: _flip(content, chance, 16, _HEADER_BYTES),
    "many-bits": lambda content, chance: _flip(content, chance, 200, len(content)),
    "overwritten": _overwrite,
    "emptied": _empty,
    "left-out": _leave_out,
    "repeated": _repeat,
    "cut-off": _cut_off,
}
"""Ways to break a file, by name."""


def of_the_run(results: Path, exit_code: int, told: str) -> Iterator[str]:
    """Name the promises about the whole run that it broke."""
    if exit_code not in (0, 7):
        yield f"the run ended with exit code {exit_code}"
    if "Traceback" in told:
        yield "it shows a traceback"
    kept = {MANIFEST_FILE, "timelines", ".unfinished"}
    left = [path for path in results.iterdir() if path.name not in kept]
    left += (results / ".unfinished").glob("*")
    yield from (f"{path.name} is left over" for path in left)


def of_one(name: str, ended: Attempt | None, results: Path) -> Iterator[str]:
    """Name the promises about one recording that were broken."""
    if ended is None:
        yield "it has no verdict"
        return
    if ended.exit_code not in _EXIT_CODES[ended.verdict]:
        yield f"it ended with exit code {ended.exit_code}: {ended.reason}"
    if "\n" in ended.reason or bool(ended.reason) == (ended.verdict == "ok"):
        yield f"{ended.verdict}, with the reason {ended.reason!r}"
    timeline = results / "timelines" / f"{result_name(name)}.parquet"
    if timeline.exists() == (ended.verdict == "failed"):
        there = "there" if timeline.exists() else "missing"
        yield f"it is {ended.verdict}, and its timeline is {there}"
    if timeline.exists():
        yield from _of_timeline(timeline, name, ended)


def _of_timeline(timeline: Path, name: str, ended: Attempt) -> Iterator[str]:
    try:
        check_whole(timeline, name)
    except FerVideoError as error:
        yield str(error)
        return
    rows = read_timeline(timeline)
    times_s = rows["time_s"].drop_duplicates()
    if len(times_s) != ended.frames_sampled or (times_s.diff().dropna() <= 0).any():
        yield "its rows are not those of its frames"
    verdict = "complete" if ended.verdict == "ok" else "partial"
    if rows.attrs["provenance"]["verdict"] != verdict:
        yield "its timeline gives another verdict"


def is_broken(figures: Figures) -> bool:
    """Whether a recording broke a promise."""
    return bool(figures["broken_promises"])


def _alike(reason: str) -> str:
    """Leave out what differs from one recording to the next."""
    return "".join("#" if letter.isdigit() else letter for letter in reason.split(";")[0])


def markdown(figures: Figures) -> str:
    """Write what became of the recordings."""
    verdicts = figures["verdicts"]
    rows = [[name, str(verdicts.get(name, 0))] for name in _EXIT_CODES]
    rows += [
        ["processes that crashed or broke a limit", str(len(figures["lost_processes"]))],
        ["longest work on one", f"{figures['slowest_s']:.1f} s"],
        ["promises broken", str(len(figures["broken_promises"]))],
    ]
    told = "".join(f"\n* {what}" for what in figures["broken_promises"])
    return table([f"of {figures['cases']} broken recordings", ""], rows) + told
