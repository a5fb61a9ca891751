"""What a run notes of its recordings, and what it clears away before."""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from fer_video import journal, manifest, stores, weights
from fer_video.errors import (
    Bug,
    FerVideoError,
    OptionError,
    OutputError,
    VideoError,
    WorkerLost,
)
from fer_video.events import Failed, Job, Remote
from fer_video.files import temporary_name
from fer_video.inputs import Source
from fer_video.jobs import FolderOutputs, Plan, jobs_for
from fer_video.journal import Ledger, begin, noted, open_ledger
from fer_video.manifest import Attempt

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


def of_size(n_bytes: int, **more: object) -> Job:
    remote = replace(ON_A_STORE, size_bytes=n_bytes)
    return Job(HERE, "a.mp4", Path("a.parquet"), remote=remote, **more)


def test_a_failure_forgets_nothing_that_an_earlier_attempt_knew(tmp_path: Path) -> None:
    path = tmp_path / manifest.MANIFEST_FILE
    path.touch()
    before = Attempt(recording="a.mp4", verdict="ok", when=manifest.now(), source_bytes=7,
                     source_sha256="ab", source_version="v1")  # fmt: skip
    for size_bytes, known in ((7, ("ab", "v1")), (8, ("", ""))):
        job = of_size(size_bytes, earlier=before)
        list(noted([Failed(job, VideoError(HERE, "no room"))], Ledger(path)))
        told = manifest.attempts(path)["a.mp4"]
        assert (told.source_bytes, told.source_sha256, told.source_version) == (size_bytes, *known)


def test_a_store_that_refuses_the_manifest_for_a_moment_costs_nothing(
    tmp_path: Path, monkeypatch
) -> None:
    sent: list[int] = []
    refuses = iter((False, True, False))

    def put(path: Path, address: str) -> str:
        if next(refuses):
            raise OutputError(address, "the store denies access")
        sent.append(len(path.read_text().splitlines()))
        return ""

    monkeypatch.setattr(stores, "put", put)
    monkeypatch.setattr(journal, "_PAUSES", 0)
    monkeypatch.setattr(stores, "fetch_if_there", lambda address, path: path.touch())
    job = Job(HERE, "a.mp4", Path("a.parquet"))
    with open_ledger("s3://lab/out") as ledger:
        for _ in range(2):
            list(noted([Failed(job, VideoError(HERE, "no room"))], ledger))
    assert sent == [1, 2]


def test_another_recording_of_the_same_name_is_refused_with_the_remedy(tmp_path: Path) -> None:
    ledger, model = Ledger(tmp_path / manifest.MANIFEST_FILE), weights.find("default")
    begin(ledger, [of_size(7)], "day 1", model)
    begin(ledger, [of_size(8)], "day 1", model)  # the same, by now longer
    begin(ledger, [of_size(8)], "day 1 and more", model)
    other = of_size(9)
    with pytest.raises(OptionError, match=r"a\.mp4 in these results is of other inputs"):
        begin(ledger, [other], "day 2", model)
    forced = replace(other, output=replace(other.output, force=True))
    assert begin(ledger, [forced], "day 2", model)


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
