"""The work of one job: a recording in, its results on disk."""

import functools
from collections.abc import Generator, Iterator
from dataclasses import asdict

from fer_video import __version__
from fer_video.annotate import annotate
from fer_video.errors import VideoError
from fer_video.events import Advanced, Event, Finished, Job, Summary
from fer_video.files import sha256_of
from fer_video.jobs import check_outputs
from fer_video.options import AnalysisOptions
from fer_video.pipeline import Analysis, Tools, load_tools, open_analysis
from fer_video.plot import plot_timeline
from fer_video.timeline import Provenance, open_timeline, read_timeline
from fer_video.types import Moment

_PROGRESS_S = 1.0
"""Seconds of recording between two ``Advanced`` events."""


def analyze_job(job: Job) -> Iterator[Event]:
    """Do the work of one job: timeline, then annotated video and plot if they are wanted.

    Raises:
        VideoError: The recording cannot be read.
        OutputError: A result cannot be written.
    """
    check_outputs(job)
    summary = yield from _write_timeline(job)
    if job.video is not None or job.plot is not None:
        table = read_timeline(job.timeline)
        if job.video is not None:
            for done_s in annotate(job.recording, table, job.video, job.output.view):
                yield Advanced(job, "annotate", done_s, summary.analyzed_s)
        if job.plot is not None:
            plot_timeline(table, job.plot, job.output.view, title=job.name)
    yield Finished(job, summary)


def _write_timeline(job: Job) -> Generator[Event, None, Summary]:
    with open_analysis(job.recording, job.options, tools_for(job.options)) as analysis:
        labels = analysis.classifier.spec.labels
        with open_timeline(job.timeline, job.name, labels) as writer:
            seen = _Seen()
            total_s = _expected_s(analysis, job.options)
            reported_s = 0.0
            for moment in analysis.moments:
                writer.write(moment)
                seen.add(moment)
                if seen.analyzed_s >= reported_s + _PROGRESS_S:
                    reported_s = seen.analyzed_s
                    yield Advanced(job, "analyze", reported_s, total_s)
            summary = seen.summary(analysis)
            if not summary.frames_sampled:
                raise VideoError(job.recording, "it has no frame between --start and --end")
            writer.provenance = provenance(job, analysis, summary)
    return summary


class _Seen:
    """Counts what passes, for the summary."""

    def __init__(self) -> None:
        self._first_s: float | None = None
        self._tracks: set[int | None] = set()
        self._sampled = self._without_face = self._most_faces = 0
        self.analyzed_s = 0.0

    def add(self, moment: Moment) -> None:
        if self._first_s is None:
            self._first_s = moment.time_s
        self.analyzed_s = moment.time_s - self._first_s
        self._sampled += 1
        self._without_face += not moment.observations
        self._most_faces = max(self._most_faces, len(moment.observations))
        self._tracks.update(seen.face.track_id for seen in moment.observations)

    def summary(self, analysis: Analysis) -> Summary:
        return Summary(
            analyzed_s=self.analyzed_s,
            frames_decoded=analysis.recording.frames_decoded,
            frames_sampled=self._sampled,
            frames_corrupt=analysis.recording.frames_corrupt,
            frames_without_face=self._without_face,
            tracks=len(self._tracks),
            most_faces_at_once=self._most_faces,
            ended_early_s=analysis.recording.ended_early_s,
        )


def provenance(job: Job, analysis: Analysis, summary: Summary) -> Provenance:
    """Say how a timeline was made; the same input and options give the same bytes."""
    spec = analysis.classifier.spec
    info = analysis.recording.info
    return {
        "fer_video": __version__,
        "verdict": "partial" if summary.partial else "complete",
        "source": {
            "name": job.recording.name,
            "bytes": job.recording.stat().st_size,
            "sha256": sha256_of(job.recording),
            "width_px": info.width_px,
            "height_px": info.height_px,
            "rotation_deg": info.rotation_deg,
            "time_base": str(info.time_base),
            "first_frame_s": analysis.recording.first_frame_s,
        },
        "model": {"name": spec.name, "net": spec.net, "sha256": spec.sha256},
        "device": analysis.classifier.device,
        "options": asdict(job.options),
        "seen": asdict(summary),
    }


@functools.cache
def tools_for(options: AnalysisOptions) -> Tools:
    """Load networks, once per process and choice of options; see ``pipeline.load_tools``."""
    return load_tools(options)


def _expected_s(analysis: Analysis, options: AnalysisOptions) -> float | None:
    """Seconds of recording that will be analyzed, as far as the header tells."""
    duration_s = analysis.recording.info.duration_from_header_s
    end_s = min((s for s in (duration_s, options.sample.end_s) if s is not None), default=None)
    return None if end_s is None else max(0.0, end_s - options.sample.start_s)
