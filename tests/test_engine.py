"""One contract for every engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fer_video.engine import Engine
from fer_video.errors import Bug, ModelError, VideoError
from fer_video.events import Advanced, Event, Failed, Finished, Job, Started, Summary
from fer_video.options import WorkOptions
from fer_video.processes import ProcessEngine

SUMMARY = Summary(1.0, 25, 25, 0, 0, 1, 1, None)


def job(name: str) -> Job:
    return Job(Path(name), name, Path(f"{name}.parquet"))


def work(one: Job) -> Iterator[Event]:
    yield Advanced(one, "analyze", 0.5, 1.0)
    if one.name == "broken.mp4":
        raise VideoError(one.recording, "damaged")
    if one.name == "bug.mp4":
        raise ZeroDivisionError("of all things")
    if one.name == "nothing.mp4":
        raise ModelError("there is no model")
    yield Finished(one, SUMMARY)


@pytest.fixture(params=[1, 2], ids=["one process", "two processes"])
def engine(request: pytest.FixtureRequest) -> Engine:
    return ProcessEngine(request.param, WorkOptions())


def test_every_recording_has_its_events_in_order(engine: Engine) -> None:
    events = list(engine.run(work, [job("a.mp4"), job("b.mp4")]))
    for name in ("a.mp4", "b.mp4"):
        kinds = [type(event) for event in events if event.job.name == name]
        assert kinds == [Started, Advanced, Finished]


def test_a_broken_recording_stops_nothing(engine: Engine) -> None:
    events = list(engine.run(work, [job("broken.mp4"), job("b.mp4")]))
    (failed,) = (event for event in events if isinstance(event, Failed))
    assert str(failed.error) == "cannot read broken.mp4: damaged"
    assert Finished(job("b.mp4"), SUMMARY) in events


def test_a_bug_costs_one_recording_and_is_told_with_its_traceback(engine: Engine) -> None:
    events = list(engine.run(work, [job("bug.mp4"), job("b.mp4")]))
    (failed,) = (event for event in events if isinstance(event, Failed))
    assert isinstance(failed.error, Bug)
    assert "cannot analyze bug.mp4: ZeroDivisionError: of all things" in str(failed.error)
    assert "in work" in str(failed.error)
    assert Finished(job("b.mp4"), SUMMARY) in events


def test_what_every_recording_would_meet_ends_the_run(engine: Engine) -> None:
    with pytest.raises(ModelError, match="there is no model"):
        list(engine.run(work, [job("nothing.mp4"), job("b.mp4")]))
