"""Jobs of what lies on a store, on fsspec's file system in memory."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fer_video.errors import OutputError, VideoError
from fer_video.events import Advanced, Event, Finished, Job, Summary
from fer_video.inputs import find_recordings
from fer_video.jobs import FolderOutputs, Plan, check_outputs, jobs_for
from fer_video.options import OutputOptions, SpoolOptions
from fer_video.transfer import on_copies

fsspec = pytest.importorskip("fsspec", reason='needs pip install "fer-video[remote]"')

SUMMARY = Summary(1.0, 25, 25, 0, 0, 1, 1, None)
LAB = "memory://lab"


@pytest.fixture
def store() -> Iterator[object]:
    """Return a store with one recording."""
    memory = fsspec.filesystem("memory")
    memory.pipe_file("/lab/in/p1/a.mp4", b"picture")
    yield memory
    memory.rm("/", recursive=True)


def planned(tmp_path: Path, word: str = f"{LAB}/in", out: str = f"{LAB}/out", **more) -> Job:
    spool = SpoolOptions(folder=tmp_path / "spool")
    plan = Plan(out=out, wanted=FolderOutputs(table="csv", plots=True), spool=spool, **more)
    (job,) = jobs_for(find_recordings([word], out), plan)
    return job


def write_results(job: Job) -> Iterator[Event]:
    """Write what the recording holds into each result, as the real work does into real ones."""
    yield Advanced(job, "analyze", 0.5, 1.0)
    content = job.recording.read_bytes()
    beside = job.timeline.with_name(f"{job.timeline.name}.json")
    for path in (job.timeline, beside, job.plot):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return Finished(job, SUMMARY)


def fail_late(error: BaseException):
    def work(job: Job) -> Iterator[Event]:
        yield next(write_results(job))
        list(write_results(job))
        raise error

    return work


def left_in(spool: Path) -> list[str]:
    return [path.name for path in spool.rglob("*") if path.name != "entrance.lock"][1:]


def done(work, job: Job) -> list[Event]:
    """Do a job; return what happened, its end included."""

    def all_events() -> Iterator[Event]:
        yield (yield from on_copies(work, job))

    return list(all_events())


def test_results_are_put_whole_and_no_copy_stays(store, tmp_path: Path) -> None:
    job = planned(tmp_path)
    *events, last = done(write_results, job)
    stages = [event.stage for event in events]
    assert "fetch" in stages[: stages.index("analyze")]
    assert last == Finished(job, SUMMARY)
    assert {path: store.cat_file(path) for path in store.find("/lab/out")} == {
        "/lab/out/plots/p1/a.mp4.png": b"picture",
        "/lab/out/timelines/p1/a.mp4.csv": b"picture",
        "/lab/out/timelines/p1/a.mp4.csv.json": b"picture",
    }
    assert left_in(tmp_path / "spool") == []


def test_what_is_thrown_in_reaches_the_work(store, tmp_path: Path) -> None:
    class Stopped(BaseException):
        pass

    kept = []

    def work(job: Job) -> Iterator[Event]:
        try:
            yield Advanced(job, "analyze", 0.5, 1.0)
        except Stopped:
            kept.append(job.recording.read_bytes())
            raise

    running = on_copies(work, planned(tmp_path))
    assert any(event.stage == "analyze" for event in running)
    with pytest.raises(Stopped):
        running.throw(Stopped)
    assert kept == [b"picture"]
    assert left_in(tmp_path / "spool") == []


def test_a_timeline_is_the_last_of_its_recording_to_appear(store, tmp_path, monkeypatch) -> None:
    put = []
    monkeypatch.setattr("fer_video.stores.put", lambda path, address: put.append(address) or "")
    done(write_results, planned(tmp_path))
    assert put[-1] == f"{LAB}/out/timelines/p1/a.mp4.csv"
    assert len(put) == 3


def test_work_that_fails_puts_nothing_and_leaves_nothing(store, tmp_path: Path) -> None:
    job = planned(tmp_path)
    for error in (VideoError(job.recording, "damaged"), KeyboardInterrupt(), ZeroDivisionError()):
        with pytest.raises(type(error)):
            list(on_copies(fail_late(error), job))
        assert store.find("/lab") == ["/lab/in/p1/a.mp4"]
        assert left_in(tmp_path / "spool") == []


def test_a_run_that_is_left_in_the_middle_leaves_nothing(store, tmp_path: Path) -> None:
    for n_events in (1, 2):
        running = on_copies(write_results, planned(tmp_path))
        for _ in range(n_events):
            next(running)
        running.close()
        assert store.find("/lab") == ["/lab/in/p1/a.mp4"]
        assert left_in(tmp_path / "spool") == []


def test_errors_name_what_the_user_named_and_not_its_copy(store, tmp_path: Path) -> None:
    job = planned(tmp_path)
    damaged = VideoError(job.recording, "damaged")
    with pytest.raises(VideoError, match=f"^cannot read {LAB}/in/p1/a.mp4: damaged$"):
        list(on_copies(fail_late(damaged), job))
    full = OutputError(job.timeline, "no space left on device")
    with pytest.raises(OutputError, match=f"^cannot write {LAB}/out/timelines/p1/a.mp4.csv: no "):
        list(on_copies(fail_late(full), job))
    assert left_in(tmp_path / "spool") == []


def test_a_recording_that_is_gone_meanwhile_is_said(store, tmp_path: Path) -> None:
    job = planned(tmp_path)
    store.rm("/lab/in/p1/a.mp4")
    with pytest.raises(VideoError, match=f"cannot read {LAB}/in/p1/a.mp4: the store has no such"):
        done(write_results, job)
    assert left_in(tmp_path / "spool") == []


def test_results_of_a_local_recording_can_be_put_too(store, tmp_path: Path) -> None:
    (tmp_path / "b.mp4").write_bytes(b"local")
    job = planned(tmp_path, str(tmp_path / "b.mp4"))
    done(write_results, job)
    assert store.cat_file("/lab/out/timelines/b.mp4.csv") == b"local"
    assert (tmp_path / "b.mp4").read_bytes() == b"local"
    assert left_in(tmp_path / "spool") == []


def test_a_result_that_exists_on_a_store_is_replaced_only_by_force(store, tmp_path: Path) -> None:
    store.pipe_file("/lab/out/timelines/p1/a.mp4.csv", b"old")
    with pytest.raises(OutputError, match=f"{LAB}/out/timelines/p1/a.mp4.csv: it exists; use --fo"):
        check_outputs(planned(tmp_path))
    check_outputs(planned(tmp_path, output=OutputOptions(force=True)))


def test_a_local_job_is_done_where_it_lies(tmp_path: Path) -> None:
    def work(job: Job) -> Iterator[Event]:
        yield Advanced(job, "analyze", 0.5, 1.0)
        return Finished(job, SUMMARY)

    job = Job(tmp_path / "a.mp4", "a.mp4", tmp_path / "t.csv")
    assert done(work, job) == [Advanced(job, "analyze", 0.5, 1.0), Finished(job, SUMMARY)]
    assert list(tmp_path.iterdir()) == []
