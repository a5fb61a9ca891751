"""The command on a Ray cluster of two machines, which are two groups of processes on this one."""

import importlib.util
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.scenes import Square, picture, steady, write_video
from tests.test_cli import run
from tests.test_remote import KEY, SECRET

if importlib.util.find_spec("ray") is None:
    pytest.skip('needs pip install "fer-video[ray]"', allow_module_level=True)
s3fs = pytest.importorskip("s3fs", reason='needs pip install "fer-video[remote]"')
moto_server = pytest.importorskip("moto.server", reason='needs pip install "fer-video[dev]"')

ROOT = Path(__file__).resolve().parents[1]
WAIT_S = 300.0
"""Nothing here takes a tenth of it, unless the machine is very busy."""
Ended = tuple[int, list[str], list[str]]
"""Exit code of a command, and the sorted lines of its stdout and stderr."""
PARTS = ["dashboard-agent-grpc", "dashboard-agent-listen", "runtime-env-agent", "metrics-export"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Machines:
    """Two machines of a cluster, and a store; all their processes carry a mark."""

    def __init__(self, folder: Path, store: str) -> None:
        self.folder = folder
        self.address = f"127.0.0.1:{free_port()}"
        self._mark = secrets.token_hex(8)
        self._begun = ExitStack()
        self._logs: dict[int, Path] = {}
        token = folder / "token"
        token.write_text(secrets.token_hex(32))
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
            "HOME": str(folder),
            "PYTHONPATH": str(ROOT),
            "FER_VIDEO_TEST_MACHINES": self._mark,
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_TMPDIR": str(folder),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            "AWS_ENDPOINT_URL": store,
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        port = self.address.split(":")[1]
        self._head = ["--head", f"--port={port}", "--include-dashboard=false",
                      f"--temp-dir={folder}/r",
                      f"--ray-client-server-port={free_port()}"]  # fmt: skip
        self.first = self.start_machine(*self._head)
        self.second = self.start_machine(f"--address={self.address}")

    def start_machine(self, *words: str, **env: str) -> subprocess.Popen[bytes]:
        """Start one with a core of its own."""
        port = free_port()
        start = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *words,
                 "--num-cpus=1", "--object-store-memory=100000000", "--disable-usage-stats",
                 f"--min-worker-port={port}", f"--max-worker-port={port + 50}"]  # fmt: skip
        # a machine that has to find out the ports of its own parts may give up while it is busy
        start += [f"--{part}-port={free_port()}" for part in PARTS]
        path = self.folder / f"machine-{port}.log"
        with path.open("wb") as log:
            machine = self._begun.enter_context(
                subprocess.Popen(
                    start, stdout=log, stderr=log, cwd=self.folder, env={**self.env, **env}
                )
            )
        self._logs[machine.pid] = path
        return machine

    def wait(self) -> None:
        """Wait until both are there; start anew what was lost, or gave up on a busy machine."""
        until(self._starts_first)
        until(self._starts_second)

    def _starts_first(self) -> bool:
        if self.first.poll() is not None:
            self.first = self.start_machine(*self._head)
        return self._is_up(self.first)

    def _starts_second(self) -> bool:
        if self.second.poll() is not None:
            self.second = self.start_machine(f"--address={self.address}")
        return self._is_up(self.second)

    def _is_up(self, machine: subprocess.Popen[bytes]) -> bool:
        return "Ray runtime started" in self._logs[machine.pid].read_text()

    def command(self, *words: object, **env: str) -> subprocess.Popen[str]:
        """Begin to analyze, in a group of processes of its own, as a shell does."""
        start = [sys.executable, "-m", "fer_video", "analyze", *map(str, words)]
        return self._begun.enter_context(
            subprocess.Popen(
                start, env={**self.env, **env}, cwd=self.folder, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
            )
        )  # fmt: skip

    def analyze(self, *words: object, **env: str) -> Ended:
        """Analyze on the cluster."""
        return ended(self.command(*words, *self.on_ray, **env))

    @property
    def on_ray(self) -> list[str]:
        return ["--engine", "ray", "--ray-address", self.address]

    def processes(self) -> list[psutil.Process]:
        """Find all that was started here, also what left its parent."""
        found = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("FER_VIDEO_TEST_MACHINES") == self._mark:
                    found.append(process)
            except psutil.Error:
                continue
        return found

    def workers_of(self, machine: subprocess.Popen[bytes]) -> list[psutil.Process]:
        """Find the child processes in which recordings are worked on."""
        children = psutil.Process(machine.pid).children(recursive=True)
        return [child for child in children if _is_worker(child)]

    def end(self) -> None:
        """Kill all of it, whatever it does."""
        while left := self.processes():
            kill(left)
        self._begun.close()


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.Error:  # it is over
        return False


def kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        try:
            process.kill()
        except psutil.Error:
            continue
    psutil.wait_procs(processes, timeout=10)


def kill_machine(machine: subprocess.Popen[bytes]) -> None:
    """Take the power away: its raylet and all workers are gone at once."""
    kill([*psutil.Process(machine.pid).children(recursive=True), psutil.Process(machine.pid)])
    machine.wait()


def until(holds: Callable[[], object]) -> None:
    end_s = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < end_s, "waited in vain"
        time.sleep(0.1)


def ended(process: subprocess.Popen[str]) -> Ended:
    out, err = process.communicate(timeout=WAIT_S)
    return process.returncode, sorted(out.splitlines()), sorted(err.splitlines())


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
    code, out, err = run("analyze", folder / "in", "--out", folder / "out")
    (folder / "out").rename(folder / "local")
    return code, sorted(out.splitlines()), sorted(err.splitlines())


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
    store.mkdir("lab")
    store.put(str(folder / "in"), "lab/in", recursive=True)
    found = machines.analyze("s3://lab/in", "--spool", tmp_path, "--out", "s3://lab/out")
    named = [[line.replace(str(folder), "s3://lab") for line in lines] for lines in local[1:]]
    assert found == (local[0], *named)
    made = store.find("lab/out/timelines")
    assert {path.removeprefix("lab/out/timelines/"): store.cat(path) for path in made} == contents(
        folder / "local"
    )


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
        for name, outcome in outcomes(list(engine.run(work, jobs))).items():
            print(f"{name}: {outcome}")
"""


def test_what_crashes_hangs_or_is_killed_gets_the_verdict_that_one_machine_gives(
    machines: Machines, tmp_path: Path
) -> None:
    script = tmp_path / "verdicts.py"
    script.write_text(VERDICTS)
    names = ["hang", "crash", "killed_once", "last"]
    ran = subprocess.run(
        [sys.executable, str(script), str(tmp_path), machines.address, *names],
        env=machines.env, cwd=tmp_path, capture_output=True, text=True, timeout=WAIT_S,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    outcomes = dict(line.split(".mp4: ", 1) for line in ran.stdout.splitlines())
    assert outcomes["hang"].endswith("there was no progress for 6 s; see --max-stall")
    assert "its process crashed (SIGSEGV); the file is damaged" in outcomes["crash"]
    assert (outcomes["killed_once"], outcomes["last"]) == ("finished", "finished")


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
    told = [(line["event"], line["recording"]) for line in map(json.loads, out)]
    assert sorted(name for event, name in told if event == "finished") == names
    assert sum(event == "started" for event, _ in told) == 4
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
