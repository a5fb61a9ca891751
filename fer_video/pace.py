"""How far a run over recordings is, and how long it will take, from its events."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fer_video.events import (
    Advanced,
    Event,
    Failed,
    Finished,
    Job,
    Resumed,
    Skipped,
    Stage,
    Started,
)


@dataclass(slots=True)
class Running:
    """A recording that is being worked on."""

    job: Job
    began_s: float
    """On the clock of the pace."""
    stage: Stage = "analyze"
    analyzed_s: float = 0.0
    """Seconds of recording that are analyzed."""
    share: float | None = None
    """Of its work that is done, in [0, 1]; None before that is known."""
    first_share: float = 0.0
    """What was done when this run took it up."""
    first_analyzed_s: float = 0.0
    """Likewise."""

    @property
    def worked_share(self) -> float:
        """Share of its work that this run has done."""
        return 0.0 if self.share is None else self.share - self.first_share

    def resume(self, event: Resumed) -> None:
        """Take note that an earlier run came so far."""
        start_s = self.job.options.sample.start_s
        self.analyzed_s = self.first_analyzed_s = event.at_s - start_s
        self.share = None  # the next progress tells where this one begins

    def advance(self, event: Advanced) -> None:
        """Take note of progress."""
        self.stage = event.stage
        if not event.total_s:
            return
        part = min(1.0, event.done_s / event.total_s)
        self.analyzed_s = event.done_s if event.stage == "analyze" else event.total_s
        if self.job.video is not None:  # analysis and annotation take about as long as each other
            part = part / 2 + 0.5 * (event.stage == "annotate")
        if self.share is None:
            self.first_share = part
        self.share = part


class Pace:
    """How far a run is.

    Shares count in bytes of recordings, which are known before any is opened.
    """

    def __init__(self, jobs: Sequence[Job], clock: Callable[[], float] = time.monotonic) -> None:
        self._sizes = {job.recording: max(1, job.size_bytes) for job in jobs}
        self._total_bytes = sum(self._sizes.values())
        self._clock = clock
        self._began_s = clock()
        self._ended_bytes = 0.0
        self._worked_bytes = 0.0
        self._ended_analyzed_s = 0.0
        self._running: dict[Path, Running] = {}
        self.n_jobs = len(jobs)
        self.n_done = 0
        """That came to an end, failures included."""
        self.n_failed = 0

    def update(self, event: Event) -> None:
        """Take note of an event."""
        recording = event.job.recording
        if isinstance(event, Started):
            self._running[recording] = Running(event.job, self._clock())
        elif isinstance(event, Advanced):
            if recording in self._running:
                self._running[recording].advance(event)
        elif isinstance(event, Resumed):
            if recording in self._running:
                self._running[recording].resume(event)
        elif isinstance(event, Finished | Skipped | Failed):
            self._end(event)

    def _end(self, event: Finished | Skipped | Failed) -> None:
        recording = event.job.recording
        size = self._sizes[recording]
        running = self._running.pop(recording, None)
        self.n_done += 1
        self.n_failed += isinstance(event, Failed)
        self._ended_bytes += size
        if not isinstance(event, Skipped):  # what was done before says nothing of the pace
            self._worked_bytes += size * (1 - (running.first_share if running else 0))
        if isinstance(event, Finished):
            before_s = running.first_analyzed_s if running else 0.0
            self._ended_analyzed_s += event.summary.analyzed_s - before_s

    @property
    def running(self) -> list[Running]:
        """Recordings that are being worked on, in the order in which they began."""
        return list(self._running.values())

    @property
    def share(self) -> float:
        """Of all work that is behind the run, in [0, 1]."""
        parts = sum(self._sizes[path] * (one.share or 0.0) for path, one in self._running.items())
        return (self._ended_bytes + parts) / self._total_bytes

    @property
    def recording_s_per_s(self) -> float:
        """Seconds of recording that are analyzed in a second."""
        analyzed_s = self._ended_analyzed_s + sum(
            one.analyzed_s - one.first_analyzed_s for one in self.running
        )
        return analyzed_s / max(1e-3, self._clock() - self._began_s)

    @property
    def left_s(self) -> float | None:
        """Seconds to the end at the pace so far; None before there is one."""
        worked = self._worked_bytes + sum(
            self._sizes[path] * one.worked_share for path, one in self._running.items()
        )
        passed_s = self._clock() - self._began_s
        return (1 - self.share) * self._total_bytes * passed_s / worked if worked else None

    def left_of(self, running: Running) -> float | None:
        """Seconds to the end of a recording; None before that can be told."""
        if running.share is None or running.worked_share <= 0:
            return None
        return (1 - running.share) * (self._clock() - running.began_s) / running.worked_share
