"""The manifest of a folder run, kept from the events of its recordings."""

import hashlib
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import get_args

from fer_video import __version__, manifest, stores
from fer_video.addresses import Place
from fer_video.errors import (
    DataError,
    FerVideoError,
    OptionError,
    OutputError,
    Partial,
    one_line,
)
from fer_video.events import Event, Failed, Finished, Job, Made, Skipped, Started, Summary
from fer_video.files import remove_leftovers
from fer_video.jobs import TIMELINES, WRITTEN_IN, result_name
from fer_video.manifest import MANIFEST_FILE, Attempt, Run
from fer_video.options import TableFormat
from fer_video.resume import options_digest
from fer_video.status import status_of
from fer_video.weights import ModelSpec

_PAUSES = 9
"""Between two copies to a store, as a multiple of the time that one takes."""


class Ledger:
    """Where the manifest of a run is kept: a file, and its copy on a store if there are results."""

    def __init__(self, path: Path, address: str = "") -> None:
        self.path = path
        self.address = address
        self._is_sent = True
        self._send_at_s = 0.0

    def add(self, entry: Run | Attempt) -> None:
        """Add a line to the manifest.

        A store is given the whole of it. If it refuses, the next line tries again; and so as not
        to spend the run on that, most of the time passes between two copies.

        Raises:
            OutputError: It cannot be written, or was removed meanwhile; or the line that begins
                a run cannot be put to its address.
        """
        if isinstance(entry, Attempt) and not self.path.exists():
            reason = "it was removed while the run went on; the same command makes all anew"
            raise OutputError(self.path, reason)
        manifest.append(self.path, entry)
        self._is_sent = not self.address
        if isinstance(entry, Run):
            self.send()
        elif time.monotonic() >= self._send_at_s:
            with suppress(OutputError):
                self.send()

    def send(self) -> None:
        """Put it to its address, unless what is there is the same.

        Raises:
            OutputError: The store refuses or cannot be reached.
        """
        if self._is_sent:
            return
        began_s = time.monotonic()
        try:
            stores.put(self.path, self.address)
        finally:
            now_s = time.monotonic()
            self._send_at_s = now_s + _PAUSES * (now_s - began_s)
        self._is_sent = True

    def entries(self) -> Iterator[Run | Attempt | None]:
        """Read the manifest; see ``manifest.read``.

        Raises:
            DataError: There is none, or it cannot be read.
        """
        try:
            yield from manifest.read(self.path)
        except DataError as error:
            raise DataError(self.address or self.path, error.reason) from error


@contextmanager
def open_ledger(results: Place) -> Iterator[Ledger]:
    """Open the manifest in a folder of results, or a copy of the one at their address.

    A store has no file that is only ever added to: the manifest there is replaced as a whole, and
    of two runs that go on at once the later one to write has its way.

    Raises:
        OutputError: The store cannot be reached, also at the end.
    """
    if isinstance(results, Path):
        yield Ledger(results / MANIFEST_FILE)
        return
    with TemporaryDirectory(prefix="fer-video-") as folder:
        ledger = Ledger(Path(folder) / MANIFEST_FILE, f"{results}/{MANIFEST_FILE}")
        stores.fetch_if_there(ledger.address, ledger.path)
        try:
            yield ledger
        except BaseException:
            with suppress(OutputError):  # it would hide what ended the run
                ledger.send()
            raise
        ledger.send()


def begin(ledger: Ledger, jobs: list[Job], inputs: str, model: ModelSpec) -> list[Job]:
    """Note what a run sets out to do, and clear away what killed ones left half-written.

    Args:
        ledger: Of the results.
        jobs: All with the same options.
        inputs: What the user named; only its digest is noted.
        model: That the options name.

    Returns:
        The jobs, each with how it ended before.

    Raises:
        OptionError: A recording has the name of another one in an earlier run of other inputs.
        OutputError: The manifest cannot be written.
        DataError: It cannot be read.
    """
    remove_leftovers(ledger.path.parent, WRITTEN_IN)
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
    if not run.force:
        _refuse_same_names(ledger, run)
    earlier = manifest.attempts(ledger.path)
    ledger.add(run)
    return [replace(job, earlier=earlier.get(job.name)) for job in jobs]


def left_behind(ledger: Ledger) -> list[str]:
    """Name recordings that are no longer among the inputs, and whose timelines still lie there.

    At an address, those that someone removed there are named, too.
    """
    gone = status_of(ledger.entries()).gone
    if ledger.address:
        return gone
    timelines = ledger.path.parent / TIMELINES
    suffixes = get_args(TableFormat)
    return [
        name
        for name in gone
        if any((timelines / f"{result_name(name)}.{suffix}").exists() for suffix in suffixes)
    ]


def _refuse_same_names(ledger: Ledger, run: Run) -> None:
    """Let no recording take the place of another one that only happens to be called alike."""
    entries = manifest.read(ledger.path) if ledger.path.exists() else ()
    latest = {one.inputs: one for one in entries if isinstance(one, Run)}
    for other in latest.values():
        for name, size_bytes in run.recordings.items():
            if other.inputs != run.inputs and other.recordings.get(name, size_bytes) != size_bytes:
                raise OptionError(
                    f"{one_line(name)} in these results is of other inputs, and has another size: "
                    "name an --out each, or replace it with --force"
                )


def noted(events: Iterable[Event], ledger: Ledger) -> Iterator[Event]:
    """Pass events on; how a recording ended is in the manifest before its event comes out.

    On this machine: a store has it a little later, see ``Ledger.add``.

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
            ledger.add(_failed(event, work_s))
        if isinstance(event, Finished) and event.made:
            ledger.add(_done(event.job, event.summary, event.made, work_s))
        if isinstance(event, Skipped):
            _note_skipped(ledger, event)
        yield event


def _note_skipped(ledger: Ledger, event: Skipped) -> None:
    """Add a line only if none tells of the results: the run that made them was killed first."""
    earlier = event.job.earlier
    attempt = _done(event.job, event.summary, event.made, work_s=0.0)
    if earlier is None or earlier != replace(
        attempt, work_s=earlier.work_s, fer_video=earlier.fer_video, when=earlier.when
    ):
        ledger.add(attempt)


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
        source_version=job.remote.version if job.remote else "",
        model=made.model,
        model_sha256=made.model_sha256,
        options_sha256=options_digest(job.options),
        outputs={**before, **made.outputs},
        fer_video=__version__,
        when=manifest.now(),
    )


def _failed(event: Failed, work_s: float) -> Attempt:
    """Say what failed; what an earlier attempt knew of recording and results stays known."""
    job, earlier = event.job, event.job.earlier
    known = earlier if earlier and earlier.source_bytes == job.size_bytes else None
    return Attempt(
        recording=job.name,
        verdict="failed",
        reason=_said(event.error, job),
        exit_code=event.error.exit_code,
        work_s=round(work_s, 3),
        source_bytes=job.size_bytes,
        source_sha256=known.source_sha256 if known else "",
        source_version=known.source_version if known else "",
        model=job.options.classify.model,
        options_sha256=options_digest(job.options),
        outputs=earlier.outputs if earlier else {},
        fer_video=__version__,
        when=manifest.now(),
    )


def _said(error: FerVideoError, job: Job) -> str:
    """Give the reason of an error in one line; where files lie is nobody's business."""
    about = getattr(error, "path", job.source)
    text = error.cause if about in (job.recording, job.source) else str(error)
    for place in (job.recording, job.source, about):
        text = text.replace(one_line(place), one_line(Path(place).name))
    return text
