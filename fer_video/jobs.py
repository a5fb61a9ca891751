"""From what a user names to jobs; what cannot work is refused before anything heavy is loaded."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from fer_video.errors import VideoError
from fer_video.events import Job
from fer_video.files import check_output
from fer_video.options import AnalysisOptions, OutputOptions, TableFormat

VIDEO_SUFFIXES = frozenset(
    [
        ".mp4",
        ".m4v",
        ".mov",
        ".3gp",
        ".mkv",
        ".webm",
        ".avi",
        ".ts",
        ".mts",
        ".m2ts",
        ".ogv",
        ".ogg",
        ".wmv",
        ".asf",
        ".flv",
        ".gif",
    ]
)
"""What a folder run takes for a recording, in any case."""


UNFINISHED = ".unfinished"
"""Folder in that of the results: Polars and DuckDB read every file among the timelines, also one
that is hidden or still being written."""


def job_for(
    recording: Path,
    timeline: Path | None,
    video: Path | None,
    plot: Path | None,
    options: AnalysisOptions,
    output: OutputOptions,
) -> Job:
    """Describe the work on one recording; without ``timeline``, a Parquet file beside it."""
    timeline = timeline or recording.with_suffix(".parquet")
    return Job(recording, recording.name, timeline, video, plot, options, output)


@dataclass(frozen=True, kw_only=True)
class FolderOutputs:
    """What a folder run writes for each recording."""

    table: TableFormat = "parquet"
    videos: bool = False
    plots: bool = False


def jobs_below(
    folder: Path,
    out: Path,
    wanted: FolderOutputs,
    options: AnalysisOptions,
    output: OutputOptions,
) -> list[Job]:
    """Describe the work on every recording below a folder, in the order of their names.

    Raises:
        VideoError: There is no recording below the folder.
    """
    jobs = []
    for recording in _recordings_below(folder, besides=out):
        name = recording.relative_to(folder).as_posix()
        jobs.append(
            Job(
                recording,
                name,
                timeline=out / "timelines" / f"{name}.{wanted.table}",
                video=out / "videos" / f"{name}.mp4" if wanted.videos else None,
                plot=out / "plots" / f"{name}.png" if wanted.plots else None,
                options=options,
                output=output,
                scratch=out / UNFINISHED,
            )
        )
    if not jobs:
        raise VideoError(folder, "no recording lies in or below this folder")
    return jobs


def _recordings_below(folder: Path, besides: Path) -> Iterator[Path]:
    """Find recordings; results of an earlier run and hidden files are none."""
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".") and Path(parent, name).resolve() != besides.resolve()
        )
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in VIDEO_SUFFIXES:
                yield Path(parent, name)


def check_outputs(job: Job) -> None:
    """Make sure, before any work, that a job may write what it is to write.

    Raises:
        OutputError: A file exists that may not be replaced, has the wrong suffix, cannot be
            written, or is the recording itself.
    """
    for path, kind in job.outputs.items():
        replace = job.output.force or job.output.resume
        check_output(path, kind, replace, inputs=[job.recording])
