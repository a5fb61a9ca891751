"""One contract for every engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fer_video.engine import Engine, SerialEngine
from fer_video.errors import VideoError
from fer_video.events import Advanced, Event, Failed, Finished, Job, Started, Summary

SUMMARY = Summary(1.0, 25, 25, 0, 0, 1, 1, None)


def job(name: str) -> Job:
    return Job(Path(name), name, Path(f"{name}.parquet"))


def work(one: Job) -> Iterator[Event]:
    yield Advanced(one, "analyze", 0.5, 1.0)
    if one.name == "broken.mp4":
        raise VideoError(one.recording, "damaged")
    if one.name == "bug.mp4":
        raise ZeroDivisionError
    yield Finished(one, SUMMARY)


@pytest.fixture(params=[SerialEngine])
def engine(request: pytest.FixtureRequest) -> Engine:
    return request.param()


def test_every_recording_has_its_events_in_order(engine: Engine) -> None:
    events = list(engine.run(work, [job("a.mp4"), job("b.mp4")]))
    for name in ("a.mp4", "b.mp4"):
        kinds = [type(event) for event in events if event.job.name == name]
        assert kinds == [Started, Advanced, Finished]


def test_a_broken_recording_stops_nothing(engine: Engine) -> None:
    events = list(engine.run(work, [job("broken.mp4"), job("b.mp4")]))
    (failed,) = (event for event in events if isinstance(event, Failed))
    assert str(failed.error) == "cannot read broken.mp4: damaged"
    assert events[-1] == Finished(job("b.mp4"), SUMMARY)


def test_a_bug_is_not_swallowed(engine: Engine) -> None:
    with pytest.raises(ZeroDivisionError):
        list(engine.run(work, [job("bug.mp4")]))
