"""A Ray cluster for tests: each machine is a group of processes with ports of its own."""

import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import psutil

from tests.test_remote import KEY, SECRET

ROOT = Path(__file__).resolve().parents[1]
WAIT_S = 300.0
"""Nothing here takes a tenth of it, unless the machine is very busy."""
Ended = tuple[int, list[str], list[str]]
"""Exit code of a command, and the sorted lines of its stdout and stderr."""
PARTS = [
    "node-manager",
    "object-manager",
    "dashboard-agent-grpc",
    "dashboard-agent-listen",
    "runtime-env-agent",
    "metrics-export",
]


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
        return "Ray runtime started" in self.log_of(machine)

    def log_of(self, machine: subprocess.Popen[bytes]) -> str:
        return self._logs[machine.pid].read_text()

    def command(self, *words: object, **env: str) -> subprocess.Popen[str]:
        """Begin to analyze, in a group of processes of its own, as a shell does."""
        return self._begin(["-m", "fer_video", "analyze", *words], env)

    def script(self, folder: Path, code: str, *words: object) -> subprocess.Popen[str]:
        """Begin to run a script."""
        path = folder / "script.py"
        path.write_text(code)
        return self._begin([path, *words], {})

    def _begin(self, words: list[object], env: dict[str, str]) -> subprocess.Popen[str]:
        return self._begun.enter_context(
            subprocess.Popen(
                [sys.executable, *map(str, words)], env={**self.env, **env}, cwd=self.folder,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
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
    return told(process.returncode, out, err)


def told(code: int, out: str, err: str) -> Ended:
    """Put into order what a command told, without how it shared the recordings out."""
    lines = [line for line in err.splitlines() if not line.startswith("analyzing ")]
    return code, sorted(out.splitlines()), sorted(lines)
