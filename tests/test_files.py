import errno
import hashlib
import os
import stat
from pathlib import Path

import pytest

from fer_video.errors import OutputError
from fer_video.files import (
    check_output,
    check_suffix,
    hashed,
    remove_leftovers,
    sha256_of,
    whole_file,
)


def test_a_file_appears_whole_and_under_its_name_only_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "new" / "result.csv"
    with whole_file(path) as temporary:
        temporary.write_text("rows")
        assert not path.exists()
    assert path.read_text() == "rows"
    assert list(path.parent.iterdir()) == [path]


def test_a_new_result_replaces_the_old_one_in_one_step(tmp_path: Path) -> None:
    # written into the old file instead, a reader would see it half-done, and so would this link
    path, link = tmp_path / "result.csv", tmp_path / "link.csv"
    path.write_text("old")
    link.hardlink_to(path)
    with whole_file(path) as temporary:
        temporary.write_text("new")
    assert (path.read_text(), link.read_text()) == ("new", "old")


def test_a_result_is_safe_on_disk_and_so_is_its_name(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "result.csv"
    synced = []

    def noted(opened: int) -> None:
        synced.append((os.fstat(opened).st_ino, path.exists()))

    monkeypatch.setattr("os.fsync", noted)
    with whole_file(path) as temporary:
        temporary.write_text("rows")
    assert synced == [(path.stat().st_ino, False), (tmp_path.stat().st_ino, True)]


def test_a_file_system_that_cannot_sync_a_folder_holds_results_all_the_same(
    tmp_path: Path, monkeypatch
) -> None:
    sync = os.fsync

    def refused(opened: int) -> None:
        if stat.S_ISDIR(os.fstat(opened).st_mode):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        sync(opened)

    monkeypatch.setattr("os.fsync", refused)
    with whole_file(tmp_path / "result.csv") as temporary:
        temporary.write_text("rows")
    assert (tmp_path / "result.csv").read_text() == "rows"


def test_an_unfinished_file_may_lie_elsewhere(tmp_path: Path) -> None:
    path, scratch = tmp_path / "results" / "a.csv", tmp_path / "scratch"
    with whole_file(path, scratch) as temporary:
        temporary.write_text("rows")
        assert temporary.parent == scratch
        assert list(path.parent.iterdir()) == []
    assert path.read_text() == "rows"
    assert list(scratch.iterdir()) == []


def test_what_a_killed_process_left_is_removed_after_a_day(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "talk.v2.mp4"
    old, new = (_name_of_a_temporary_file(path) for _ in range(2))
    for name in (old, new):
        (path.parent / name).touch()
    os.utime(path.parent / old, (0, 0))
    remove_leftovers(tmp_path)
    assert {left.name for left in path.parent.iterdir()} == {"talk.v2.mp4", new}


def _name_of_a_temporary_file(path: Path) -> str:
    with whole_file(path) as temporary:
        temporary.touch()
    return temporary.name


@pytest.mark.parametrize(
    "name",
    [
        "talk.v2.0123abcd.mp4",
        ".hidden.mp4",
        ".cam.20240115.mp4",
        "._visit.20240115.csv",  # which macOS writes beside visit.20240115.csv
        ".fer-video-notes.mp4",
    ],
)
def test_what_somebody_else_hid_is_not_removed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    os.utime(tmp_path / name, (0, 0))
    remove_leftovers(tmp_path)
    assert (tmp_path / name).exists()


@pytest.mark.parametrize("size_bytes", [0, 3, 8 * 2**20, 20_000_000])
def test_the_sha_256_of_a_large_file_is_taken_in_parts(tmp_path: Path, size_bytes: int) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"a" * size_bytes)
    assert sha256_of(path) == hashlib.sha256(path.read_bytes()).hexdigest()
    assert len(list(hashed(path))) == size_bytes // (8 * 2**20)


def _stop_after(_: object, stop: type[BaseException]) -> None:
    raise stop


@pytest.mark.parametrize("stop", [RuntimeError, KeyboardInterrupt])
def test_an_interrupted_file_leaves_nothing_and_the_old_one_stays(tmp_path, stop) -> None:
    path = tmp_path / "result.csv"
    path.write_text("old")
    with pytest.raises(stop), whole_file(path) as temporary:
        _stop_after(temporary.write_text("half"), stop)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_written_is_named_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="is a file, not a folder"):
        check_output(tmp_path / "file" / "out.csv", "timeline", True, inputs=[])
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(OutputError, match="it is a folder; name a file"):
        check_output(tmp_path / "folder.csv", "timeline", True, inputs=[])


def test_an_existing_result_is_replaced_only_by_force(tmp_path: Path) -> None:
    path = tmp_path / "out.parquet"
    path.touch()
    with pytest.raises(OutputError, match="--force"):
        check_output(path, "timeline", False, inputs=[])
    check_output(path, "timeline", True, inputs=[])


def test_what_is_written_beside_a_csv_is_replaced_only_by_force_too(tmp_path: Path) -> None:
    (tmp_path / "out.csv.json").touch()
    with pytest.raises(OutputError, match=r"out\.csv\.json: it exists; use --force"):
        check_output(tmp_path / "out.csv", "timeline", False, inputs=[])
    check_output(tmp_path / "out.csv", "timeline", True, inputs=[])
    check_output(tmp_path / "out.csv", "report", False, inputs=[])


def test_not_even_force_overwrites_what_the_command_reads(tmp_path: Path) -> None:
    path = tmp_path / "talk.mp4"
    path.touch()
    with pytest.raises(OutputError, match="read by this very command"):
        check_output(tmp_path / "sub" / ".." / "talk.mp4", "video", True, inputs=[path])


def test_a_suffix_that_is_not_written_is_refused_with_those_that_are() -> None:
    check_suffix(Path("a.SVG"), "plot")
    with pytest.raises(OutputError, match=r"a plot ends in \.png or \.svg or \.pdf"):
        check_suffix(Path("a.bmp"), "plot")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(OutputError, match="cannot write"),
        whole_file(tmp_path / "file" / "out.csv") as temporary,
    ):
        temporary.touch()


@pytest.mark.parametrize("letter", ["x", "\N{GRINNING FACE}"])
def test_a_file_may_have_the_longest_name_that_there_is(tmp_path: Path, letter: str) -> None:
    stem = letter * (247 // len(letter.encode()))
    path = tmp_path / f"{stem}.parquet"
    with whole_file(path) as temporary:
        temporary.write_text("rows")
    assert path.read_text() == "rows"
