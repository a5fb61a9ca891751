"""From recordings to jobs; what cannot work is refused before anything heavy is loaded."""

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from fer_video import stores
from fer_video.addresses import Place
from fer_video.errors import OutputError
from fer_video.events import Job, Remote
from fer_video.files import as_text, check_output
from fer_video.inputs import Source
from fer_video.options import (
    AnalysisOptions,
    LimitOptions,
    OutputOptions,
    SpoolOptions,
    TableFormat,
)
from fer_video.options_limits import USUAL_LIMITS
from fer_video.spool import spool_bytes, spool_folder
from fer_video.stores import Stored

_PART_BYTES = 200
"""Longest part of a result's path without its suffix; file systems hold 255 bytes."""


TIMELINES, _VIDEOS, _PLOTS = "timelines", "videos", "plots"
UNFINISHED = ".unfinished"
"""Folder in that of the results: Polars and DuckDB read every file among the timelines, also one
that is hidden or still being written."""
WRITTEN_IN = frozenset([TIMELINES, _VIDEOS, _PLOTS, UNFINISHED])
"""Folders in that of the results, which may hold others that are not ours."""


def job_for(
    recording: Path,
    timeline: Path | None,
    video: Path | None,
    plot: Path | None,
    options: AnalysisOptions,
    output: OutputOptions,
    limits: LimitOptions = USUAL_LIMITS,
    table: TableFormat = "parquet",
) -> Job:
    """Describe the work on one recording; without ``timeline``, a ``table`` beside it."""
    stem = result_name(as_text(recording.stem))
    timeline = timeline or recording.with_name(f"{stem}.{table}")
    return Job(recording, as_text(recording.name), timeline, video, plot, options, output, limits)


@dataclass(frozen=True, kw_only=True)
class FolderOutputs:
    """What a run over many recordings writes for each of them."""

    table: TableFormat = "parquet"
    videos: bool = False
    plots: bool = False


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What holds for all recordings of a run over many."""

    out: Place
    """Folder of the results, or its address."""
    wanted: FolderOutputs = field(default_factory=FolderOutputs)
    options: AnalysisOptions = field(default_factory=AnalysisOptions)
    output: OutputOptions = field(default_factory=OutputOptions)
    limits: LimitOptions = field(default_factory=LimitOptions)
    spool: SpoolOptions = field(default_factory=SpoolOptions)


def jobs_for(sources: Iterable[Source], plan: Plan) -> list[Job]:
    """Describe the work on many recordings, the largest first.

    So none of the long ones begins when all others are done; how long they are, only their headers
    say, which are not to be trusted yet.
    """
    return sorted((_job(source, plan) for source in sources), key=lambda job: -job.size_bytes)


def _job(source: Source, plan: Plan) -> Job:
    remote = _remote(source, plan)
    name = result_name(source.name)
    recording = source.place
    if isinstance(recording, Stored):
        recording = remote.copies / "recording" / Path(name).name
    folder = plan.out if isinstance(plan.out, Path) else remote.made
    wanted = plan.wanted
    return Job(
        recording,
        source.name,
        timeline=folder / TIMELINES / f"{name}.{wanted.table}",
        video=folder / _VIDEOS / f"{name}.mp4" if wanted.videos else None,
        plot=folder / _PLOTS / f"{name}.png" if wanted.plots else None,
        options=plan.options,
        output=plan.output,
        limits=plan.limits,
        scratch=folder / UNFINISHED,
        remote=remote if remote.recording or remote.results else None,
    )


def _remote(source: Source, plan: Plan) -> Remote:
    # the same job has the same folder, so that two processes never do it at once
    job_key = hashlib.sha256(os.fsencode(f"{source.identity}\n{plan.out}")).hexdigest()
    stored = source.place if isinstance(source.place, Stored) else None
    return Remote(
        copies=spool_folder(plan.spool) / job_key[:16],
        spool_bytes=spool_bytes(plan.spool),
        recording=stored.address if stored else "",
        size_bytes=stored.size_bytes if stored else 0,
        version=stored.version if stored else "",
        results=plan.out if isinstance(plan.out, str) else "",
    )


def result_name(name: str) -> str:
    """Turn a recording's name into a path that lies below a folder, whatever the name.

    A name on a store may have parts that lead elsewhere or that no file system holds.

    >>> result_name("visits/a.mp4"), result_name("../etc//a.mp4")
    ('visits/a.mp4', '%2E%2E/etc/%/a.mp4')
    """
    return "/".join(map(_safe_part, name.split("/")))


def _safe_part(part: str) -> str:
    if part in ("", ".", ".."):
        return part.replace(".", "%2E") or "%"
    part = part.replace("\0", "%00")
    encoded = part.encode()
    if len(encoded) <= _PART_BYTES:
        return part
    digest = hashlib.sha256(encoded).hexdigest()[:8]
    return f"{encoded[: _PART_BYTES - 9].decode(errors='ignore')}~{digest}"


def check_results_folder(out: Place) -> None:
    """Make sure, before any work, that results can be written below a folder or an address.

    Raises:
        OutputError: They cannot.
    """
    if isinstance(out, str):
        stores.check_writable(out)
    elif out.exists() and not out.is_dir():
        raise OutputError(out, "it is a file: a run over many recordings needs a folder")
    elif not out.exists() and out.suffix.lower() in (".parquet", ".csv"):
        raise OutputError(out, "many recordings give as many files: name a folder for them")


def check_outputs(job: Job) -> None:
    """Make sure, before any work, that a job may write what it is to write.

    Raises:
        OutputError: A file exists that may not be replaced, has the wrong suffix, cannot be
            written, or is the recording itself.
    """
    for path, kind in job.outputs.items():
        may_replace = job.output.force or job.output.resume
        destination = job.destination_of(path)
        if isinstance(destination, Path):
            check_output(path, kind, may_replace, inputs=[job.recording])
        elif not may_replace and stores.find(destination):
            raise OutputError(destination, "it exists; use --force to replace it")
