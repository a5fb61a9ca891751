"""The engine of a cluster on a Ray that does nothing: what it says where nobody works."""

import time
from dataclasses import dataclass
from typing import Any, Self

import pytest

from fer_video import weights
from fer_video.errors import ClusterError
from fer_video.events import Waiting
from fer_video.nodes import needs_of
from fer_video.options import WorkOptions
from fer_video.tasks import ClusterEngine
from tests.test_engine import job, work

NEEDED = {"num_cpus": 2, "num_gpus": 0.5, "memory": 1e9}
ABLE = {"CPU": 16.0, "GPU": 1.0, "memory": 64e9}


@dataclass(eq=False)
class SilentRay:
    """Takes tasks, and tells of none of them until it is interrupted."""

    machines: list[dict[str, Any]]
    looks: int = 0

    def put(self, value: object) -> object:
        return value

    def remote(self, *_: object) -> Self:
        return self

    def options(self, **_: object) -> Self:
        return self

    def wait(self, streams: list[object], timeout: float) -> tuple[list[object], list[object]]:
        self.looks += 1
        if self.looks > 5:
            raise KeyboardInterrupt
        time.sleep(0.1)
        return [], streams

    def nodes(self) -> list[dict[str, Any]]:
        return self.machines


class TaskError(Exception):
    """What Ray raises where the code of a task cannot even be loaded."""


class UnfitRay(SilentRay):
    """Has one machine, on which no task can begin."""

    class exceptions:  # noqa: N801  # as Ray calls it
        RayTaskError, RayError, TaskCancelledError = TaskError, TaskError, KeyError

    def remote(self, *_: object) -> Any:
        return self if len(_) == 1 else iter(["answer"])

    def wait(self, streams: list[object], **_: object) -> tuple[list[object], list[object]]:
        return streams, []

    def get(self, _: object) -> None:
        raise TaskError("Traceback\nModuleNotFoundError: No module named 'fer_video'")


def test_a_machine_that_joins_and_cannot_run_fer_video_ends_the_run_with_the_remedy(
    tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    jobs = [job("a.mp4"), job("b.mp4")]
    with needs_of(jobs, weights.find("default")) as needs:
        engine = ClusterEngine(UnfitRay([]), WorkOptions(), needs, NEEDED, 1)
        with pytest.raises(ClusterError, match=r"cannot run fer-video .* No module .*: install"):
            list(engine.run(work, jobs))


def machine(alive: bool = True, **other: float) -> dict[str, Any]:
    return {"Alive": alive, "Resources": ABLE | other}


@pytest.mark.parametrize(
    ("machines", "times"),
    [
        ([], 2),
        ([machine(alive=False), machine(CPU=1), machine(GPU=0), machine(memory=5e8)], 2),
        ([machine(CPU=1), machine()], 0),
    ],
    ids=["none", "none that is able", "one"],
)
def test_a_run_that_no_machine_is_left_for_says_so_now_and_then(
    machines, times: int, tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("fer_video.tasks._SILENCE_S", 0.15)
    one, told = job("a.mp4"), []
    with needs_of([one], weights.find("default")) as needs:
        engine = ClusterEngine(SilentRay(machines), WorkOptions(), needs, NEEDED, 1)
        with pytest.raises(KeyboardInterrupt):
            told.extend(engine.run(work, [one]))
    assert told == [Waiting(one)] * times
