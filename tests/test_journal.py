"""What a run notes of its recordings, and what it clears away before."""

import os
from pathlib import Path

import pytest

from fer_video import manifest, weights
from fer_video.errors import Bug, FerVideoError, OutputError, VideoError, WorkerLost
from fer_video.events import Failed, Job, Remote
from fer_video.files import temporary_name
from fer_video.inputs import Source
from fer_video.jobs import FolderOutputs, Plan, jobs_for
from fer_video.journal import Ledger, begin, noted

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


def test_a_run_clears_away_what_was_left_where_it_writes_and_nowhere_else(tmp_path: Path) -> None:
    """The folder of results may be any: one of recordings, or one of single timelines."""
    plan = Plan(out=tmp_path, wanted=FolderOutputs(videos=True, plots=True))
    jobs = jobs_for([Source("visits/a.mp4", HERE)], plan)
    own = {path.parent for path in jobs[0].outputs} | {jobs[0].scratch, tmp_path}
    left = {folder: folder / temporary_name(Path("a.mp4")) for folder in {*own, tmp_path / "2024"}}
    for folder, path in left.items():
        folder.mkdir(parents=True, exist_ok=True)
        path.touch()
        os.utime(path, (0, 0))
    begin(Ledger(tmp_path / manifest.MANIFEST_FILE), jobs, "", weights.find("default"))
    assert {folder for folder, path in left.items() if not path.exists()} == own
