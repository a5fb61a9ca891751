"""Running one function over recordings: the seam for several processes and machines."""

import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import replace
from typing import Protocol

from fer_video.errors import Bug, DiskFull, FerVideoError, MissingExtra, ModelError, OptionError
from fer_video.events import Event, Failed, Job, Started

Work = Callable[[Job], Iterator[Event]]

_OF_THE_RUN = (OptionError, ModelError, MissingExtra, DiskFull)
"""Errors that every other recording would meet, too."""


class Stopped(BaseException):
    """Thrown into work that is to end: it keeps what it has, and lets go."""


class Engine(Protocol):
    """Maps work over recordings; it never sees a frame."""

    shared_out: str
    """How recordings are shared out, for people: ``2 at a time``."""

    def run(self, work: Work, jobs: Iterable[Job]) -> Generator[Event]:
        """Do every job; the events of one recording keep their order.

        Whoever leaves early has to close it, or processes go on without them.

        Raises:
            FerVideoError: Of a kind that every other recording would meet, too.
        """
        ...


def attempt(work: Work, job: Job) -> Generator[Event]:
    """Do one job; an error that is the recording's own becomes ``Failed``, and so does a bug."""
    yield Started(job)
    try:
        yield from work(job)
    except _OF_THE_RUN:
        raise
    except FerVideoError as error:
        yield Failed(job, error)
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        yield Failed(job, Bug(job.source, reason, traceback.format_exc()))


def again(job: Job) -> Job:
    """Prepare a job for a second try: the first may have come to its end without being heard.

    What it finished is then kept if it is true, and what it left half-done is gone on with.
    """
    if job.output.force:
        return job
    return replace(job, output=replace(job.output, resume=True))
