"""The engine of one machine: recordings in child processes that are watched.

Recordings come from strangers. A decoder that crashes, hangs or eats the memory takes its process
with it and costs one recording. Frames never cross between processes; jobs and events do.
"""

import multiprocessing
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait

import psutil

from fer_video.allowance import memory_bytes, n_cores
from fer_video.engine import Stopped, Work, again, attempt
from fer_video.errors import DAMAGED, FerVideoError, WorkerLost
from fer_video.events import Event, Failed, Job
from fer_video.options import WorkOptions

_TICK_S = 0.2
"""Between two looks at what the processes take."""
CORES_PER_RECORDING = 2
"""Decoding, detecting and classifying overlap, and none of them fills a core."""
GB_PER_RECORDING = 1.0
"""Resident memory to count on: 0.3 GB were measured, with Keras and 4K recordings more."""

_STOP = "stop"
_INTERRUPTIONS = (signal.SIGINT, signal.SIGTERM)


def processes_for(options: WorkOptions, n_recordings: int) -> int:
    """Decide how many recordings to work on at a time, at least one."""
    by_cores = n_cores() // CORES_PER_RECORDING
    by_memory = int(memory_bytes() / (GB_PER_RECORDING * 1e9))
    return max(1, min(options.jobs or min(by_cores, by_memory), n_recordings))


class ProcessEngine:
    """Some recordings at a time, each in another process.

    Ctrl-C or SIGTERM lets the work keep what it has and ends the run, a second one ends it at once.
    """

    def __init__(self, n_processes: int, options: WorkOptions) -> None:
        self.shared_out = f"{n_processes} at a time"
        self._n_processes = n_processes
        self._options = options

    def run(self, work: Work, jobs: Iterable[Job]) -> Generator[Event]:
        """Start the jobs in order; see ``Engine``.

        A process that was killed from outside, as an exhausted machine does, is followed by a
        second try, alone, after all others.

        Raises:
            KeyboardInterrupt: The run was interrupted.
        """
        lost: list[Job] = []
        with caught_interruptions() as interruptions, crew_for(work, self._options) as crew:
            for event in crew.run(jobs, self._n_processes, interruptions):
                if is_killed(event):
                    lost.append(event.job)
                else:
                    yield event
            for job in lost:
                crew.end()  # an idle process holds memory, and may have been killed, too
                yield from crew.run([again(job)], 1, interruptions)
        if interruptions:
            raise KeyboardInterrupt


def is_killed(event: Event) -> bool:
    """Tell whether something other than us killed the process that worked on a recording."""
    return isinstance(event, Failed) and isinstance(event.error, _Killed)


class _Killed(WorkerLost):
    """Something other than us ended the process."""


class Crew:
    """Child processes, started when they are needed and used again."""

    def __init__(self, work: Work, options: WorkOptions) -> None:
        self._work = work
        self._options = options
        self._children: list[_Child] = []

    def run(self, jobs: Iterable[Job], n_at_once: int, interruptions: list[int]) -> Iterator[Event]:
        """Do the jobs; none is begun after an interruption."""
        waiting = deque(jobs)
        while waiting or self._busy():
            if interruptions:
                waiting.clear()
                for child in self._busy():
                    child.stop()
            while waiting and len(self._busy()) < n_at_once:
                self._idle(n_at_once).give(waiting.popleft())
            yield from self._news()

    def end(self) -> None:
        """End all processes, whatever they do."""
        while self._children:
            self._children.pop().end()

    def _busy(self) -> list["_Child"]:
        return [child for child in self._children if child.job is not None]

    def _idle(self, n_at_once: int) -> "_Child":
        for child in self._children:
            if child.job is None:
                return child
        n_threads = max(1, n_cores() // n_at_once)
        with _held_back():
            self._children.append(_Child(self._work, self._options, n_threads))
        return self._children[-1]

    def _news(self) -> Iterator[Event]:
        """Wait a moment for what the children say, and look after them."""
        wait([child.connection for child in self._busy()], _TICK_S)
        for child in self._busy():
            yield from child.said()
            if child.job is not None and (reason := child.breaks_limit()):
                failed = Failed(child.job, WorkerLost(child.job.source, reason))
                child.end()
                yield failed
        self._children = [child for child in self._children if not child.ended]


@contextmanager
def crew_for(work: Work, options: WorkOptions) -> Iterator[Crew]:
    """Lend child processes that do work; they end with the block."""
    crew = Crew(work, options)
    try:
        yield crew
    finally:
        crew.end()


class _Child:
    """One child process, and what it takes."""

    def __init__(self, work: Work, options: WorkOptions, n_threads: int) -> None:
        context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
        self.connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_serve, args=(theirs, work, n_threads), daemon=True, name="fer-video"
        )
        self._process.start()
        theirs.close()
        self._vitals = psutil.Process(self._process.pid)
        self._options = options
        self._stopping = False
        self.job: Job | None = None
        self.ended = False

    def give(self, job: Job) -> None:
        """Let it begin a job."""
        self.job = job
        self._began_cpu_s = self._cpu_s()
        self._progressed()
        with suppress(OSError):  # it is dead, as ``said`` will find
            self.connection.send(job)

    def stop(self) -> None:
        """Let it end its job early, keeping what it has."""
        if not self._stopping:
            self._stopping = True
            with suppress(OSError):
                self.connection.send(_STOP)

    def said(self) -> Iterator[Event]:
        """Pass on what it has said since the last time, its death included."""
        try:
            while self.job is not None and self.connection.poll():
                said = self.connection.recv()
                self._progressed()
                if isinstance(said, FerVideoError):
                    raise said
                if said is None:
                    self.job = None
                else:
                    yield said
        except (EOFError, ConnectionError):
            job = self.job
            self._process.join(_TICK_S)
            self.end()
            if job is not None:
                yield Failed(job, _death(job, self._process.exitcode))

    def breaks_limit(self) -> str:
        """Say which limit it breaks; empty if it keeps them all."""
        limits = self._options
        try:
            memory_gb = self._vitals.memory_info().rss / 1e9
            cpu_hours = (self._cpu_s() - self._began_cpu_s) / 3600
        except psutil.Error:
            return ""  # it is dead, as ``said`` will find
        if memory_gb > limits.max_memory_gb:
            return f"it took more than {limits.max_memory_gb:g} GB of memory; see --max-memory"
        if cpu_hours > limits.max_cpu_hours:
            return f"it took more than {limits.max_cpu_hours:g} hours of CPU time; see --max-cpu"
        if time.monotonic() - self._progressed_s > limits.max_stall_s:
            return f"there was no progress for {limits.max_stall_s:g} s; see --max-stall"
        return ""

    def end(self) -> None:
        """End it, whatever it does."""
        self.job, self.ended = None, True
        self._process.kill()
        self._process.join()
        self.connection.close()

    def _progressed(self) -> None:
        self._progressed_s = time.monotonic()

    def _cpu_s(self) -> float:
        times = self._vitals.cpu_times()
        return float(times.user + times.system)


def _death(job: Job, exit_code: int | None) -> WorkerLost:
    """Tell how the process that worked on a job died."""
    if exit_code is not None and -exit_code in (signal.SIGKILL, *_INTERRUPTIONS):
        reason = "its process was killed, as a machine does that runs out of memory"
        return _Killed(job.source, f"{reason}; try fewer --jobs")
    if exit_code is not None and exit_code < 0:
        name = signal.Signals(-exit_code).name
        return WorkerLost(job.source, f"its process crashed ({name}); {DAMAGED}")
    return WorkerLost(job.source, f"its process ended with code {exit_code}")


def _serve(connection: Connection, work: Work, n_threads: int) -> None:
    """Do jobs until the parent is gone; what a child process runs."""
    for number in _INTERRUPTIONS:  # the parent decides what they mean
        signal.signal(number, signal.SIG_IGN)
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(n_threads))
    with suppress(EOFError, ConnectionError):
        while True:
            job = connection.recv()
            if job != _STOP:  # else it came after the end of the job that it was for
                _do(job, work, connection)
                connection.send(None)


def _do(job: Job, work: Work, connection: Connection) -> None:
    """Do one job, and tell what happens; stop early if the parent says so."""
    events = attempt(work, job)
    try:
        for event in events:
            connection.send(event)
            if connection.poll():
                connection.recv()
                events.throw(Stopped)
    except Stopped:
        pass
    except FerVideoError as error:  # of the whole run
        connection.send(error)


@contextmanager
def _held_back() -> Iterator[None]:
    """Let a child begin deaf to interruptions: one would end it before it can say so itself.

    Those that come meanwhile reach this process at the end of the block.
    """
    # the first child would start it, which lets them in again
    resource_tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTIONS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def caught_interruptions() -> Iterator[list[int]]:
    """Collect the first Ctrl-C or SIGTERM; the second one interrupts.

    Only the main thread can: elsewhere they do what they always do.
    """
    caught: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield caught
        return

    def catch(number: int, _: object) -> None:
        if caught:
            raise KeyboardInterrupt
        caught.append(number)

    before = {number: signal.signal(number, catch) for number in _INTERRUPTIONS}
    try:
        yield caught
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
