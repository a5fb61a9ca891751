"""Disks that are full, read-only, or gone: one line, the right code, and nothing lost."""

import errno
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fer_video import read_timeline
from fer_video.batch import analyze_job
from fer_video.engine import attempt
from fer_video.errors import DiskFull, OutputError, cannot_write
from fer_video.events import Advanced, Failed, Job
from fer_video.manifest import MANIFEST_FILE
from fer_video.timeline import check_whole
from tests.corpus import noise, video
from tests.scenes import steady
from tests.test_cli import files, run

FULL = "the disk is full: make room, and the same command goes on"
SIZE_KB = 1024


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a disk of a megabyte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_KB}k", "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs an administrator")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def leave_free(disk: Path, left_kb: int) -> None:
    """Fill a disk up to some room."""
    free = shutil.disk_usage(disk).free
    (disk / "full").write_bytes(bytes(free - left_kb * 1024))


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    # the largest is first
    for name, n_frames in [("a.mp4", 60), ("b.mp4", 40)]:
        video(steady(n_frames), draw=noise)(folder / name)
    return folder


@pytest.mark.parametrize("name", ["t.parquet", "t.csv"])
def test_a_full_disk_is_told_in_one_line_and_keeps_no_part(
    recordings: Path, disk: Path, name: str
) -> None:
    leave_free(disk, 0)
    code, out, err = run("analyze", recordings / "a.mp4", "--out", disk / name)
    assert (code, out) == (6, "")
    assert err == f"fer-video: cannot write {disk / name}: {FULL}\n"
    assert files(disk) == ["full"]


def test_a_video_for_which_there_is_no_room_costs_no_timeline(recordings: Path, disk: Path) -> None:
    leave_free(disk, 64)
    timeline, drawn = disk / "t.parquet", disk / "v.mp4"
    code, _, err = run("analyze", recordings / "a.mp4", "--out", timeline, "--video", drawn)
    assert (code, err) == (6, f"fer-video: cannot write {drawn}: {FULL}\n")
    assert files(disk) == ["full", "t.parquet"]
    assert len(read_timeline(timeline)) == 60


def test_a_run_that_fills_the_disk_ends_at_once_and_goes_on_when_there_is_room(
    recordings: Path, disk: Path
) -> None:
    out, words = disk / "out", ("--videos", "--jobs", 1)
    leave_free(disk, 64)
    code, _, err = run("analyze", recordings, "--out", out, *words)
    assert code == 6
    assert err.splitlines()[1:] == [
        f"fer-video: cannot write {out / 'videos' / 'a.mp4.mp4'}: {FULL}"
    ]
    assert files(out) == [MANIFEST_FILE, "timelines/a.mp4.parquet"]
    check_whole(out / "timelines" / "a.mp4.parquet", "a.mp4")
    (disk / "full").unlink()
    code, said, _ = run("analyze", recordings, "--out", out, *words)
    assert code == 0
    # the timeline is kept
    assert f"wrote {out / 'videos' / 'a.mp4.mp4'}\n" in said


def test_a_run_whose_manifest_has_no_room_says_so_and_begins_nothing(
    recordings: Path, disk: Path
) -> None:
    leave_free(disk, 0)
    code, said, err = run("analyze", recordings, "--out", disk / "out")
    assert (code, said) == (6, "")
    assert err == f"fer-video: cannot write {disk / 'out' / MANIFEST_FILE}: {FULL}\n"


@pytest.mark.parametrize("name", ["t.parquet", "folder"])
def test_a_disk_that_is_read_only_is_told_before_any_work(
    recordings: Path, disk: Path, name: str
) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    named = recordings if name == "folder" else recordings / "a.mp4"
    code, said, err = run("analyze", named, "--out", disk / name)
    assert (code, said) == (6, "")
    assert err.startswith(f"fer-video: cannot write {disk / name}")
    assert err.endswith(("may not be written to\n", "read-only file system\n"))


def test_results_whose_folder_is_removed_meanwhile_fail_by_themselves(
    recordings: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    job = Job(recordings / "a.mp4", "a.mp4", out / "a.parquet", scratch=out / ".unfinished")
    *_, last = events_with(job, lambda: shutil.rmtree(out, ignore_errors=True))
    assert isinstance(last, Failed)
    assert isinstance(last.error, OutputError)
    assert str(last.error) == (
        f"cannot write {out / 'a.parquet'}: its folder was removed while it was written"
    )
    assert files(tmp_path) == []


def test_a_run_whose_results_are_removed_meanwhile_ends_with_one_line(
    recordings: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ["analyze", recordings, "--out", out, "--jobs", 1, "--quiet"]
    command = [sys.executable, "-m", "fer_video", *map(str, words)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        while not list(out.glob(".unfinished/*")):
            time.sleep(0.01)
        while out.exists():  # what is being written may come back at once
            shutil.rmtree(out, ignore_errors=True)
        err = running.communicate()[1]
    assert running.returncode == 6
    assert err == (
        f"fer-video: cannot write {out / MANIFEST_FILE}: it was removed while the run went on; "
        "the same command makes all anew\n"
    )


def events_with(job: Job, then) -> Iterator[object]:
    """Do a job; something happens after the first second of it."""
    for event in attempt(analyze_job, job):
        if isinstance(event, Advanced):
            then()
        yield event


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_quota_that_is_used_up_is_a_full_disk(number: int) -> None:
    error = cannot_write("a.parquet", OSError(number, os.strerror(number)))
    assert isinstance(error, DiskFull)
    assert str(error) == f"cannot write a.parquet: {FULL}"
