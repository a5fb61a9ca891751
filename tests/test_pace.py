from pathlib import Path

import pytest

from fer_video.errors import VideoError
from fer_video.events import (
    Advanced,
    Event,
    Failed,
    Finished,
    Job,
    Made,
    Resumed,
    Skipped,
    Started,
    Summary,
    Waiting,
)
from fer_video.files import Fingerprint
from fer_video.pace import Pace

SEEN = Summary(12.0, 300, 300, 0, 0, 1, 1, None)


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def recording(folder: Path, name: str, n_bytes: int = 500, video: Path | None = None) -> Job:
    path = folder / name
    path.write_bytes(bytes(n_bytes))
    return Job(path, name, folder / f"{name}.parquet", video)


def test_recordings_at_once_add_up(tmp_path) -> None:
    first, second = (recording(tmp_path, name) for name in ("a.mp4", "b.mp4"))
    pace = Pace([first, second], Clock())
    together: list[Event] = [
        Started(first),
        Started(second),
        Advanced(first, "analyze", 6.0, 12.0),
        Advanced(second, "analyze", 3.0, 12.0),
        Advanced(first, "analyze", 9.0, 12.0),
        Finished(second, SEEN),
        Finished(first, SEEN),
    ]
    shown = []
    for event in together:
        pace.update(event)
        shown.append(pace.share)
    assert shown == [0, 0, 0.25, 0.375, 0.5, 0.875, 1]
    assert (pace.n_done, pace.n_failed, pace.running) == (2, 0, [])


def test_analysis_and_annotation_are_half_of_the_work_each(tmp_path) -> None:
    job = recording(tmp_path, "a.mp4", video=tmp_path / "a.annotated.mp4")
    pace = Pace([job], Clock())
    shares = []
    pace.update(Started(job))
    for stage, done_s in (("analyze", 6.0), ("analyze", 12.0), ("annotate", 6.0)):
        pace.update(Advanced(job, stage, done_s, 12.0))  # type: ignore[arg-type]
        shares.append(pace.share)
    assert shares == [0.25, 0.5, 0.75]
    assert pace.running[0].stage == "annotate"


def test_the_time_left_is_that_of_the_bytes_left_at_the_pace_so_far(tmp_path) -> None:
    clock = Clock()
    long, short = recording(tmp_path, "a.mp4", 3000), recording(tmp_path, "b.mp4", 1000)
    pace = Pace([long, short], clock)
    pace.update(Started(long))
    assert pace.left_s is None
    pace.update(Advanced(long, "analyze", 0.0, 100.0))
    clock.now_s = 10.0
    pace.update(Advanced(long, "analyze", 50.0, 100.0))
    assert pace.left_of(pace.running[0]) == pytest.approx(10.0)
    assert pace.left_s == pytest.approx(2500 * 10 / 1500)
    assert pace.recording_s_per_s == pytest.approx(5.0)


def test_what_was_done_before_does_not_make_the_pace_look_fast(tmp_path) -> None:
    clock = Clock()
    jobs = [recording(tmp_path, f"{name}.mp4", 1000) for name in "abcd"]
    pace = Pace(jobs, clock)
    pace.update(Skipped(jobs[0], SEEN, Made(Fingerprint(1, "s"), "default", "m", {})))
    assert pace.left_s is None
    pace.update(Started(jobs[1]))
    pace.update(Advanced(jobs[1], "analyze", 30.0, 100.0))  # on the way to where it goes on
    pace.update(Resumed(jobs[1], 60.0))
    pace.update(Advanced(jobs[1], "analyze", 60.0, 100.0))
    clock.now_s = 8.0
    pace.update(Advanced(jobs[1], "analyze", 80.0, 100.0))
    assert pace.left_of(pace.running[0]) == pytest.approx(8.0)
    assert pace.left_s == pytest.approx((2000 + 200) * 8 / 200)
    assert pace.recording_s_per_s == pytest.approx(20 / 8)


def test_a_failure_is_done_too(tmp_path) -> None:
    job = recording(tmp_path, "a.mp4")
    pace = Pace([job], Clock())
    pace.update(Started(job))
    pace.update(Failed(job, VideoError(job.recording, "damaged")))
    assert (pace.n_done, pace.n_failed, pace.share, pace.left_s) == (1, 1, 1.0, 0.0)


def test_a_recording_without_a_duration_has_no_share(tmp_path) -> None:
    job = recording(tmp_path, "a.mp4")
    pace = Pace([job], Clock())
    pace.update(Started(job))
    pace.update(Advanced(job, "analyze", 5.0, None))
    assert pace.running[0].share is None
    assert pace.left_of(pace.running[0]) is None


def test_a_recording_that_waits_for_a_machine_has_not_ended(tmp_path) -> None:
    job = recording(tmp_path, "a.mp4")
    pace = Pace([job], Clock())
    pace.update(Waiting(job))
    assert (pace.n_done, pace.share) == (0, 0)
