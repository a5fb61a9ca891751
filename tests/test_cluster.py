"""The command on a Ray cluster of two machines, which are two groups of processes on this one."""

import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machines import (
    ROOT,
    WAIT_S,
    Ended,
    Machines,
    ended,
    free_port,
    kill_machine,
    told,
    until,
)
from tests.scenes import Square, picture, steady, write_video
from tests.test_cli import run
from tests.test_remote import KEY, SECRET

if importlib.util.find_spec("ray") is None:
    pytest.skip('needs pip install "fer-video[ray]"', allow_module_level=True)
s3fs = pytest.importorskip("s3fs", reason='needs pip install "fer-video[remote]"')
moto_server = pytest.importorskip("moto.server", reason='needs pip install "fer-video[dev]"')

pytestmark = pytest.mark.long  # Ray takes half a minute to start, and minutes on a busy machine


@pytest.fixture(scope="module")
def started() -> Iterator[Machines]:
    # Ray's sockets need a short path, and its files are no use afterwards
    folder = Path(tempfile.mkdtemp(prefix="fv"))
    store = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    store.start()
    host, port = store.get_host_and_port()
    machines = Machines(folder, f"http://{host}:{port}")
    try:
        machines.wait()
        yield machines
    finally:
        machines.end()
        store.stop()
        shutil.rmtree(folder)


@pytest.fixture
def machines(started: Machines) -> Machines:
    """Return the cluster with both machines alive."""
    started.wait()
    return started


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make four recordings, one of them broken."""
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "in" / "p1").mkdir(parents=True)
    for name, n_frames in (("p1/a.mp4", 30), ("b.mp4", 20), ("c.mkv", 10)):
        write_video(folder / "in" / name, steady(n_frames), lambda _: picture(Square(8, 8)))
    (folder / "in" / "bad.mp4").write_text("no video")
    return folder


@pytest.fixture(scope="module")
def local(folder: Path) -> Ended:
    """Analyze them on this machine, into a folder that is moved to ``local``."""
    ended_here = told(*run("analyze", folder / "in", "--out", folder / "out"))
    (folder / "out").rename(folder / "local")
    return ended_here


def contents(results: Path) -> dict[str, bytes]:
    timelines = results / "timelines"
    return {
        path.relative_to(timelines).as_posix(): path.read_bytes()
        for path in timelines.rglob("*")
        if path.is_file()
    }


def attempts(results: Path) -> list[tuple[str, str]]:
    lines = map(json.loads, (results / "manifest.jsonl").read_text().splitlines())
    return sorted(
        (line["recording"], line["verdict"]) for line in lines if line["line"] == "attempt"
    )


def test_a_cluster_gives_the_rows_the_manifest_and_the_words_of_one_machine(
    machines: Machines, folder: Path, local: Ended
) -> None:
    assert machines.analyze(folder / "in", "--out", folder / "out") == local
    assert contents(folder / "out") == contents(folder / "local")
    assert attempts(folder / "out") == attempts(folder / "local")
    assert local[0] == 7
    assert sorted(path.name for path in (folder / "out").iterdir()) == [
        ".unfinished", "manifest.jsonl", "timelines",
    ]  # fmt: skip
    code, out, _ = machines.analyze(folder / "in", "--out", folder / "out")
    skipped = "skipped 3 of 4 recordings: done before, and nothing has changed"
    assert (code, out) == (7, [skipped])


def test_recordings_and_results_at_an_address_are_those_of_one_machine(
    machines: Machines, folder: Path, local: Ended, tmp_path: Path
) -> None:
    store = s3fs.S3FileSystem(
        key=KEY, secret=SECRET, endpoint_url=machines.env["AWS_ENDPOINT_URL"],
        skip_instance_cache=True, use_listings_cache=False,
    )  # fmt: skip
    store.mkdir("cluster")
    store.put(str(folder / "in"), "cluster/in", recursive=True)
    found = machines.analyze("s3://cluster/in", "--spool", tmp_path, "--out", "s3://cluster/out")
    named = [[line.replace(str(folder), "s3://cluster") for line in lines] for lines in local[1:]]
    assert found == (local[0], *named)
    made = store.find("cluster/out/timelines")
    assert {
        path.removeprefix("cluster/out/timelines/"): store.cat(path) for path in made
    } == contents(folder / "local")


VERDICTS = """
import sys
from dataclasses import replace
from pathlib import Path
from fer_video import weights
from fer_video.cluster import join_cluster
from fer_video.options import WorkOptions
from tests.test_engine import job
from tests.test_processes import outcomes, work

if __name__ == "__main__":
    folder, address = Path(sys.argv[1]), sys.argv[2]
    jobs = [replace(job(f"{name}.mp4"), timeline=folder / f"{name}.txt") for name in sys.argv[3:]]
    options = WorkOptions(engine="ray", ray_address=address, max_stall_s=6)
    with join_cluster(options, jobs, weights.find("default")) as engine:
        for event in engine.run(work, jobs):
            for name, outcome in outcomes([event]).items() or [(event.job.name, "goes on")]:
                print(f"{name}: {outcome}", flush=True)
"""
"""Works on recordings that are called as ``tests.test_processes`` says."""


def test_what_crashes_hangs_or_is_killed_gets_the_verdict_that_one_machine_gives(
    machines: Machines, tmp_path: Path
) -> None:
    names = ["hang", "crash", "killed_once", "last"]
    running = machines.script(tmp_path, VERDICTS, tmp_path, machines.address, *names)
    out, err = running.communicate(timeout=WAIT_S)
    assert running.returncode == 0, err
    outcomes = dict(line.split(".mp4: ", 1) for line in out.splitlines())
    assert outcomes["hang"].endswith("there was no progress for 6 s; see --max-stall")
    assert "its process crashed (SIGSEGV); the file is damaged" in outcomes["crash"]
    assert (outcomes["killed_once"], outcomes["last"]) == ("finished", "finished")


def test_an_interruption_lets_the_work_on_other_machines_keep_what_it_has(
    machines: Machines, tmp_path: Path
) -> None:
    running = machines.script(tmp_path, VERDICTS, tmp_path, machines.address, "long")
    assert running.stdout is not None
    lines = [running.stdout.readline() for _ in range(2)]
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=WAIT_S)
    assert lines == 2 * ["long.mp4: goes on\n"]
    assert err.endswith("KeyboardInterrupt\n")
    assert (tmp_path / "long.txt").read_text() == "kept"


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make three recordings that take seconds, if faces are looked for in every frame."""
    folder = tmp_path_factory.mktemp("long")
    shown = picture(Square(300, 200, 80), size_px=(640, 480))
    write_video(folder / "a.mp4", steady(400), lambda _: shown)
    for name in ("b.mp4", "c.mp4"):
        shutil.copy(folder / "a.mp4", folder / name)
    return folder


SLOWLY = ["--detect-every", 0]


def test_a_machine_that_dies_loses_nothing_and_does_nothing_twice(
    machines: Machines, long: Path, tmp_path: Path
) -> None:
    words = [long, "--out", tmp_path / "out", *SLOWLY, "--json", *machines.on_ray]
    running = machines.command(*words)
    until(lambda: machines.workers_of(machines.second))
    until(lambda: list((tmp_path / "out" / ".unfinished").glob(".*")))
    kill_machine(machines.second)
    code, out, err = ended(running)
    assert (code, err) == (0, [])
    names = ["a.mp4", "b.mp4", "c.mp4"]
    events = [(line["event"], line["recording"]) for line in map(json.loads, out)]
    assert sorted(name for event, name in events if event == "finished") == names
    assert sum(event == "started" for event, _ in events) == 4
    assert attempts(tmp_path / "out") == [(name, "ok") for name in names]
    assert run("analyze", long, "--out", tmp_path / "local", *SLOWLY)[0] == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "local")


@pytest.mark.parametrize("times", [1, 2])
def test_an_interruption_leaves_nothing_half_written_and_nobody_working(
    machines: Machines, long: Path, tmp_path: Path, times: int
) -> None:
    running = machines.command(long, "--out", tmp_path / "out", *SLOWLY, *machines.on_ray)
    until(lambda: machines.workers_of(machines.first))
    for _ in range(times):
        time.sleep(0.1)
        os.killpg(running.pid, signal.SIGINT)
    code, _, err = ended(running)
    assert (code, err) == (130, ["fer-video: interrupted; nothing is left half-written"])
    assert all(verdict == "ok" for _, verdict in attempts(tmp_path / "out"))
    until(lambda: not machines.workers_of(machines.first))
    assert not machines.workers_of(machines.second)
    # who insists may leave something there, which the next run clears away
    assert times == 2 or not list((tmp_path / "out" / ".unfinished").glob(".*"))


def test_what_a_machine_lacks_is_told_with_its_name_before_any_work(
    machines: Machines, folder: Path, tmp_path: Path
) -> None:
    shutil.copytree(ROOT / "models" / "default", tmp_path / "models" / "ours")
    words = [folder / "in", "--out", tmp_path / "out", "--model", "ours"]
    code, out, (err,) = machines.analyze(*words, FER_VIDEO_MODELS=str(tmp_path / "models"))
    assert (code, out) == (12, [])
    assert err.startswith(f"fer-video: {socket.gethostname()} cannot take part: no model 'ours'")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_cluster_that_cannot_be_joined_gets_one_line(
    machines: Machines, folder: Path, tmp_path: Path
) -> None:
    token = tmp_path / "token"
    token.write_text(secrets.token_hex(32))
    words = [folder / "in", "--out", tmp_path / "out"]
    code, out, (err,) = machines.analyze(*words, RAY_AUTH_TOKEN_PATH=str(token))
    assert (code, out) == (12, [])
    assert err.startswith("fer-video: the cluster refuses this token: RAY_AUTH_MODE and")
    nobody = f"127.0.0.1:{free_port()}"
    refused = machines.command(*words, "--engine", "ray", "--ray-address", nobody)
    code, out, (err,) = ended(refused)
    assert (code, out) == (12, [])
    assert err.startswith(f"fer-video: nothing answers at {nobody} (connection refused)")
    client = machines.command(*words, "--engine", "ray", "--ray-address", "ray://127.0.0.1:1")
    assert ended(client)[0] == 2
    assert list((tmp_path / "out").iterdir()) == []


def test_a_machine_with_another_token_does_not_join(machines: Machines, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text(secrets.token_hex(32))
    stranger = machines.start_machine(
        f"--address={machines.address}", RAY_AUTH_TOKEN_PATH=str(token),
        RAY_gcs_server_port_wait_time_s="2",
    )  # fmt: skip
    assert stranger.wait(WAIT_S) != 0
    assert "Authentication token is missing or incorrect" in machines.log_of(stranger)
    machines.wait()


def test_without_a_cluster_one_is_started_on_this_machine_and_ends_with_the_run(
    started: Machines, folder: Path, tmp_path: Path
) -> None:
    alone = Path(tempfile.mkdtemp(prefix="fv"))
    before = {process.pid for process in started.processes()}
    try:
        running = started.command(
            folder / "in" / "c.mkv", "--out", tmp_path / "c.parquet", "--engine", "ray",
            RAY_TMPDIR=str(alone),
        )  # fmt: skip
        code, out, err = ended(running)
        assert (code, err, out[1]) == (0, [], f"wrote {tmp_path}/c.parquet")
        until(lambda: {process.pid for process in started.processes()} <= before)
    finally:
        shutil.rmtree(alone, ignore_errors=True)
