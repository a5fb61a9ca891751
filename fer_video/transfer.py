"""A job whose recording or results lie on a store, done on local copies."""

from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

from fer_video import stores
from fer_video.errors import DiskFull, OutputError, VideoError
from fer_video.events import Advanced, Event, Finished, Job, Remote, Stage
from fer_video.files import json_beside
from fer_video.manifest import Output
from fer_video.spool import give_back, take_room

T = TypeVar("T")
Work = Callable[[Job], Generator[Event, None, Event]]

_BEAT_S = 1.0
"""Seconds between two signs of life while something is copied."""


def on_copies(work: Work, job: Job) -> Generator[Event, None, Event]:
    """Do the work of a job; what of it lies on a store is copied from there, or to there.

    Args:
        work: Yields what happens, and returns the event that ends it.
        job: What it is given.

    Returns:
        What the work returned, after its results were put to their addresses, the timeline last;
        with what the store says of them.

    Raises:
        VideoError: The recording cannot be copied or read.
        OutputError: A result cannot be written or put to its address.
    """
    remote = job.remote
    if remote is None:
        return (yield from work(job))
    with _named_by_addresses(job):
        held = yield from telling(job, "fetch", take_room(job, remote))
        try:
            if remote.recording:
                copied = stores.fetch(remote.recording, remote.size_bytes, job.recording)
                yield from telling(job, "fetch", copied)
            ended = yield from work(job)
            if remote.results:
                ended = yield from _put_results(job, remote, ended)
        finally:
            give_back(remote, held)
    return ended


@contextmanager
def with_earlier_timeline(job: Job) -> Iterator[Job]:
    """Give the job with a copy of its timeline if that lies on a store; for as long as it is open.

    Raises:
        OutputError: The store cannot be reached.
    """
    if job.remote is None or not job.remote.results:
        yield job
        return
    with TemporaryDirectory(prefix="fer-video-") as folder:
        copy = Path(folder) / job.timeline.name
        for path in (copy, json_beside(copy)):
            stores.fetch_if_there(str(job.destination_of(job.timeline.with_name(path.name))), path)
        yield replace(job, timeline=copy)


def telling(job: Job, stage: Stage, steps: Generator[object, None, T]) -> Generator[Event, None, T]:
    """Turn steps into signs of life: files that are copied or read are no seconds of recording."""
    with closing(steps):
        while True:
            try:
                next(steps)
            except StopIteration as end:
                result: T = end.value
                return result
            yield Advanced(job, stage, 0.0, None)


def _put_results(job: Job, remote: Remote, ended: Event) -> Generator[Event, None, Event]:
    versions: dict[Path, str] = {}
    made = sorted(path for path in remote.made.rglob("*") if path.is_file())
    # who sees a timeline may rely on what belongs to it
    made.sort(key=lambda path: path == job.timeline)
    with ThreadPoolExecutor(1, "put") as pool:
        for path in made:
            putting = pool.submit(stores.put, path, str(job.destination_of(path)))
            versions[path] = yield from telling(job, "put", _until_done(putting))
    return _versioned(ended, versions)


def _versioned(ended: Event, versions: Mapping[Path, str]) -> Event:
    """Note of each result what the store says of it."""
    if not isinstance(ended, Finished) or ended.made is None:
        return ended
    outputs: dict[str, Output] = {
        kind: replace(ended.made.outputs[kind], version=versions[path])
        for path, kind in ended.job.outputs.items()
    }
    return replace(ended, made=replace(ended.made, outputs=outputs))


def _until_done(task: "Future[T]") -> Generator[None, None, T]:
    while not wait([task], _BEAT_S).done:
        yield
    return task.result()


@contextmanager
def _named_by_addresses(job: Job) -> Iterator[None]:
    """Let errors name what the user named, not its copy."""
    try:
        yield
    except VideoError as error:
        if error.path != job.recording:
            raise
        raise VideoError(job.source, error.reason) from error
    except OutputError as error:
        # it is the disk of the copies that is full
        if error.path not in job.outputs or isinstance(error, DiskFull):
            raise
        raise OutputError(job.destination_of(Path(error.path)), error.reason) from error
