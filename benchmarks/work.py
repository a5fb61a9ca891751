"""What is measured, each in a process of its own: run by the other benchmarks, not by hand.

    python benchmarks/work.py analyze '{"recording": "talk.mp4"}'

The last line that it prints is JSON. Imports and loading a network are never in ``seconds``.
"""

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import fields
from itertools import takewhile
from pathlib import Path
from typing import Any, TypeVar

import av
from machine import Figures, in_process

from fer_video import batch, jobs
from fer_video.annotate import annotate as annotated
from fer_video.classify import classify, cut_crops
from fer_video.detect import detect, picture_side_px
from fer_video.encode import encode as encoded
from fer_video.events import Advanced, Finished
from fer_video.options import AnalysisOptions, OutputOptions, SampleOptions, ViewOptions
from fer_video.options_limits import USUAL_LIMITS
from fer_video.pipeline import analyze as table_of
from fer_video.timeline import open_timeline
from fer_video.track import track
from fer_video.video import Picture, Recording, open_recording

MEMORY_EVERY_S = 60.0
"""Seconds of recording between two notes of memory."""
STAGES = ("decode", "convert", "detect", "track", "crop", "classify", "write")

T = TypeVar("T")


def measure(what: str, recording: Path, cores: int | None = None, **words: Any) -> Figures:
    """Measure one of the functions below on a recording, in a process of its own."""
    given = json.dumps({"recording": str(recording), **words})
    return in_process(Path(__file__), what, given, cores=cores)


def decode(recording: str, threads: str) -> Figures:
    """Decode every frame with PyAV and drop it.

    Args:
        recording: Path.
        threads: One of PyAV's settings: ``NONE``, ``SLICE``, ``FRAME`` or ``AUTO``.
    """
    with av.open(recording) as container:
        stream = container.streams.video[0]
        stream.thread_type = threads
        picture = f"{stream.width}x{stream.height}"
        frames, last_pts = 0, 0
        started_s = time.perf_counter()
        for frame in container.decode(stream):
            frames += 1
            last_pts = frame.pts or last_pts
        seconds = time.perf_counter() - started_s
        duration_s = float((last_pts - (stream.start_time or 0)) * stream.time_base)
    return {"seconds": seconds, "frames": frames, "duration_s": duration_s, "picture": picture}


def analyze(
    recording: str,
    options: dict[str, dict[str, Any]] | None = None,
    out: str | None = None,
) -> Figures:
    """Do what the command ``analyze`` does, after everything is loaded.

    Args:
        recording: Path.
        options: Those of ``AnalysisOptions`` that are not at their default, by group.
        out: Where the timeline is to stay; None lets it go.
    """
    chosen = _options(options or {})
    _warm_up(recording, chosen)
    memory: list[tuple[float, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        timeline = Path(out) if out else Path(folder) / "timeline.parquet"
        job = jobs.job_for(Path(recording), timeline, None, None, chosen, OutputOptions(force=True))
        started_s = time.perf_counter()
        for event in batch.analyze_job(job):
            if isinstance(event, Advanced) and event.done_s >= len(memory) * MEMORY_EVERY_S:
                memory.append((event.done_s, _memory_mb()))
            if isinstance(event, Finished):
                summary = event.summary
        seconds = time.perf_counter() - started_s
    memory.append((summary.analyzed_s, _memory_mb()))
    return {
        "seconds": seconds,
        "frames": summary.frames_sampled,
        "most_faces": summary.most_faces_at_once,
        "peak_mb": _peak_mb(),
        "memory": memory,
    }


def stages(recording: str) -> Figures:
    """Run the stages one at a time in one thread, and tell what each takes.

    A stage asks the one before it for a frame and waits; that time is taken off.
    """
    options = AnalysisOptions()
    detecting = options.detect
    tools = _warm_up(recording, options)
    clock = _Clock()
    with ExitStack() as open_files:
        opened = _ClockedRecording(Path(recording), open_files, USUAL_LIMITS)
        opened.clock = clock
        side_px = picture_side_px(opened.info.side_px, detecting)
        frames = opened.frames(options.sample, detecting.detect_every_s, side_px)
        frames = clock.timed("convert", frames)
        detected = detect(frames, tools.detector, detecting)
        detected = clock.timed("detect", detected)
        tracked = clock.timed("track", track(detected, options.track, detecting.min_score))
        cropped = clock.timed("crop", cut_crops(tracked, tools.classifier.spec.crop))
        moments = classify(cropped, tools.classifier, tools.classifier.batch_size)
        moments = clock.timed("classify", moments)
        started_s = time.perf_counter()
        crops = _written(moments, tools.classifier.spec.labels)
        clock.until_s["write"] = time.perf_counter() - started_s
        decoded = opened.frames_decoded
    before_s = [0.0, *(clock.until_s[name] for name in STAGES)]
    seconds = {name: clock.until_s[name] - before_s[at] for at, name in enumerate(STAGES)}
    return {"frames": decoded, "crops": crops, "stages": seconds}


def annotate(recording: str, end_s: float) -> Figures:
    """Draw the first seconds of a recording and its timeline into a new recording."""
    table = table_of(recording, AnalysisOptions(sample=SampleOptions(end_s=end_s)))
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "annotated.mp4"
        started_s = time.perf_counter()
        _exhaust(annotated(Path(recording), table, out, ViewOptions()))
        seconds = time.perf_counter() - started_s
    return {"seconds": seconds, "frames": int(table["pts"].nunique())}


def encode(recording: str, end_s: float) -> Figures:
    """Encode the same pictures, with the same settings and sound, from memory: nothing else."""
    with open_recording(Path(recording)) as opened, tempfile.TemporaryDirectory() as folder:
        shown = takewhile(lambda picture: picture.time_s < end_s, opened.pictures())
        frames = [picture.frame for picture in shown]
        sound_end_s = opened.first_frame_s + end_s
        out = Path(folder) / "encoded.mp4"
        started_s = time.perf_counter()
        _exhaust(encoded(iter(frames), out, Path(recording), end_s=sound_end_s))
        return {"seconds": time.perf_counter() - started_s, "frames": len(frames)}


class _Clock:
    """Adds up how long a chain of generators works until each of its stages has an item."""

    def __init__(self) -> None:
        self.until_s: dict[str, float] = {}

    def timed(self, stage: str, items: Iterable[T]) -> Iterator[T]:
        self.until_s[stage] = 0.0
        source = iter(items)
        nothing = object()
        while True:
            started_s = time.perf_counter()
            item = next(source, nothing)
            self.until_s[stage] += time.perf_counter() - started_s
            if item is nothing:
                return
            yield item  # type: ignore[misc]


class _ClockedRecording(Recording):
    """A recording whose decoding is timed apart from what is done to its frames."""

    clock: _Clock

    def pictures(self, *words: Any) -> Iterator[Picture]:
        return self.clock.timed("decode", super().pictures(*words))


def _written(moments: Iterable[Any], labels: Iterable[str]) -> int:
    """Write a timeline, and count the faces in it."""
    faces = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "timeline.parquet"
        with open_timeline(path, "recording", tuple(labels)) as writer:
            for moment in moments:
                faces += len(moment.observations)
                writer.write(moment)
    return faces


def _warm_up(recording: str, options: AnalysisOptions) -> batch.Tools:
    """Load the networks and run each once: some are still being built in their first call."""
    tools = batch.tools_for(options)
    with open_recording(Path(recording)) as opened:
        side_px = picture_side_px(opened.info.side_px, options.detect)
        frame = next(opened.frames(options.sample, options.detect.detect_every_s, side_px))
    tools.detector([frame.rgb])
    return tools


def _options(chosen: dict[str, dict[str, Any]]) -> AnalysisOptions:
    groups = {field.name: field.default_factory for field in fields(AnalysisOptions)}
    return AnalysisOptions(**{name: groups[name](**words) for name, words in chosen.items()})


def _memory_mb() -> float:
    """Memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def _peak_mb() -> float:
    """Most memory that this process held, and the largest process that it started."""
    who = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return sum(resource.getrusage(one).ru_maxrss for one in who) * 1024 / 1e6


def _exhaust(items: Iterable[object]) -> None:
    for _ in items:
        pass


WORK: dict[str, Callable[..., Figures]] = {
    "decode": decode,
    "analyze": analyze,
    "stages": stages,
    "annotate": annotate,
    "encode": encode,
}

if __name__ == "__main__":
    print(json.dumps(WORK[sys.argv[1]](**json.loads(sys.argv[2]))))
