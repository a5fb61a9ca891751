"""The manifest of a folder run, kept from the events of its recordings."""

import hashlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from fer_video import __version__, manifest
from fer_video.errors import FerVideoError, Partial
from fer_video.events import Event, Failed, Finished, Job, Made, Skipped, Started, Summary
from fer_video.files import remove_leftovers
from fer_video.manifest import Attempt, Run
from fer_video.resume import options_digest
from fer_video.weights import ModelSpec


def begin(path: Path, jobs: list[Job], inputs: str, model: ModelSpec) -> list[Job]:
    """Note what a run sets out to do, and clear away what killed ones left half-written.

    Args:
        path: The manifest.
        jobs: All with the same options.
        inputs: What the user named; only its digest is noted.
        model: That the options name.

    Returns:
        The jobs, each with how it ended before.

    Raises:
        OutputError: The manifest cannot be written.
        DataError: It cannot be read.
    """
    remove_leftovers(path.parent)
    earlier = manifest.attempts(path)
    first = jobs[0]
    run = Run(
        inputs=hashlib.sha256(inputs.encode(errors="surrogateescape")).hexdigest(),
        recordings={job.name: job.size_bytes for job in jobs},
        outputs=list(first.outputs.values()),
        model_sha256=model.sha256,
        options_sha256=options_digest(first.options),
        force=first.output.force,
        when=manifest.now(),
    )
    manifest.append(path, run)
    return [replace(job, earlier=earlier.get(job.name)) for job in jobs]


def noted(events: Iterable[Event], path: Path) -> Iterator[Event]:
    """Pass events on; how a recording ended is in the manifest before its event comes out.

    Raises:
        OutputError: The manifest cannot be written.
    """
    started_s: dict[str, float] = {}
    for event in events:
        name = event.job.name
        if isinstance(event, Started):
            started_s[name] = time.monotonic()
        work_s = time.monotonic() - started_s.get(name, time.monotonic())
        if isinstance(event, Failed):
            manifest.append(path, _failed(event, work_s))
        if isinstance(event, Finished) and event.made:
            manifest.append(path, _done(event.job, event.summary, event.made, work_s))
        if isinstance(event, Skipped):
            _note_skipped(path, event)
        yield event


def _note_skipped(path: Path, event: Skipped) -> None:
    """Add a line only if none tells of the results: the run that made them was killed first."""
    earlier = event.job.earlier
    attempt = _done(event.job, event.summary, event.made, work_s=0.0)
    if earlier is None or earlier != replace(
        attempt, work_s=earlier.work_s, fer_video=earlier.fer_video, when=earlier.when
    ):
        manifest.append(path, attempt)


def _done(job: Job, summary: Summary, made: Made, work_s: float) -> Attempt:
    before = job.earlier.outputs if job.earlier else {}
    return Attempt(
        recording=job.name,
        verdict="partial" if summary.partial else "ok",
        reason=summary.loss,
        exit_code=Partial.exit_code if summary.partial else 0,
        analyzed_s=summary.analyzed_s,
        work_s=round(work_s, 3),
        frames_decoded=summary.frames_decoded,
        frames_sampled=summary.frames_sampled,
        frames_corrupt=summary.frames_corrupt,
        source_bytes=made.source.size_bytes,
        source_sha256=made.source.sha256,
        model=made.model,
        model_sha256=made.model_sha256,
        options_sha256=options_digest(job.options),
        outputs={**before, **made.outputs},
        fer_video=__version__,
        when=manifest.now(),
    )


def _failed(event: Failed, work_s: float) -> Attempt:
    job = event.job
    return Attempt(
        recording=job.name,
        verdict="failed",
        reason=_said(event.error, job),
        exit_code=event.error.exit_code,
        work_s=round(work_s, 3),
        source_bytes=job.size_bytes,
        model=job.options.classify.model,
        options_sha256=options_digest(job.options),
        outputs=job.earlier.outputs if job.earlier else {},
        fer_video=__version__,
        when=manifest.now(),
    )


def _said(error: FerVideoError, job: Job) -> str:
    """Give the reason of an error; where the recording lies is nobody's business."""
    return str(error).removeprefix(f"cannot read {job.recording}: ")
