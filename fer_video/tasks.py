"""The engine of a cluster: each recording is a task of Ray, done in a watched child process.

Ray's own retries are not used. It repeats a task that tells events one by one and leaves out as
many of the new ones as were heard of the first try, so the end of a shorter second try is never
told. The engine hands a recording out again instead.
"""

import os
import socket
import sys
import time
from collections import Counter, deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from fer_video.engine import Work, again
from fer_video.errors import Bug, FerVideoError, WorkerLost
from fer_video.events import Advanced, Event, Failed, Finished, Job, Skipped, Waiting
from fer_video.nodes import Needs, lack_of, lack_told_by, unfit
from fer_video.options import WorkOptions
from fer_video.processes import caught_interruptions, crew_for, is_killed
from fer_video.wording import counted

_TICK_S = 0.2
"""Between two looks for an interruption."""
_TELL_S = 1.0
"""Between two signs of life of a recording: hundreds of them speak to one process."""
_QUEUED = 1000
"""Recordings that Ray knows of at a time: more than a cluster has room for, so that one which
grows by demand does."""
_SILENCE_S = 60.0
"""After which it is looked whether there is still a machine that could say something."""
_MAX_LOST = 3
"""Times that a recording may lose its machine and be tried again."""
_LAST = (Finished, Skipped, Failed)
"""What ends a recording."""

Share = dict[str, float]
"""What a recording takes of a machine: ``num_cpus``, ``num_gpus``, and ``memory`` in bytes."""
_COUNTED = {"num_cpus": "CPU", "num_gpus": "GPU", "memory": "memory"}
"""As Ray calls it where it counts what a machine has."""


def able_machines(ray: Any, share: Share) -> list[Any]:
    """List the machines that are up and have what a recording takes."""
    return [
        node
        for node in ray.nodes()
        if node["Alive"]
        and all(node["Resources"].get(_COUNTED[name], 0) >= share[name] for name in share)
    ]


class ClusterEngine:
    """Recordings as tasks of a cluster; see ``Engine``.

    What is still being worked on when the run ends early ends as the command leaves the cluster.
    Cancelling it by force would kill the command, too: Ray 2.60 takes the end of a task that was
    cancelled twice for a state that cannot be.
    """

    def __init__(
        self, ray: Any, options: WorkOptions, needs: Needs, share: Share, n_machines: int
    ) -> None:
        self.shared_out = f"on {counted(n_machines, 'machine')}"
        self._ray = ray
        self._options = options
        self._needs = ray.put(needs)
        self._task = ray.remote(_do).options(num_returns="streaming", max_retries=0, **share)
        self._share = share
        self._lost: Counter[str] = Counter()
        self._heard: set[Any] = set()
        """Tasks that have said something."""

    def run(self, work: Work, jobs: Iterable[Job]) -> Generator[Event]:
        """Hand out the jobs in order.

        A recording whose machine died is handed out again, the next one to begin. One whose process
        was killed from outside gets a second try, alone, after all others.

        Raises:
            KeyboardInterrupt: The run was interrupted.
        """
        killed: list[Job] = []
        with caught_interruptions() as interruptions:
            for event in self._done(work, jobs, interruptions):
                if is_killed(event):
                    killed.append(event.job)
                else:
                    yield event
            for job in killed:
                yield from self._done(work, [again(job)], interruptions)
        if interruptions:
            raise KeyboardInterrupt

    def _done(self, work: Work, jobs: Iterable[Job], interruptions: list[int]) -> Iterator[Event]:
        waiting = deque(jobs)
        running: dict[Any, Job] = {}
        stopping = False
        heard_s = time.monotonic()
        while waiting or running:
            if interruptions and not stopping:
                stopping = True
                waiting.clear()
                for stream in running:
                    self._ray.cancel(stream)  # Ctrl-C, there
            while waiting and len(running) < (self._options.jobs or _QUEUED):
                job = waiting.popleft()
                running[self._handed_out(work, job)] = job
            ready = self._ready(list(running))
            silent = not ready and time.monotonic() > heard_s + _SILENCE_S
            if silent and not able_machines(self._ray, self._share):
                yield Waiting(next(iter(running.values())))
            if silent or ready:
                heard_s = time.monotonic()
            for stream in ready:
                event = self._said(stream, running[stream])
                if event is None or isinstance(event, _LAST):
                    job = running.pop(stream)
                    self._heard.discard(stream)
                if event is None and not stopping:
                    event = self._given_up(job)
                    waiting.extendleft([] if event else [again(job)])
                if event is not None:
                    yield event

    def _handed_out(self, work: Work, job: Job) -> Any:
        n_threads = int(self._share["num_cpus"])
        return self._task.remote(work, job, self._options, self._needs, n_threads)

    def _ready(self, streams: list[Any]) -> list[Any]:
        """Wait a moment for tasks that have something to say."""
        ready, _ = self._ray.wait(streams, timeout=_TICK_S)
        if ready:  # and who else is
            ready, _ = self._ray.wait(streams, num_returns=len(streams), timeout=0)
        return list(ready)

    def _said(self, stream: Any, job: Job) -> Event | None:
        """Take the next event of a task; None if it was cancelled, or its machine is gone."""
        errors = self._ray.exceptions
        try:
            said = self._ray.get(next(stream))
        except (StopIteration, errors.TaskCancelledError):
            return None
        except errors.RayTaskError as error:
            if stream not in self._heard:  # work says first that it begins
                raise unfit("a machine that joined", lack_told_by(error)) from error
            return Failed(job, Bug(job.source, type(error.cause).__name__, str(error)))
        except errors.RayError:
            return None
        self._heard.add(stream)
        if isinstance(said, FerVideoError):  # of the whole run
            raise said
        event: Event = said
        return event

    def _given_up(self, job: Job) -> Failed | None:
        """Count a machine that was lost; None if the recording is to be tried on another one."""
        self._lost[job.name] += 1
        if self._lost[job.name] <= _MAX_LOST:
            return None
        reason = f"the work on it was lost {self._lost[job.name]} times, with its machine or for "
        reason += "lack of memory: see `ray status`"
        return Failed(job, WorkerLost(job.source, reason))


def _do(
    work: Work, job: Job, options: WorkOptions, needs: Needs, n_threads: int
) -> Iterator[Event | FerVideoError]:
    """Do a job on the machine that Ray chose; errors of the whole run are told as values."""
    if lack := lack_of(needs):  # a machine that joined after the others were asked
        yield unfit(socket.gethostname(), lack)
        return
    os.environ["TF_NUM_INTRAOP_THREADS"] = str(n_threads)
    with caught_interruptions() as interruptions, _bare_main(), crew_for(work, options) as crew:
        try:
            for event in _thinned(crew.run([job], 1, interruptions)):
                # Ray ends a cancelled task at its next word: nothing is said, the work may end
                if not interruptions:
                    yield event
        except FerVideoError as error:
            yield error


@contextmanager
def _bare_main() -> Iterator[None]:
    """Let child processes begin without Ray, which they would load as the main module of ours."""
    main = sys.modules["__main__"]
    file, main.__file__ = main.__file__, None
    try:
        yield
    finally:
        main.__file__ = file


def _thinned(events: Iterable[Event]) -> Iterator[Event]:
    """Leave out signs of life that follow each other closely."""
    told_s = -_TELL_S
    for event in events:
        if isinstance(event, Advanced):
            if time.monotonic() < told_s + _TELL_S:
                continue
            told_s = time.monotonic()
        yield event
