"""How fast is analysis beside mere decoding, and how much memory does it take?

    python benchmarks/speed.py RECORDING [RECORDING ...]
    python benchmarks/speed.py RECORDING --loop-minutes 30

Every figure comes from a process of its own, in one run on one machine. Decoding alone is PyAV at
the fastest of its thread settings, frames dropped. Analysis classifies every frame and writes
Parquet; imports and loading the network are not counted on either side. With ``--loop-minutes``
the recording is repeated to that length, and memory is noted as the analysis goes on.
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median

import av

RUNS = 3
THREADS = ("NONE", "SLICE", "FRAME", "AUTO")
MEMORY_EVERY_S = 300.0
"""Seconds of recording between two notes of memory."""


def main() -> None:
    """Measure and print Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", type=Path, nargs="+")
    parser.add_argument("--loop-minutes", type=float, help="Repeat the recording to this length.")
    parser.add_argument("--json", type=Path, help="Write the figures here, too.")
    parser.add_argument("--child", choices=["decode", "analyze"], help=argparse.SUPPRESS)
    parser.add_argument("--threads", default="NONE", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.child:
        child = decode if wanted.child == "decode" else analyze
        print(json.dumps(child(wanted.recordings[0], wanted.threads)))
        return
    print(machine(), end="\n\n")
    if wanted.loop_minutes:
        results = [memory_over_length(wanted.recordings[0], wanted.loop_minutes)]
    else:
        results = speed(wanted.recordings)
    if wanted.json:
        wanted.json.write_text(json.dumps(results, indent=2) + "\n")


def machine() -> str:
    """Name what was measured on, and with which versions."""
    cpu = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    packages = ", ".join(f"{name} {version(name)}" for name in ("av", "ai-edge-litert"))
    cores = len(os.sched_getaffinity(0))
    return f"{cpu}, {cores} cores, Python {platform.python_version()}, {packages}"


def speed(recordings: list[Path]) -> list[dict[str, object]]:
    """Compare analysis with decoding, medians of several runs in turn."""
    print("| recording | frames | decode only, frames/s | threads | analysis, frames/s | ratio |"
          " peak memory, MB |\n|---|---|---|---|---|---|---|")  # fmt: skip
    return [compare(recording) for recording in recordings]


def compare(recording: Path) -> dict[str, object]:
    """Measure one recording; decoding and analysis take turns, so that drift hits both."""
    rates: dict[str, list[float]] = {threads: [] for threads in THREADS}
    runs = []
    for _ in range(RUNS):
        for threads in THREADS:
            rates[threads].append(in_child("decode", recording, threads)["rate"])
        runs.append(in_child("analyze", recording))
    fastest = max(THREADS, key=lambda threads: median(rates[threads]))
    alone, rate = median(rates[fastest]), median(run["rate"] for run in runs)
    peak_mb = max(run["peak_mb"] for run in runs)
    print(f"| {recording.name} | {runs[0]['frames']} | {alone:.0f} | {fastest} | {rate:.0f} "
          f"| {rate / alone:.2f} | {peak_mb:.0f} |", flush=True)  # fmt: skip
    return {
        "recording": recording.name, "decode": alone, "threads": fastest, "analyze": rate,
        "ratio": rate / alone, "peak_mb": peak_mb,
    }  # fmt: skip


def memory_over_length(recording: Path, minutes: float) -> dict[str, object]:
    """Analyze a recording repeated to a length, and show memory as it goes on."""
    with tempfile.TemporaryDirectory() as folder:
        long = Path(folder) / f"long{recording.suffix}"
        repeat(recording, long, minutes * 60)
        run = in_child("analyze", long)
    print("| minutes of recording | memory, MB |\n|---|---|")
    for done_s, memory_mb in run["memory"]:
        print(f"| {done_s / 60:.0f} | {memory_mb:.0f} |")
    print(f"\n{run['frames']} frames at {run['rate']:.0f} frames/s, peak {run['peak_mb']:.0f} MB")
    return run


def repeat(recording: Path, out: Path, seconds: float) -> None:
    """Copy the pictures of a recording again and again, without decoding them."""
    with av.open(str(out), "w") as target:
        stream = None
        shift = 0
        while stream is None or shift * stream.time_base < seconds:
            with av.open(str(recording)) as source:
                pictures = source.streams.video[0]
                stream = stream or target.add_stream_from_template(pictures)
                for packet in source.demux(pictures):
                    if packet.dts is None:
                        continue
                    packet.pts += shift
                    packet.dts += shift
                    packet.stream = stream
                    target.mux(packet)
                shift += pictures.duration


def in_child(what: str, recording: Path, threads: str = "NONE") -> dict[str, object]:
    """Run one measurement in a process of its own."""
    command = [sys.executable, __file__, str(recording), "--child", what, "--threads", threads]
    shown = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(shown.stdout.splitlines()[-1])


def decode(recording: Path, threads: str) -> dict[str, object]:
    """Decode every frame and drop it."""
    with av.open(str(recording)) as container:
        stream = container.streams.video[0]
        stream.thread_type = threads
        started_s = time.perf_counter()
        frames = sum(1 for _ in container.decode(stream))
        return {"frames": frames, "rate": frames / (time.perf_counter() - started_s)}


def analyze(recording: Path, _: str) -> dict[str, object]:
    """Do what the command ``analyze`` does, after everything is loaded."""
    from fer_video import batch, jobs
    from fer_video.events import Advanced, Finished
    from fer_video.options import AnalysisOptions, OutputOptions

    options = AnalysisOptions()
    batch.tools_for(options)
    memory: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "timeline.parquet"
        job = jobs.job_for(recording, out, None, None, options, OutputOptions())
        started_s = time.perf_counter()
        for event in batch.analyze_job(job):
            if isinstance(event, Advanced) and event.done_s >= len(memory) * MEMORY_EVERY_S:
                memory.append((event.done_s, memory_mb()))
            if isinstance(event, Finished):
                frames = event.summary.frames_sampled
        seconds = time.perf_counter() - started_s
    memory.append((event.summary.analyzed_s, memory_mb()))
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"frames": frames, "rate": frames / seconds, "peak_mb": peak_mb, "memory": memory}


def memory_mb() -> float:
    """Memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


if __name__ == "__main__":
    main()
