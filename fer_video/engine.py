"""Running one function over recordings: the seam for several processes and machines."""

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from fer_video.errors import FerVideoError
from fer_video.events import Event, Failed, Job, Started

Work = Callable[[Job], Iterator[Event]]


class Engine(Protocol):
    """Maps work over recordings; it never sees a frame."""

    def run(self, work: Work, jobs: Iterable[Job]) -> Iterator[Event]:
        """Do every job; the events of one recording keep their order."""
        ...


class SerialEngine:
    """One recording after the other, in this process."""

    def run(self, work: Work, jobs: Iterable[Job]) -> Iterator[Event]:
        """Do every job in order."""
        for job in jobs:
            yield from attempt(work, job)


def attempt(work: Work, job: Job) -> Iterator[Event]:
    """Do one job; our own errors become ``Failed``, a bug goes through."""
    yield Started(job)
    try:
        yield from work(job)
    except FerVideoError as error:
        yield Failed(job, error)
