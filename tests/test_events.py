import pickle
from pathlib import Path

from fer_video.errors import VideoError
from fer_video.events import Failed, Finished, Job, Made, Skipped, Summary
from fer_video.files import Fingerprint
from fer_video.manifest import Attempt, Output

OUTPUT = Output(1, "s", "w")
EARLIER = Attempt(
    recording="a.mp4", verdict="ok", outputs={"timeline": OUTPUT}, when="2025-03-01T12:00:00+00:00"
)


def job(earlier: Attempt | None = EARLIER) -> Job:
    return Job(Path("a.mp4"), "a.mp4", Path("a.parquet"), earlier=earlier)


def test_every_event_reaches_another_process_as_it_was() -> None:
    summary = Summary(1.0, 25, 25, 0, 0, 1, 1, None)
    made = Made(Fingerprint(5, "r"), "default", "m", {"timeline": OUTPUT})
    for event in (
        Finished(job(), summary, made, "other options", frozenset(["plot"])),
        Skipped(job(), summary, made),
    ):
        again = pickle.loads(pickle.dumps(event))
        assert again == event
        assert again.job.earlier == EARLIER
    failed = pickle.loads(pickle.dumps(Failed(job(), VideoError(Path("a.mp4"), "damaged"))))
    assert str(failed.error) == "cannot read a.mp4: damaged"


def test_a_job_is_the_same_whatever_an_earlier_run_made_of_it() -> None:
    assert job() == job(None)
    assert hash(job()) == hash(job(None))
