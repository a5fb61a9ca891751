"""What every machine of a cluster must have and see to work on the recordings of a run."""

import contextlib
import functools
import os
import secrets
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from fer_video import __version__, stores, weights
from fer_video.errors import ClusterError, FerVideoError, OutputError, reason_of
from fer_video.events import Job
from fer_video.files import temporary_name
from fer_video.provenance import REVISION
from fer_video.weights import ModelSpec

_SHARED = "must lie in a folder that all machines of the cluster share under one path, or at an "
_SHARED += "address such as s3://bucket/prefix"

_SEEN_OF_FOLDER = 3
"""Recordings of each folder that a machine is asked for."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What a run needs on each machine; small, since it travels with every recording."""

    version: str
    revision: int
    """Of the rows that this version gives."""
    folder: Path
    """Which the command was given in, and from which relative paths start."""
    model: str
    """As the options name it."""
    model_sha256: tuple[str, str]
    """Of the weights, and of the file for LiteRT."""
    recordings: tuple[tuple[tuple[Path, int], ...], ...]
    """Some of each folder, each with its size in bytes; one that a machine sees shows it the
    folder, so that the others may go away while the run goes on."""
    addresses: tuple[str, ...]
    """One recording of each bucket or host."""
    results: str
    """Address of the folder of results; empty where it is a path."""
    mark: Path | None
    """A file in the folder of results that the command wrote; None where that is an address."""
    mark_text: str


@contextlib.contextmanager
def needs_of(jobs: Sequence[Job], model: ModelSpec) -> Iterator[Needs]:
    """Say what jobs of one run need; the mark in their folder of results is there meanwhile.

    Raises:
        OutputError: The folder of results cannot be made or written.
    """
    first = jobs[0]
    results = first.remote.results if first.remote else ""
    text = secrets.token_hex(16)
    mark = None if results else _results_folder(first) / temporary_name(Path("seen-by-all.txt"))
    # one that is empty, or gone by now, shows nothing
    local: dict[Path, list[tuple[Path, int]]] = {}
    for job in jobs:
        if isinstance(job.source, Path) and job.size_bytes:
            local.setdefault(job.recording.parent, []).append((job.recording, job.size_bytes))
    stored = {_bucket(job.source): job.source for job in jobs if isinstance(job.source, str)}
    needs = Needs(
        version=__version__,
        revision=REVISION,
        folder=Path.cwd(),
        model=first.options.classify.model,
        model_sha256=(model.sha256, model.lite_sha256),
        recordings=tuple(tuple(some[:_SEEN_OF_FOLDER]) for some in local.values()),
        addresses=tuple(stored.values()),
        results=results,
        mark=mark,
        mark_text=text,
    )
    try:
        if mark is not None:
            _write(mark, text)
        yield needs
    finally:
        if mark is not None:
            with contextlib.suppress(OSError):
                mark.unlink(missing_ok=True)


def _results_folder(job: Job) -> Path:
    return job.scratch.parent if job.scratch else job.timeline.parent


def _bucket(address: str) -> str:
    return "/".join(address.split("/")[:3])


def _write(mark: Path, text: str) -> None:
    try:
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(text)
    except OSError as error:
        raise OutputError(mark.parent, reason_of(error)) from error


def lack_of(needs: Needs) -> str:
    """Say what this machine lacks, and the remedy; empty if it has all. Asked once per process.

    From here on this process works in the folder that the command was given in, if there is one.
    """
    if needs.folder.is_dir():
        os.chdir(needs.folder)
    return _lack_of(needs)


@functools.cache
def _lack_of(needs: Needs) -> str:
    checks = (_lacks_version, _lacks_model, _lacks_recording, _lacks_results, _lacks_store)
    return next((lack for check in checks if (lack := check(needs))), "")


def _lacks_version(needs: Needs) -> str:
    if (__version__, REVISION) == (needs.version, needs.revision):
        return ""
    return f"it has fer-video {__version__}, and this is {needs.version}: install the same on all"


def _lacks_model(needs: Needs) -> str:
    try:
        found = weights.find(needs.model)
    except FerVideoError as error:
        return str(error)
    if (found.sha256, found.lite_sha256) == needs.model_sha256:
        return ""
    return f"its model {needs.model!r} is another one: copy the folder of the model to all machines"


def _lacks_recording(needs: Needs) -> str:
    for some in needs.recordings:
        if all(_size_bytes(path) != size_bytes for path, size_bytes in some):
            return f"it does not see {some[0][0]} as this machine does: recordings {_SHARED}"
    return ""


def _size_bytes(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _lacks_results(needs: Needs) -> str:
    if needs.mark is None:
        return ""
    folder = needs.mark.parent
    try:
        if needs.mark.read_text() != needs.mark_text:
            return f"it sees another folder as {folder}: results {_SHARED}"
    except OSError:
        return f"it does not see what is written to {folder}: results {_SHARED}"
    try:
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as error:
        return f"it cannot write to {folder}: {reason_of(error)}"


def _lacks_store(needs: Needs) -> str:
    try:
        for address in needs.addresses:
            stores.files_at(address)
        if needs.results:
            stores.check_writable(needs.results)
    except FerVideoError as error:
        return f"{error}; each machine needs the package and credentials of its own"
    return ""


def lack_told_by(error: BaseException) -> str:
    """Say what a machine lacks on which not even the question could be asked."""
    last = str(error).strip().splitlines()[-1]
    return f"it cannot run fer-video {__version__} ({last}): install the same on all"


def unfit(machine: str, lack: str) -> ClusterError:
    """Say which machine lacks what."""
    return ClusterError(f"{machine} cannot take part: {lack}")
