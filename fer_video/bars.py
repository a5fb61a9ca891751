"""Progress on stderr: bars in a terminal, now and then a line in a log."""

import math
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Column

from fer_video.errors import one_line
from fer_video.events import Event, PhotographDone, TrialEnded
from fer_video.pace import Pace, Running
from fer_video.wording import counted, span

_NAME_LENGTH = 30
_LINE_S = 60.0
"""Between two lines of a log."""
_SHOWN_FIGURES = ("loss", "val_loss", "val_accuracy", "val_label_accuracy", "val_ferplus_accuracy")
"""Of an epoch; the others are in its history."""


class _Bars:
    """Bars at the bottom of a terminal; lines appear above them. Nothing where there is none."""

    def __init__(self, hidden: bool = False) -> None:
        console = Console(stderr=True)
        self.visible = console.is_terminal and not console.is_dumb_terminal and not hidden
        self._progress = Progress(
            TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True)),
            BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=8)),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[note]}", markup=False, table_column=Column(no_wrap=True)),
            console=console,
            transient=True,
            expand=True,
            refresh_per_second=4,
            redirect_stdout=False,  # it may be a file, when stderr is a terminal
            redirect_stderr=False,
            disable=not self.visible,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def add(self, text: str) -> TaskID:
        return self._progress.add_task(text, total=1.0, note="")

    def set(self, bar: TaskID, text: str, share: float, note: str) -> None:
        self._progress.update(bar, description=text, completed=share, note=note)

    def remove(self, bar: TaskID) -> None:
        self._progress.remove_task(bar)

    def write(self, text: str, *, error: bool = False) -> None:
        """Print a line that stays, above the bars."""
        if self.visible and (error or sys.stdout.isatty()):
            self._progress.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, file=sys.stderr if error else sys.stdout, flush=True)


class RunProgress(Protocol):
    """Shows how far a run over recordings is."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: object) -> None: ...
    def update(self, event: Event) -> None:
        """Show what an event changes."""
        ...

    def write(self, text: str, *, error: bool = False) -> None:
        """Print a line that stays."""
        ...


def run_progress(pace: Pace, hidden: bool) -> RunProgress:
    """Choose how to show progress: bars in a terminal, lines in a log, nothing if hidden."""
    bars = RunBars(pace, hidden)
    if bars.visible or hidden:
        return bars
    return RunLines(pace)


class RunBars(_Bars):
    """A bar for all recordings, and one for each that is being worked on if there are several."""

    def __init__(self, pace: Pace, hidden: bool = False) -> None:
        super().__init__(hidden)
        self._pace = pace
        self._total = self.add(_so_far(pace))
        self._of_running: dict[Path, TaskID] = {}

    def update(self, event: Event) -> None:
        """Show what an event changes."""
        self._pace.update(event)
        if not self.visible:
            return
        rate = f"{self._pace.recording_s_per_s:.1f} x real time"
        note = ", ".join(filter(None, [rate, _left(self._pace)]))
        self.set(self._total, _so_far(self._pace), self._pace.share, note)
        if self._pace.n_jobs > 1:
            self._show_running()

    def _show_running(self) -> None:
        running = {one.job.recording: one for one in self._pace.running}
        for path in self._of_running.keys() - running.keys():
            self.remove(self._of_running.pop(path))
        for path, one in running.items():
            name = _short(one.job.name)
            if path not in self._of_running:
                self._of_running[path] = self.add(name)
            self.set(self._of_running[path], name, one.share or 0.0, _note(one, self._pace))


class RunLines:
    """A line about all that is running, once a minute: what a night's log is read for."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._next_s = time.monotonic() + _LINE_S

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, event: Event) -> None:
        """Print a line if a minute has passed since the last one."""
        self._pace.update(event)
        if time.monotonic() < self._next_s:
            return
        self._next_s = time.monotonic() + _LINE_S
        running = [f"{one_line(one.job.name)} {_percent(one)}" for one in self._pace.running]
        line = "; ".join(filter(None, [_so_far(self._pace), *running, _left(self._pace)]))
        self.write(line, error=True)

    def write(self, text: str, *, error: bool = False) -> None:
        """Print a line."""
        print(text, file=sys.stderr if error else sys.stdout, flush=True)


def _so_far(pace: Pace) -> str:
    failed = f", {pace.n_failed} failed" if pace.n_failed else ""
    return f"{pace.n_done} of {pace.n_jobs} done{failed}"


def _left(pace: Pace) -> str:
    return "" if pace.left_s is None else f"{span(pace.left_s)} left"


def _note(running: Running, pace: Pace) -> str:
    left_s = pace.left_of(running)
    left = "" if left_s is None else f"{span(left_s)} left"
    return left if running.stage == "analyze" else f"{running.stage} {left}".rstrip()


def _percent(running: Running) -> str:
    return "begun" if running.share is None else f"{100 * running.share:.0f} %"


def _short(name: str) -> str:
    """Keep the end of a name, where recordings differ."""
    line = one_line(name)
    return line if len(line) <= _NAME_LENGTH else f"…{line[1 - _NAME_LENGTH :]}"


def follow(done_s: Iterable[float], total_s: float, hidden: bool) -> None:
    """Exhaust a generator that yields the seconds it has behind it."""
    began_s = time.monotonic()
    with _Bars(hidden) as bars:
        bar = bars.add("")
        for seconds in done_s:
            share = min(1.0, seconds / total_s) if total_s else 0.0
            left = span((time.monotonic() - began_s) * (1 / share - 1)) if share else "?"
            bars.set(bar, f"{seconds:.0f} of {total_s:.0f} s", share, f"{left} left")


class PhotographBar(_Bars):
    """A bar over photographs, and a line for each of which no face was cut out."""

    def __init__(self) -> None:
        super().__init__()
        self._bar = self.add("")
        self._began_s = time.monotonic()

    def update(self, done: PhotographDone) -> None:
        """Show a photograph."""
        if done.problem:
            self.write(done.problem, error=True)
        share = done.number / done.n_photographs
        left = span((time.monotonic() - self._began_s) * (1 / share - 1))
        so_far = f"{done.number:,} of {counted(done.n_photographs, 'photograph')}"
        self.set(self._bar, so_far, share, f"{left} left")


class EpochBar(_Bars):
    """A line for each epoch of a training, and a bar with the time left."""

    def __init__(self, epochs: int) -> None:
        super().__init__()
        self._epochs = epochs
        self._bar = self.add("")
        self._began_s = time.monotonic()
        self._n_here = 0

    def remark(self, text: str) -> None:
        """Show what must be known of the data."""
        self.write(text, error=True)

    def report(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Show an epoch, counted from 0; a resumed training starts where it was."""
        self._n_here += 1
        shown = [f"{name} {figures[name]:.3f}" for name in _SHOWN_FIGURES if name in figures]
        so_far = f"epoch {epoch + 1} of {self._epochs}"
        per_epoch_s = (time.monotonic() - self._began_s) / self._n_here
        left = f"{span(per_epoch_s * (self._epochs - epoch - 1))} left"
        self.write(f"{so_far}: {', '.join(shown)}; {left}", error=True)
        self.set(self._bar, so_far, (epoch + 1) / self._epochs, left)


class TrialBar(_Bars):
    """A bar over the trials of a search, and a line for each that is over."""

    def __init__(self, trials: int, epochs: int, timeout_s: float | None) -> None:
        super().__init__()
        self._trials = trials
        self._epochs = epochs
        self._timeout_s = math.inf if timeout_s is None else timeout_s
        self._began_s = time.monotonic()
        self._n_done = 0
        self._bar = self.add("")
        self._show("")

    def report(self, epoch: int, figures: Mapping[str, float]) -> None:
        """Show an epoch of the running trial, counted from 0."""
        self._show(f"epoch {epoch + 1} of {self._epochs}")

    def ended(self, trial: TrialEnded) -> None:
        """Show how a trial ended, the best so far and the time left, of this call."""
        self._n_done += 1
        best = trial.best and f"; best {trial.best.score:.3f}, of trial {trial.best.number}"
        so_far = f"{self._n_done} of {self._trials}, {span(self._left_s())} left"
        line = f"trial {trial.number}: {_outcome(trial)}{best or ''}; {so_far}"
        self.write(line, error=True)
        self._show("")

    def _show(self, note: str) -> None:
        so_far = f"{self._n_done} of {counted(self._trials, 'trial')}"
        self.set(self._bar, so_far, self._n_done / self._trials, note)

    def _left_s(self) -> float:
        """As many trials as are left, each as long as those so far, or up to the timeout."""
        passed_s = time.monotonic() - self._began_s
        of_trials_s = passed_s / self._n_done * (self._trials - self._n_done)
        return max(0.0, min(of_trials_s, self._timeout_s - passed_s))


def _outcome(trial: TrialEnded) -> str:
    if trial.outcome == "failed" or trial.score is None:
        return f"failed, {trial.reason}"
    epochs = f"{trial.score:.3f} after {counted(trial.epochs, 'epoch')}"
    return f"pruned at {epochs}" if trial.outcome == "pruned" else epochs
