"""The work of one job: a recording in, its results on disk."""

import functools
from collections.abc import Generator, Iterator

from fer_video import weights
from fer_video.checkpoints import Checkpoint, Checkpoints, clear, clear_if_empty, work_of
from fer_video.engine import Stopped
from fer_video.events import Advanced, Event, Finished, Job, Resumed, Skipped, Summary
from fer_video.files import Kind
from fer_video.jobs import check_outputs
from fer_video.options import AnalysisOptions
from fer_video.pipeline import Analysis, Tools, load_tools, open_analysis
from fer_video.provenance import Tally
from fer_video.resume import Kept, kept, made_of, set_aside, timeline_of
from fer_video.samples import PositionLost
from fer_video.timeline import Provenance, open_timeline, read_timeline
from fer_video.transfer import on_copies, telling, with_earlier_timeline

_PROGRESS_S = 1.0
"""Seconds of recording between two ``Advanced`` events."""


def analyze_job(job: Job) -> Iterator[Event]:
    """Do the work of one job: timeline, then annotated video and plot if they are wanted.

    What is there and still true is kept if the job is to resume; if that is all, it is skipped.

    Raises:
        VideoError: The recording cannot be read.
        OutputError: A result cannot be written.
    """
    check_outputs(job)
    with with_earlier_timeline(job) as looked_at:
        before = yield from telling(job, "check", kept(looked_at, _model_of(job.options)))
    if before.provenance and not _missing(job, before):
        clear(job)
        summary = Summary(**before.provenance["seen"])
        made = yield from telling(job, "check", made_of(job, before.provenance, before.outputs))
        yield Skipped(job, summary, made)
        return
    if _goes_to_a_store(job):
        before = Kept(fault=before.fault)  # no part of the results lies here to go on from
    ended = yield from on_copies(functools.partial(_analyze, before), job)
    if _goes_to_a_store(job):
        clear(job)
    yield ended


def _goes_to_a_store(job: Job) -> bool:
    """Tell whether results are lost with the process until they are at their address."""
    return bool(job.remote and job.remote.results)


def _missing(job: Job, before: Kept) -> set[Kind]:
    return {kind for kind in job.outputs.values() if kind not in before.outputs}


def _analyze(before: Kept, job: Job) -> Generator[Event, None, Event]:
    if before.misleads:
        set_aside(job)
    outputs = dict(before.outputs)
    provenance = before.provenance or (yield from _write_timeline(job))
    if not _goes_to_a_store(job):
        clear(job)
    if before.provenance is None:  # at once: another run may replace it while this one draws
        outputs["timeline"] = yield from telling(job, "check", timeline_of(job, provenance))
    summary = Summary(**provenance["seen"])
    yield from _draw(job, _missing(job, before) & {"video", "plot"}, summary)
    made = yield from telling(job, "check", made_of(job, provenance, outputs))
    return Finished(job, summary, made, before.fault, frozenset(before.outputs))


def _draw(job: Job, wanted: set[Kind], summary: Summary) -> Iterator[Event]:
    if not wanted:
        return
    table = read_timeline(job.timeline)
    # imported on demand: Matplotlib takes longer to load than the detector and the network
    if job.video is not None and "video" in wanted:
        from fer_video.annotate import annotate

        reported_s = 0.0
        for done_s in annotate(job.recording, table, job.video, job.output.view, job.limits):
            if not done_s or done_s >= reported_s + _PROGRESS_S:
                reported_s = done_s
                yield Advanced(job, "annotate", done_s, summary.analyzed_s)
    if job.plot is not None and "plot" in wanted:
        from fer_video.plot import plot_timeline

        plot_timeline(table, job.plot, job.output.view, title=job.name)


def _write_timeline(job: Job) -> Generator[Event, None, Provenance]:
    """Make a timeline, from its checkpoint on if there is one that fits."""
    classifier = tools_for(job.options).classifier
    work = work_of(job, classifier.spec, classifier.ran)
    checkpoints = Checkpoints(job, work, classifier.spec.labels)
    before = checkpoints.load()
    try:
        return (yield from _written(job, checkpoints, before))
    except PositionLost:  # the same file gives other pictures than it did
        clear(job)
        checkpoints = Checkpoints(job, work, classifier.spec.labels)
        return (yield from _written(job, checkpoints, None))
    finally:
        clear_if_empty(job)


def _written(
    job: Job, checkpoints: Checkpoints, before: Checkpoint | None
) -> Generator[Event, None, Provenance]:
    tools = tools_for(job.options)
    every_s = checkpoints.snapshot_every_s
    after = None if before is None else before.snapshot
    with (
        open_analysis(
            job.recording,
            job.options,
            tools,
            job.limits,
            snapshot_every_s=every_s,
            after=after,
        ) as analysis,
        open_timeline(job.timeline, job.name, analysis.labels, checkpoints.scratch) as writer,
    ):
        tally = Tally()
        total_s = _expected_s(analysis, job.options)
        yield from _gone_there(job, analysis, total_s)
        if before is not None:
            for rows in checkpoints.rows(before):
                writer.write_rows(rows)
            tally = before.tally
            yield Resumed(job, before.at_s)
        reported_s = tally.analyzed_s
        try:
            for moment in tally.counting(analysis.moments):
                checkpoints.add(writer.write(moment), moment.snapshot, tally)
                if tally.analyzed_s >= reported_s + _PROGRESS_S:
                    reported_s = tally.analyzed_s
                    yield Advanced(job, "analyze", reported_s, total_s)
            if _goes_to_a_store(job):
                checkpoints.save()
            summary = tally.summary(analysis.recording)
            writer.provenance = yield from telling(job, "check", analysis.provenance(summary))
        except Stopped:
            checkpoints.save()
            raise
    return writer.provenance


def _gone_there(job: Job, analysis: Analysis, total_s: float | None) -> Iterator[Event]:
    """Read up to where the analysis begins or goes on, with signs of life."""
    for read_s in analysis.go_there():
        yield Advanced(job, "analyze", read_s, total_s)


@functools.cache
def _model_of(options: AnalysisOptions) -> weights.ModelSpec:
    """Find a model, once per process; a job that is skipped needs no more of it."""
    return weights.find(options.classify.model)


@functools.cache
def tools_for(options: AnalysisOptions) -> Tools:
    """Load networks, once per process and choice of options; see ``pipeline.load_tools``."""
    return load_tools(options)


def _expected_s(analysis: Analysis, options: AnalysisOptions) -> float | None:
    """Seconds of recording that will be analyzed, as far as the header tells."""
    duration_s = analysis.recording.info.duration_from_header_s
    end_s = min((s for s in (duration_s, options.sample.end_s) if s is not None), default=None)
    return None if end_s is None else max(0.0, end_s - options.sample.start_s)
