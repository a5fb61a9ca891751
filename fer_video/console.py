"""Events to what a person sees: a progress bar on stderr, closing lines on stdout."""

import math
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from fer_video.errors import one_line
from fer_video.events import (
    Advanced,
    Event,
    Failed,
    Finished,
    Job,
    Resumed,
    Skipped,
    Started,
    Summary,
    TrialEnded,
)


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


def show(events: Iterable[Event], jobs: list[Job], quiet: bool, alone: bool = False) -> Report:
    """Follow a run to its end; why a recording failed is left to the caller if it is ``alone``.

    Progress counts in bytes of recordings, which are known before any is opened; the rate is
    in seconds of recording per second.
    """
    report = Report()
    with _Bar(jobs, hidden=quiet) as bar:
        for event in events:
            bar.update(event)
            report.add(event)
            if isinstance(event, Resumed) and not quiet:
                bar.write(f"{one_line(event.job.name)}: goes on at {_clock(event.at_s)}")
            if isinstance(event, Finished) and not quiet:
                bar.write("\n".join(describe(event)))
            if isinstance(event, Failed) and not alone:
                bar.write(f"failed: {event.error}", error=True)
        if not quiet:
            for line in closing_lines(report):
                bar.write(line)
    return report


def closing_lines(report: Report) -> list[str]:
    """Say what an earlier run had done, and what of it could not be kept and why."""
    lines = []
    if report.skipped:
        lines.append(
            f"skipped {len(report.skipped)} of {_count(report.n_recordings, 'recording')}: "
            "done before, and nothing has changed"
        )
    faults = Counter(event.fault for event in report.finished if event.fault)
    if faults:
        why = ", ".join(f"{number} ({fault})" for fault, number in faults.most_common())
        lines.append(f"made again: {why}")
    return lines


def follow(done_s: Iterable[float], total_s: float, quiet: bool) -> None:
    """Exhaust a generator that yields the seconds it has behind it."""
    with tqdm(
        total=round(total_s, 1),
        disable=True if quiet else None,
        bar_format="{percentage:3.0f}%|{bar}| {n:.0f} of {total:.0f} s, {remaining} left",
        leave=False,
    ) as bar:
        for seconds in done_s:
            bar.update(seconds - bar.n)


_SHOWN_FIGURES = ("loss", "val_loss", "val_accuracy", "val_label_accuracy", "val_ferplus_accuracy")
"""Of an epoch; the others are in its history."""


class EpochBar:
    """A bar over the epochs of a training, with the latest figures and the time left.

    Where stderr is no terminal, as in the log of a night's run, each epoch is a line.
    """

    def __init__(self, epochs: int) -> None:
        self._tqdm = tqdm(total=epochs, unit="epoch", file=sys.stderr, disable=None)
        self._started_s = time.monotonic()
        self._n_here = 0

    def __enter__(self) -> "EpochBar":
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        if error:
            self._tqdm.leave = False  # the error says it all
        self._tqdm.close()

    def report(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Show an epoch, counted from 0; a resumed training starts where it was."""
        shown = {name: f"{figures[name]:.3f}" for name in _SHOWN_FIGURES if name in figures}
        self._n_here += 1
        if self._tqdm.disable:
            line = ", ".join(f"{name} {figure}" for name, figure in shown.items())
            left = self._left(self._tqdm.total - epoch - 1)
            print(f"epoch {epoch + 1} of {self._tqdm.total}: {line}; {left} left",
                  file=sys.stderr, flush=True)  # fmt: skip
            return
        if self._tqdm.n == 0 and epoch > 0:
            self._tqdm.initial = self._tqdm.n = epoch
        self._tqdm.set_postfix(shown, refresh=False)
        self._tqdm.update()

    def _left(self, epochs: int) -> str:
        seconds = (time.monotonic() - self._started_s) / self._n_here * epochs
        return str(tqdm.format_interval(seconds))


class TrialBar:
    """A bar over the trials of a search, and a line for each that is over."""

    def __init__(self, trials: int, epochs: int, timeout_s: float | None) -> None:
        self._epochs = epochs
        self._timeout_s = math.inf if timeout_s is None else timeout_s
        self._started_s = time.monotonic()
        self._n_done = 0
        self._tqdm = tqdm(
            total=trials,
            file=sys.stderr,
            disable=None,
            bar_format="{n_fmt} of {total_fmt} trials |{bar}|{postfix}",
            leave=False,
        )

    def __enter__(self) -> "TrialBar":
        return self

    def __exit__(self, *_: object) -> None:
        self._tqdm.close()

    def report(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Show an epoch of the running trial, counted from 0."""
        self._tqdm.set_postfix_str(f"epoch {epoch + 1} of {self._epochs}")

    def ended(self, trial: TrialEnded) -> None:
        """Show how a trial ended, the best so far and the time left, of this call."""
        self._n_done += 1
        best = trial.best and f"; best {trial.best.score:.3f}, of trial {trial.best.number}"
        so_far = f"{self._n_done} of {self._tqdm.total}, {tqdm.format_interval(self._left_s())}"
        line = f"trial {trial.number}: {_outcome(trial)}{best or ''}; {so_far} left"
        tqdm.write(line, file=sys.stderr)
        self._tqdm.update()

    def _left_s(self) -> float:
        """As many trials as are left, each as long as those so far, or up to the timeout."""
        passed_s = time.monotonic() - self._started_s
        of_trials_s: float = passed_s / self._n_done * (self._tqdm.total - self._n_done)
        return max(0.0, min(of_trials_s, self._timeout_s - passed_s))


def _outcome(trial: TrialEnded) -> str:
    if trial.outcome == "failed" or trial.score is None:
        return f"failed, {trial.reason}"
    epochs = f"{trial.score:.3f} after {_count(trial.epochs, 'epoch')}"
    return f"pruned at {epochs}" if trial.outcome == "pruned" else epochs


def describe(event: Finished) -> list[str]:
    """Say what was written and what was seen, for the end of a recording."""
    written = ", ".join(
        one_line(event.job.destination_of(path))
        for path, kind in event.job.outputs.items()
        if kind not in event.kept
    )
    lines = [f"wrote {written}", f"  {_seen(event.summary)}"]
    if event.summary.frames_corrupt:
        lines.append(f"  skipped {_count(event.summary.frames_corrupt, 'corrupt frame')}")
    if event.summary.ended_early_s is not None:
        lines.append(f"  partial: it ends {event.summary.ended_early_s:.1f} s early")
    return lines


def _seen(summary: Summary) -> str:
    span = f"{summary.analyzed_s:.1f} s, {_count(summary.frames_sampled, 'frame')}"
    if not summary.most_faces_at_once:
        return f"saw no face in {span}"
    people = "1 person" if summary.most_faces_at_once == 1 else (
        f"up to {summary.most_faces_at_once} people at once"
    )  # fmt: skip
    tracks = _count(summary.tracks, "track")
    return f"saw {people} ({tracks}) in {span}, {summary.frames_without_face} without a face"


def _clock(seconds: float) -> str:
    """Write a time as players show it.

    >>> _clock(5025.7)
    '1:23:45'
    """
    minutes, left_s = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{left_s:02}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


class _Bar:
    """A tqdm bar over all recordings; none when stderr is no terminal."""

    def __init__(self, jobs: list[Job], hidden: bool) -> None:
        self._sizes = {job.recording: max(1, job.size_bytes) for job in jobs}
        self._n_jobs = len(jobs)
        self._n_done = 0
        self._done_bytes = 0
        self._done_s = 0.0
        self._running: dict[Path, tuple[float, float]] = {}
        """Bytes and seconds behind each recording that is being worked on."""
        self._started_s = time.monotonic()
        self._tqdm = tqdm(
            total=sum(self._sizes.values()),
            disable=True if hidden else None,
            file=sys.stderr,
            bar_format="{desc} {percentage:3.0f}%|{bar}| {remaining} left{postfix}",
            leave=False,
        )

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *_: object) -> None:
        self._tqdm.close()

    def update(self, event: Event) -> None:
        if self._tqdm.disable:
            return
        recording = event.job.recording
        size = self._sizes[recording]
        if isinstance(event, Started):
            self._running[recording] = 0.0, 0.0
            self._tqdm.set_description_str(one_line(event.job.name)[-30:], refresh=False)
        if isinstance(event, Advanced) and event.total_s:
            share = min(1.0, event.done_s / event.total_s)
            analyzed_s = event.done_s if event.stage == "analyze" else event.total_s
            # analysis and annotation take about as long as each other
            part = (
                share if event.job.video is None else share / 2 + 0.5 * (event.stage == "annotate")
            )
            self._running[recording] = part * size, analyzed_s
        if isinstance(event, Finished | Failed | Skipped):
            self._running.pop(recording, None)
            self._n_done += 1
            self._done_bytes += size
            if isinstance(event, Finished):
                self._done_s += event.summary.analyzed_s
        self._show()

    def write(self, text: str, error: bool = False) -> None:
        tqdm.write(text, file=sys.stderr if error else sys.stdout)

    def _show(self) -> None:
        bytes_behind, seconds_behind = self._done_bytes + 0.0, self._done_s
        for part_bytes, part_s in self._running.values():
            bytes_behind += part_bytes
            seconds_behind += part_s
        rate = seconds_behind / max(1e-3, time.monotonic() - self._started_s)
        self._tqdm.set_postfix_str(
            f"{self._n_done} of {self._n_jobs} done, {rate:.1f} s of recording per s", refresh=False
        )
        self._tqdm.update(bytes_behind - self._tqdm.n)
