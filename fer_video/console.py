"""Events to what a person reads: what was written and seen, on stdout; progress is on stderr."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from fer_video.bars import run_progress
from fer_video.errors import one_line
from fer_video.events import Event, Failed, Finished, Job, Resumed, Skipped, Summary, Waiting
from fer_video.pace import Pace
from fer_video.wording import clock, counted, sized

_WAITING = "waiting for a machine: the cluster has none that can take a recording; see `ray status`"


@dataclass(slots=True)
class Report:
    """How a run ended."""

    finished: list[Finished] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)

    def add(self, event: Event) -> None:
        """Take note of an event that ends a recording; the others change nothing."""
        if isinstance(event, Finished):
            self.finished.append(event)
        if isinstance(event, Failed):
            self.failed.append(event)
        if isinstance(event, Skipped):
            self.skipped.append(event)

    @property
    def n_recordings(self) -> int:
        """How many came to an end."""
        return len(self.finished) + len(self.failed) + len(self.skipped)


def show(
    events: Iterable[Event], jobs: list[Job], quiet: bool, alone: bool = False, shared_out: str = ""
) -> Report:
    """Follow a run to its end.

    Args:
        events: What happens.
        jobs: All of the run.
        quiet: Whether only failures are told.
        alone: Whether one recording was asked for by itself; why it failed is left to the caller.
        shared_out: How the recordings are shared out; see ``engine.Engine``.
    """
    report = Report()
    with run_progress(Pace(jobs), quiet) as progress:
        if not alone and not quiet:
            progress.write(first_line(jobs, shared_out), error=True)
        for event in events:
            progress.update(event)
            report.add(event)
            if isinstance(event, Resumed) and not quiet:
                progress.write(f"{one_line(event.job.name)}: goes on at {clock(event.at_s)}")
            if isinstance(event, Waiting) and not quiet:
                progress.write(_WAITING, error=True)
            if isinstance(event, Finished) and not quiet:
                progress.write("\n".join(describe(event)))
            if isinstance(event, Failed) and not alone:
                progress.write(f"failed: {event.error}", error=True)
        if not quiet:
            for line in closing_lines(report):
                progress.write(line)
    return report


def first_line(jobs: list[Job], shared_out: str) -> str:
    """Say what a run sets out to do."""
    size = sized(sum(job.size_bytes for job in jobs))
    return f"analyzing {counted(len(jobs), 'recording')} ({size}), {shared_out}"


def closing_lines(report: Report) -> list[str]:
    """Say what an earlier run had done, and what of it could not be kept and why."""
    lines = []
    if report.skipped:
        lines.append(
            f"skipped {len(report.skipped)} of {counted(report.n_recordings, 'recording')}: "
            "done before, and nothing has changed"
        )
    faults = Counter(event.fault for event in report.finished if event.fault)
    if faults:
        why = ", ".join(f"{number} ({fault})" for fault, number in faults.most_common())
        lines.append(f"made again: {why}")
    return lines


def describe(event: Finished) -> list[str]:
    """Say what was written and what was seen, for the end of a recording."""
    written = ", ".join(
        one_line(event.job.destination_of(path))
        for path, kind in event.job.outputs.items()
        if kind not in event.kept
    )
    lines = [f"wrote {written}", f"  {_seen(event.summary)}"]
    if event.summary.partial:
        lines.append(f"  partial: {event.summary.loss}")
    return lines


def _seen(summary: Summary) -> str:
    span = f"{summary.analyzed_s:.1f} s, {counted(summary.frames_sampled, 'frame')}"
    if not summary.most_faces_at_once:
        return f"saw no face in {span}"
    # not people: who comes back, or comes after another, is a face with a new track
    most = summary.most_faces_at_once
    faces = "one face at a time" if most == 1 else f"up to {most} faces at once"
    tracks = counted(summary.tracks, "track")
    return f"saw {faces} ({tracks}) in {span}, {summary.frames_without_face} without a face"
