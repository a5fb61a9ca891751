"""Local copies in a folder of bounded size."""

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from fer_video.errors import OutputError, VideoError
from fer_video.events import Job, Remote
from fer_video.options import SpoolOptions
from fer_video.spool import give_back, spool_bytes, spool_folder, take_room

pytest.importorskip("filelock", reason='needs pip install "fer-video[remote]"')

MB = 10**6


def job(spool: Path, name: str, size_bytes: int, spool_size: int = 10 * MB) -> Job:
    copies = spool / name
    remote = Remote(copies, spool_size, f"s3://lab/{name}", size_bytes)
    return Job(copies / "recording" / name, name, Path("t.csv"), remote=remote)


def take(one: Job):
    """Take room, or return None where there is none yet."""
    waiting = take_room(one, one.remote)
    try:
        next(waiting)
    except StopIteration as end:
        return end.value
    waiting.close()
    return None


def test_room_is_held_as_long_as_the_recording_will_be(tmp_path: Path) -> None:
    one = job(tmp_path, "a.mp4", 6 * MB)
    held = take(one)
    assert one.recording.stat().st_size == 6 * MB
    give_back(one.remote, held)
    assert [path.name for path in tmp_path.iterdir()] == ["entrance.lock"]


def test_all_copies_together_stay_within_the_bound(tmp_path: Path) -> None:
    first, second, small = (job(tmp_path, *of) for of in [("a", 6 * MB), ("b", 6 * MB), ("c", MB)])
    held = take(first)
    assert take(second) is None
    give_back(small.remote, take(small))
    give_back(first.remote, held)
    assert take(second) is not None


def test_room_on_the_disk_is_promised_once(tmp_path: Path, monkeypatch) -> None:
    def free(size_bytes: int) -> None:
        usage = SimpleNamespace(free=size_bytes)
        monkeypatch.setattr("fer_video.spool.shutil.disk_usage", lambda _: usage)

    first, second, small = (
        job(tmp_path, *of, 100 * MB) for of in [("a", 8 * MB), ("b", 8 * MB), ("c", MB)]
    )
    free(10 * MB)
    held = take(first)
    assert take(second) is None
    first.recording.write_bytes(os.urandom(8 * MB))
    free(2 * MB)
    assert take(second) is None
    give_back(small.remote, take(small))
    give_back(first.remote, held)
    free(10 * MB)
    assert take(second) is not None


def test_a_file_that_goes_while_room_is_looked_for_is_passed_over(
    tmp_path: Path, monkeypatch
) -> None:
    stat = Path.stat

    def stat_of_what_goes(path: Path, **words) -> os.stat_result:
        about = stat(path, **words)
        if path.name == "half":
            path.unlink()
        return about

    held = take(job(tmp_path, "a.mp4", MB))
    (tmp_path / "a.mp4" / "half").touch()
    (tmp_path / "a.mp4" / "gone").symlink_to("nowhere")
    monkeypatch.setattr(Path, "stat", stat_of_what_goes)
    assert take(job(tmp_path, "b.mp4", MB)) is not None
    assert held is not None


def test_the_same_job_is_not_done_twice_at_once(tmp_path: Path) -> None:
    one = job(tmp_path, "a.mp4", MB)
    held = take(one)
    assert take(one) is None
    give_back(one.remote, held)
    assert take(one) is not None


def test_a_recording_larger_than_the_spool_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(VideoError) as refused:
        take(job(tmp_path, "a.mp4", 31_200 * MB, 20_000 * MB))
    assert str(refused.value) == (
        "cannot read s3://lab/a.mp4: it has 31.2 GB, more than the spool holds: "
        "raise --spool-gb, now 20"
    )


def test_a_recording_larger_than_the_disk_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="GB free: name another folder with --spool"):
        take(job(tmp_path, "a.mp4", 10**18, 10**19))


def test_what_a_killed_run_left_is_removed(tmp_path: Path) -> None:
    code = f"""
import sys, time
from pathlib import Path
from tests.test_spool import MB, job, take
held = take(job(Path({str(tmp_path)!r}), "a.mp4", 6 * MB))
print("held", flush=True)
time.sleep(60)
"""
    other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    with other, other.stdout:
        assert other.stdout.readline() == "held\n"
        one = job(tmp_path, "b.mp4", 6 * MB)
        assert take(one) is None
        other.send_signal(signal.SIGKILL)
    assert (tmp_path / "a.mp4").exists()
    held = take(one)
    assert {path.name for path in tmp_path.iterdir()} == {"b.mp4", "b.mp4.lock", "entrance.lock"}
    give_back(one.remote, held)


def test_the_spool_is_a_folder_of_the_user_alone(tmp_path: Path) -> None:
    options = SpoolOptions(folder=tmp_path / "new", size_gb=1.5)
    assert spool_bytes(options) == 1_500_000_000
    spool = spool_folder(options)
    one = job(spool, "a.mp4", MB)
    give_back(one.remote, take(one))
    assert spool.stat().st_mode & 0o777 == 0o700
    assert spool_folder(SpoolOptions()).name == spool.name


def test_a_spool_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path, target_is_directory=True)
    with pytest.raises(OutputError, match="it is somebody else's"):
        take(job(link, "a.mp4", MB))
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        (tmp_path / "other").mkdir()
        os.chown(tmp_path / "other", 12345, 12345)
        with pytest.raises(OutputError, match="it is somebody else's"):
            take(job(tmp_path / "other", "a.mp4", MB))


def test_a_spool_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=f"cannot write {tmp_path / 'file' / 'spool'}"):
        take(job(tmp_path / "file" / "spool", "a.mp4", MB))


def test_results_of_a_local_recording_need_no_room_ahead(tmp_path: Path) -> None:
    one = job(tmp_path, "a.mp4", 0)
    one = dataclasses.replace(one, remote=Remote(tmp_path / "a.mp4", MB, results="s3://lab/r"))
    held = take(one)
    assert (tmp_path / "a.mp4").is_dir()
    give_back(one.remote, held)
