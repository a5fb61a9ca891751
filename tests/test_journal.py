"""What the manifest says of recordings that failed."""

from pathlib import Path

import pytest

from fer_video import manifest
from fer_video.errors import Bug, FerVideoError, OutputError, VideoError, WorkerLost
from fer_video.events import Failed, Job, Remote
from fer_video.journal import Ledger, noted

HERE, ADDRESS = Path("/home/me/ward 3/a.mp4"), "s3://lab/visits/a.mp4"
ON_A_STORE = Remote(Path("/tmp/spool/1f"), 10**9, recording=ADDRESS)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (VideoError(HERE, "no such file"), "no such file"),
        (VideoError(ADDRESS, "the store denies access"), "the store denies access"),
        (WorkerLost(HERE, "its process was killed"), "its process was killed"),
        (WorkerLost(ADDRESS, "its process\ncrashed"), "its process crashed"),
        (
            OutputError(Path("/home/me/out/timelines/a.mp4.parquet"), "it is a folder"),
            "cannot write a.mp4.parquet: it is a folder",
        ),
        (OutputError("s3://lab/out/a.mp4.csv", "gone"), "cannot write a.mp4.csv: gone"),
        (
            Bug(HERE, f"KeyError: '{HERE}'", "Traceback (most recent call last):\n  File"),
            "KeyError: 'a.mp4'; this is a bug in fer-video, please report it",
        ),
        (FerVideoError(f"nobody\nknows {ADDRESS}"), "nobody knows a.mp4"),
    ],
)
def test_why_a_recording_failed_is_one_line_that_does_not_say_where_it_lies(
    tmp_path: Path, error: FerVideoError, reason: str
) -> None:
    path = tmp_path / manifest.MANIFEST_FILE
    job = Job(HERE, "a.mp4", Path("/home/me/out/timelines/a.mp4.parquet"), remote=ON_A_STORE)
    path.touch()
    list(noted([Failed(job, error)], Ledger(path)))
    assert manifest.attempts(path)["a.mp4"].reason == reason
