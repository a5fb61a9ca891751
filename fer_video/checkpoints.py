"""Checkpoints: what an analysis of hours needs to go on where it was stopped, on disk.

The rows so far lie in numbered parts, since a Parquet file cannot be read before its end. A small
file names the parts, and says how the stages stood after the last row. It is written last, whole
and by renaming, and holds checksums of all: what does not add up is cleared away, never believed.
"""

import hashlib
import json
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from fer_video import __version__
from fer_video.errors import OutputError
from fer_video.events import Job
from fer_video.files import sha256_of, unfinished_folder, whole_file
from fer_video.provenance import REVISION, Tally
from fer_video.resume import options_digest
from fer_video.storage import Row, read_part, write_part
from fer_video.types import Box, Face, Position, Sampling, Snapshot, Track, Tracking
from fer_video.weights import ModelSpec

_FILE = "checkpoint.json"
_SNAPSHOT_EVERY_S = 10.0
"""Seconds of recording: what an interruption costs."""
_MOST_ROWS = 16384
"""Held until the next checkpoint, 30 MB: a crowd fills them before its time has come."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some of the rows, in a file of their own."""

    name: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """How far an analysis has come."""

    snapshot: Snapshot
    tally: Tally
    parts: tuple[Part, ...]
    """With all rows up to the snapshot."""

    @property
    def at_s(self) -> float:
        """Seconds from the first frame of the recording."""
        return _time_s(self.snapshot)


def folder_of(job: Job) -> Path:
    """Where the checkpoint of a job lies: hidden, beside the timeline if there is no scratch.

    That of results which go to a store lies in the spool, and outlives the copies there.
    """
    if job.remote is not None and job.remote.results:
        copies = job.remote.copies
        return unfinished_folder(copies.parent, f"{copies.name}\n{job.timeline.name}")
    parent = job.scratch or job.timeline.parent
    return unfinished_folder(parent, f"{job.name}\n{job.timeline.name}")


def clear(job: Job) -> None:
    """Remove the checkpoint of a job, if there is one."""
    shutil.rmtree(folder_of(job), ignore_errors=True)


def clear_if_empty(job: Job) -> None:
    """Remove the folder of a job's checkpoint if it holds none."""
    with suppress(OSError):
        folder_of(job).rmdir()


def work_of(job: Job, model: ModelSpec, ran: dict[str, Any]) -> str:
    """Digest of what decides the rows; empty if the recording cannot be known again.

    The recording counts by its size and its time of change: its SHA-256 would take as long as
    reading it, and the picture where an analysis goes on is compared in any case.

    Args:
        job: What is to be done.
        model: That its options name.
        ran: What the model runs on: ``device`` and ``runtime``.
    """
    source = _version_of(job)
    model_sums = [model.sha256, model.lite_sha256]
    tools = [__version__, REVISION, av.__version__, cv2.__version__, ran]
    batch_size = job.options.classify.batch_size
    work = [job.name, job.timeline.suffix, source, model_sums, tools, batch_size]
    return _digest([*work, options_digest(job.options)]) if source else ""


def _version_of(job: Job) -> list[int | str]:
    if job.remote is not None and job.remote.recording:
        known = job.remote.version
        return [job.remote.recording, job.remote.size_bytes, known] if known else []
    try:
        status = job.recording.stat()
    except OSError:  # the work itself says it better
        return []
    return [status.st_size, status.st_mtime_ns]


class Checkpoints:
    """Keeps the checkpoint of one job while its rows are made."""

    def __init__(self, job: Job, work: str, emotions: Sequence[str]) -> None:
        """Begin, without looking at what is there.

        Args:
            job: The job; with ``checkpoint_every_s`` 0 nothing is ever kept of it.
            work: From ``work_of``.
            emotions: Labels of the model, in its order.
        """
        self._every_s = job.output.checkpoint_every_s if work else 0.0
        self._folder = folder_of(job)
        self._job, self._work, self._emotions = job, work, tuple(emotions)
        self._saved_s = job.options.sample.start_s
        self._parts: tuple[Part, ...] = ()
        self._rows: list[Row] = []
        """Not yet in a part."""
        self._latest: tuple[Snapshot, Tally, int] | None = None
        """The latest snapshot, and how many of those rows belong to it."""

    @property
    def snapshot_every_s(self) -> float:
        """Least seconds of recording between two snapshots."""
        return min(self._every_s, _SNAPSHOT_EVERY_S) or float("inf")

    @property
    def scratch(self) -> Path | None:
        """Folder for the unfinished timeline; the next run clears away what a killed one left."""
        return self._job.scratch or (self._folder if self._every_s else None)

    def load(self) -> Checkpoint | None:
        """Return the checkpoint if there is one that fits; else clear away what is there."""
        if self._every_s and not self._job.output.force:
            with suppress(OSError, ValueError, LookupError, TypeError):
                return self._go_on(self._read())
        clear(self._job)
        return None

    def _go_on(self, checkpoint: Checkpoint) -> Checkpoint:
        self._parts = checkpoint.parts
        self._saved_s = checkpoint.at_s
        self._remove_all_but_parts()
        return checkpoint

    def rows(self, checkpoint: Checkpoint) -> Iterator[list[Row]]:
        """Give the rows of each moment."""
        for part in checkpoint.parts:
            rows = read_part(self._folder / part.name)
            yield from (list(moment) for _, moment in groupby(rows, lambda row: row["frame"]))

    def add(self, rows: list[Row], snapshot: Snapshot | None, tally: Tally) -> None:
        """Take note of the rows of a moment; with its snapshot, it may be time for a checkpoint."""
        if not self._every_s:
            return
        self._rows += rows
        if snapshot is not None:
            self._latest = snapshot, replace(tally), len(self._rows)
            is_time = _time_s(snapshot) >= self._saved_s + self._every_s
            if is_time or len(self._rows) >= _MOST_ROWS:
                self.save()

    def save(self) -> None:
        """Make the latest snapshot a checkpoint.

        If it cannot be written, as on a full disk, the one before stays, no other is tried, and
        the analysis goes on: if there is no room for its result either, that will say so.
        """
        if self._latest is None:
            return
        snapshot, tally, n_rows = self._latest
        try:
            parts = (*self._parts, self._written(self._rows[:n_rows]))
            self._write(Checkpoint(snapshot, tally, parts))
        except OutputError:
            self._every_s, self._rows = 0.0, []
        else:
            self._parts, self._saved_s = parts, _time_s(snapshot)
            del self._rows[:n_rows]
        self._latest = None

    def _written(self, rows: list[Row]) -> Part:
        # by chance, too: another process that does the same job shall not replace it
        path = self._folder / f"{len(self._parts):06}-{secrets.token_hex(4)}.rows"
        with whole_file(path) as temporary:
            write_part(temporary, rows, self._emotions)
            sha256 = sha256_of(temporary)
        return Part(path.name, sha256)

    def _write(self, checkpoint: Checkpoint) -> None:
        content = {"work": self._work, "recording": self._job.name, **asdict(checkpoint)}
        text = json.dumps(content, default=np.ndarray.tolist)
        with whole_file(self._folder / _FILE) as temporary:
            temporary.write_text(json.dumps({"sha256": _sha256(text), "checkpoint": text}))

    def _read(self) -> Checkpoint:
        """Read what is on disk; anything but the right one is an error."""
        written = json.loads((self._folder / _FILE).read_text(encoding="utf-8"))
        content = json.loads(written["checkpoint"])
        if written["sha256"] != _sha256(written["checkpoint"]) or content["work"] != self._work:
            raise ValueError("it is damaged, or of other work")
        parts = tuple(Part(**part) for part in content["parts"])
        for part in parts:
            if sha256_of(self._folder / part.name) != part.sha256:
                raise ValueError("a part is damaged")
        return Checkpoint(_snapshot(content["snapshot"]), Tally(**content["tally"]), parts)

    def _remove_all_but_parts(self) -> None:
        known = {_FILE, *(part.name for part in self._parts)}
        for path in self._folder.iterdir():
            if path.name not in known:
                path.unlink(missing_ok=True)


def _time_s(snapshot: Snapshot) -> float:
    if snapshot.tracking is None:
        raise ValueError("a snapshot is whole after tracking")
    return snapshot.tracking.key_time_s


def _snapshot(content: dict[str, Any]) -> Snapshot:
    tracking = content["tracking"]
    return Snapshot(
        Position(**content["position"]),
        Sampling(**content["sampling"]),
        Tracking(
            key_time_s=tracking["key_time_s"],
            faces=tuple(_face(**face) for face in tracking["faces"]),
            alive=tuple(_track(**track) for track in tracking["alive"]),
            next_id=tracking["next_id"],
        ),
    )


def _face(box: list[float], landmarks: list[list[float]], **rest: Any) -> Face:
    return Face(Box(*box), landmarks=np.array(landmarks, np.float32), **rest)


def _track(box: list[float], velocity: tuple[float, float], **rest: Any) -> Track:
    return Track(box=Box(*box), velocity=(velocity[0], velocity[1]), **rest)


def _digest(content: Any) -> str:
    return _sha256(json.dumps(content, sort_keys=True))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
