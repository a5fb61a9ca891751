import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest

from fer_video import manifest
from fer_video.allowance import n_cores
from fer_video.engine import Stopped
from fer_video.errors import WorkerLost
from fer_video.events import Advanced, Event, Failed, Finished, Job, Started
from fer_video.manifest import MANIFEST_FILE
from fer_video.options import WorkOptions
from fer_video.processes import ProcessEngine, processes_for
from tests.scenes import picture, steady, write_video
from tests.test_engine import SUMMARY, job


def work(one: Job) -> Iterator[Event]:
    """Do what the name of a recording says, in its folder."""
    yield Advanced(one, "analyze", 0.5, 1.0)
    what = one.recording.stem
    note = one.timeline
    if what == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "quit":
        os._exit(3)
    if what in ("killed", "killed_once") and not (note.exists() and what == "killed_once"):
        note.write_text("tried")
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "killed_once":
        beside = psutil.Process(os.getppid()).children()
        note.write_text(" ".join(str(process.pid) for process in beside))
    if what == "hang":
        time.sleep(60)
    if what == "spin":
        end_s = time.monotonic() + 60
        while time.monotonic() < end_s:
            yield Advanced(one, "analyze", 0.5, 1.0)
    if what == "eat":
        eaten = [np.ones(50_000_000, np.uint8) for _ in range(20)]
        time.sleep(60)
        del eaten
    if what == "long":
        try:
            for done_s in range(3000):
                time.sleep(0.02)
                yield Advanced(one, "analyze", done_s, 3000)
        except Stopped:
            note.write_text("kept")
            raise
    if what == "deaf":
        note.write_text(str(os.getpid()))
        for done_s in range(3000):
            time.sleep(0.02)
            try:
                yield Advanced(one, "analyze", done_s, 3000)
            except Stopped:
                time.sleep(60)
    if what in ("SIGINT", "SIGTERM"):
        number = signal.Signals[what]
        signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [number])
        os.kill(os.getppid(), number)
        os.kill(os.getpid(), number)
    if what == "threads":
        note.write_text(os.environ["TF_NUM_INTRAOP_THREADS"])
    if what == "pid":
        note.write_text(str(os.getpid()))
    yield Finished(one, replace(SUMMARY, frames_decoded=os.getpid()))


BROKEN = {
    "hang": WorkOptions(max_stall_s=1.5),
    "spin": WorkOptions(max_cpu_hours=1 / 3600),
    "eat": WorkOptions(max_memory_gb=0.5),
}
"""Limits that a recording of this name does not keep."""


def run(
    tmp_path: Path, *names: str, at_once: int = 1, limits: WorkOptions | None = None
) -> list[Event]:
    jobs = [replace(job(f"{name}.mp4"), timeline=tmp_path / f"{name}.txt") for name in names]
    return list(ProcessEngine(at_once, limits or WorkOptions()).run(work, jobs))


def outcomes(events: list[Event]) -> dict[str, str]:
    return {
        event.job.name: str(event.error) if isinstance(event, Failed) else "finished"
        for event in events
        if isinstance(event, Failed | Finished)
    }


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("crash", r"its process crashed \(SIGSEGV\); the file is damaged"),
        ("quit", "its process ended with code 3"),
        ("hang", "there was no progress for 1.5 s; see --max-stall"),
        ("spin", "it took more than 0.000277778 hours of CPU time; see --max-cpu"),
        ("eat", "it took more than 0.5 GB of memory; see --max-memory"),
    ],
)
def test_a_process_that_is_lost_costs_one_recording(tmp_path, name, reason) -> None:
    events = run(tmp_path, "first", name, "last", limits=BROKEN.get(name))
    found = outcomes(events)
    assert found["first.mp4"] == found["last.mp4"] == "finished"
    (failed,) = (event for event in events if isinstance(event, Failed))
    assert isinstance(failed.error, WorkerLost)
    assert failed.error.exit_code == 11
    assert failed.error.path == Path(f"{name}.mp4")
    assert re.fullmatch(rf"cannot analyze {name}\.mp4: {reason}.*", str(failed.error))


def test_a_process_that_was_killed_gets_a_second_try_alone(tmp_path) -> None:
    events = run(tmp_path, "killed_once", "first", "last", at_once=2)
    assert set(outcomes(events).values()) == {"finished"}
    names = [event.job.name for event in events if isinstance(event, Started)]
    assert names[-1] == "killed_once.mp4"
    second = max(n for n, event in enumerate(events) if isinstance(event, Started))
    assert {event.job.name for event in events[second:]} == {"killed_once.mp4"}
    of_others = {
        event.summary.frames_decoded for event in events[:second] if isinstance(event, Finished)
    }
    beside = set(map(int, (tmp_path / "killed_once.txt").read_text().split()))
    assert of_others
    assert not of_others & beside


def test_a_process_that_is_killed_twice_is_reported(tmp_path) -> None:
    events = run(tmp_path, "killed", "last")
    assert outcomes(events)["last.mp4"] == "finished"
    assert (
        "as a machine does that runs out of memory; try fewer --jobs"
        in (outcomes(events)["killed.mp4"])
    )
    assert sum(isinstance(event, Failed) for event in events) == 1


def test_recordings_run_at_once_in_processes_that_are_used_again(tmp_path) -> None:
    events = run(tmp_path, *(f"r{number}" for number in range(6)), at_once=2)
    finished = [event for event in events if isinstance(event, Finished)]
    workers = {event.summary.frames_decoded for event in finished}
    assert len(finished) == 6
    assert 1 <= len(workers) <= 2
    assert os.getpid() not in workers
    assert not any(psutil.pid_exists(worker) for worker in workers)


def interrupt_after(seconds: list[float], number: int = signal.SIGINT) -> threading.Thread:
    def interrupt() -> None:
        for wait_s in seconds:
            time.sleep(wait_s)
            os.kill(os.getpid(), number)

    thread = threading.Thread(target=interrupt)
    thread.start()
    return thread


def workers_of(pid: int) -> list[psutil.Process]:
    """Find the child processes in which recordings are worked on."""
    found = []
    for child in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.Error):  # it is over
            found += [child] if "spawn_main" in " ".join(child.cmdline()) else []
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_lets_the_work_keep_what_it_has(tmp_path, number) -> None:
    thread = interrupt_after([2.0], number)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, "long", "pid")
    thread.join()
    assert (tmp_path / "long.txt").read_text() == "kept"
    assert not (tmp_path / "pid.txt").exists()
    assert signal.getsignal(number) in (signal.default_int_handler, signal.SIG_DFL)


@pytest.fixture
def starting(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Begin a run in a group of processes of its own, up to where its first process is there."""
    (tmp_path / "in").mkdir()
    write_video(tmp_path / "in" / "a.mp4", steady(400), lambda _: picture())
    words = ["analyze", tmp_path / "in", "--out", tmp_path / "out", "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "fer_video", *words],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    ) as parent:  # fmt: skip
        while not workers_of(parent.pid):
            assert parent.poll() is None
        yield parent


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_while_a_process_starts_is_no_failure_of_its_recording(
    starting, number, tmp_path
) -> None:
    os.killpg(starting.pid, number)
    _, err = starting.communicate(timeout=60)
    assert err == "fer-video: interrupted; nothing is left half-written\n"
    assert starting.returncode == 130
    told = manifest.attempts(tmp_path / "out" / MANIFEST_FILE).values()
    assert all(one.verdict == "ok" for one in told)  # it may have been done already


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_that_starts_leaves_interruptions_to_its_parent(starting, number) -> None:
    (worker,) = workers_of(starting.pid)
    worker.send_signal(number)
    workers = {worker}
    while starting.poll() is None:
        workers.update(workers_of(starting.pid))
    assert starting.returncode == 0
    assert workers == {worker}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_that_an_interruption_ends_all_the_same_is_no_failure(tmp_path, number) -> None:
    jobs = [replace(job(f"{number.name}.mp4"), timeline=tmp_path / "note")]
    events: list[Event] = []
    with pytest.raises(KeyboardInterrupt):
        events.extend(ProcessEngine(1, WorkOptions()).run(work, jobs))
    assert not any(isinstance(event, Failed) for event in events)


def test_a_second_interruption_ends_the_run_at_once(tmp_path) -> None:
    began_s = time.monotonic()
    thread = interrupt_after([2.0, 0.5])
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, "deaf")
    thread.join()
    assert time.monotonic() - began_s < 20
    assert not psutil.pid_exists(int((tmp_path / "deaf.txt").read_text()))


def test_no_process_outlives_a_parent_that_is_killed(tmp_path) -> None:
    code = (
        "from tests.test_processes import *\n"
        "from pathlib import Path\n"
        "if __name__ == '__main__':\n"
        "    one = replace(job('long.mp4'), timeline=Path('long.txt'))\n"
        "    for _ in ProcessEngine(1, WorkOptions()).run(work, [one]): pass\n"
    )
    script = tmp_path / "script.py"
    script.write_text(code)
    root = str(Path(__file__).parents[1])
    parent = subprocess.Popen(
        [sys.executable, script], cwd=tmp_path, env={**os.environ, "PYTHONPATH": root}
    )
    while not workers_of(parent.pid):
        time.sleep(0.1)
    children = psutil.Process(parent.pid).children(recursive=True)
    time.sleep(1)
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs(children, timeout=20)
    assert not alive


@pytest.mark.parametrize("at_once", [1, 2])
def test_each_process_has_its_own_share_of_threads(tmp_path, at_once, monkeypatch) -> None:
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    run(tmp_path, "threads", at_once=at_once)
    share = max(1, n_cores() // at_once)
    assert (tmp_path / "threads.txt").read_text() == str(share)


def test_as_many_recordings_run_at_once_as_the_machine_allows() -> None:
    assert processes_for(WorkOptions(jobs=3), 10) == 3
    assert processes_for(WorkOptions(jobs=3), 2) == 2
    assert 1 <= processes_for(WorkOptions(), 1000) <= max(1, n_cores() // 2)
