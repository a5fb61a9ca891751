"""Events to what a person sees: a progress bar on stderr, closing lines on stdout."""

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tqdm import tqdm

from fer_video.events import Advanced, Event, Failed, Finished, Job, Started, Summary
from fer_video.weights import ModelSpec

if TYPE_CHECKING:  # it brings Keras, which most commands do without
    from fer_video.nets import NetSummary


@dataclass(slots=True)
class Report:
    """How a run ended."""

    finished: list[Finished] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)


def show(events: Iterable[Event], jobs: list[Job], quiet: bool) -> Report:
    """Follow a run to its end.

    Progress counts in bytes of recordings, which are known before any is opened; the rate is
    in seconds of recording per second.
    """
    report = Report()
    with _Bar(jobs, hidden=quiet) as bar:
        for event in events:
            bar.update(event)
            if isinstance(event, Finished):
                report.finished.append(event)
                if not quiet:
                    bar.write("\n".join(describe(event)))
            if isinstance(event, Failed):
                report.failed.append(event)
                if len(jobs) > 1:
                    bar.write(f"failed: {event.error}", error=True)
    return report


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


_MEASURES = {
    "n": ("images", "{:,}"),
    "accuracy": ("accuracy", "{:.3f}"),
    "accuracy_interval": ("  95 % interval", "{0[0]:.3f} to {0[1]:.3f}"),
    "accuracy_of_all": ("  no face counted as wrong", "{:.3f}"),
    "macro_f1": ("macro-F1", "{:.3f}"),
    "macro_auc": ("macro AUC, one-vs-rest", "{:.3f}"),
    "top2_accuracy": ("top-2 accuracy", "{:.3f}"),
    "negative_log_likelihood": ("negative log-likelihood", "{:.3f}"),
    "brier_score": ("Brier score, of 0 to 2", "{:.3f}"),
    "calibration_error": ("calibration error", "{:.3f}"),
    "calibration_error_untempered": ("  before the temperature", "{:.3f}"),
    "divergence_from_votes": ("KL from the votes, nats", "{:.3f}"),
}
"""Title and format of each measure of ``learn.measures`` that is shown, in order."""

_MEASURES_BY_EMOTION = ("sensitivity", "specificity", "precision", "f1", "auc")


def metrics_table(metrics: Mapping[str, Any]) -> str:
    """Write the measures of ``learn.evaluate``, a column per test, as aligned text."""
    tests = {name: found for name, found in metrics.items() if isinstance(found, Mapping)}
    measured = [
        (title, form, [found.get(measure) for found in tests.values()])
        for measure, (title, form) in _MEASURES.items()
    ]
    rows = [
        [title, *("" if value is None else form.format(value) for value in values)]
        for title, form, values in measured
        if any(value is not None for value in values)
    ]
    return aligned([["", *tests], *rows])


def emotions_table(per_emotion: Mapping[str, Mapping[str, Any]]) -> str:
    """Write the measures of one test by emotion as aligned text; - where there is none."""
    rows = [
        [emotion, f"{found['n']:,}"]
        + ["-" if found[key] is None else f"{found[key]:.3f}" for key in _MEASURES_BY_EMOTION]
        for emotion, found in per_emotion.items()
    ]
    return aligned([["", "images", "sensitivity", "specificity", "precision", "F1", "AUC"], *rows])


def report_text(report: Mapping[str, Any]) -> str:
    """Write the report of ``learn.evaluate`` on one model as aligned text."""
    tests, main = report["tests"], report["main_test"]
    parts = [
        f"{report['model']}: {report['net']}, {report['parameters']:,} parameters, "
        f"{report['multiply_adds'] / 1e6:.1f} M multiply-adds and "
        f"{report['seconds_per_crop'] * 1000:.2f} ms per crop",
        metrics_table(tests),
        f"{main} by emotion (sensitivity is recall):\n{emotions_table(tests[main]['per_emotion'])}",
    ]
    if "mirrored" in report:
        mirrored = metrics_table(report["mirrored"])
        parts.append(f"averaged over each crop and its mirror image:\n{mirrored}")
    if "without_face" in report:
        n = report["without_face"] + tests["label"]["n"]
        parts.append(f"no face was found in {report['without_face']:,} of {n:,} photographs")
    return "\n\n".join(parts)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Write rows of cells in columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        ).rstrip()
        for row in rows
    )


def models_table(specs: Iterable[ModelSpec]) -> str:
    """Describe models, each with its test results."""
    return (
        "\n\n".join(
            f"{spec.name}: {spec.net}, {spec.parameters:,} parameters, "
            f"{spec.multiply_adds / 1e6:.1f} M multiply-adds per crop\n"
            f"SHA-256 {spec.sha256}\n{metrics_table(spec.metrics)}"
            for spec in specs
        )
        or "no models: set FER_VIDEO_MODELS to a folder of them, or install fer-video anew"
    )


def nets_table(nets: "Iterable[NetSummary]") -> str:
    """Describe architectures as aligned text."""
    return "\n".join(
        [
            f"{'net':<18}{'parameters':>12}{'multiply-adds':>15}",
            *(
                f"{net.name:<18}{net.parameters:>12,}{net.multiply_adds / 1e6:>13.1f} M"
                f"  {net.purpose}"
                for net in nets
            ),
        ]
    )


def describe(event: Finished) -> list[str]:
    """Say what was written and what was seen, for the end of a recording."""
    written = ", ".join(str(path) for path in event.job.outputs)
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


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


class _Bar:
    """A tqdm bar over all recordings; none when stderr is no terminal."""

    def __init__(self, jobs: list[Job], hidden: bool) -> None:
        self._sizes = {job.recording: _size(job) for job in jobs}
        self._n_jobs = len(jobs)
        self._n_done = 0
        self._bytes_before = 0
        self._seconds_before = 0.0
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
        size = self._sizes[event.job.recording]
        if isinstance(event, Started):
            self._tqdm.set_description_str(event.job.name[-30:], refresh=False)
            self._show(self._bytes_before, self._seconds_before)
        if isinstance(event, Advanced) and event.total_s:
            share = min(1.0, event.done_s / event.total_s)
            analyzed_s = event.done_s if event.stage == "analyze" else event.total_s
            # analysis and annotation take about as long as each other
            part = (
                share if event.job.video is None else share / 2 + 0.5 * (event.stage == "annotate")
            )
            self._show(self._bytes_before + part * size, self._seconds_before + analyzed_s)
        if isinstance(event, Finished | Failed):
            self._n_done += 1
            self._bytes_before += size
            if isinstance(event, Finished):
                self._seconds_before += event.summary.analyzed_s
            self._show(self._bytes_before, self._seconds_before)

    def write(self, text: str, error: bool = False) -> None:
        tqdm.write(text, file=sys.stderr if error else sys.stdout)

    def _show(self, done_bytes: float, analyzed_s: float) -> None:
        rate = analyzed_s / max(1e-3, time.monotonic() - self._started_s)
        self._tqdm.set_postfix_str(
            f"{self._n_done} of {self._n_jobs} done, {rate:.1f} s of recording per s", refresh=False
        )
        self._tqdm.update(done_bytes - self._tqdm.n)


def _size(job: Job) -> int:
    try:
        return max(1, job.recording.stat().st_size)
    except OSError:
        return 1
