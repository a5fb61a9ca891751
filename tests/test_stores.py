"""Stores behind addresses, on fsspec's file system in memory; S3 itself is in test_remote."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fer_video import stores
from fer_video.errors import DiskFull, MissingExtra, OptionError, OutputError, VideoError
from fer_video.inputs import find_recordings, single_file

fsspec = pytest.importorskip("fsspec", reason='needs pip install "fer-video[remote]"')


@pytest.fixture
def store() -> Iterator[object]:
    """Return an empty store, in which addresses start with ``memory://``."""
    memory = fsspec.filesystem("memory")
    yield memory
    memory.rm("/", recursive=True)


def fill(store, *keys: str) -> None:
    for key in keys:
        store.pipe_file(key, b"12345")


def names(*words: str, out: str = "memory://lab/results") -> dict[str, str]:
    return {source.name: str(source) for source in find_recordings(words, out)}


def test_recordings_below_a_prefix_are_named_by_their_path_there(store) -> None:
    fill(store, "/lab/v/b.MP4", "/lab/v/a/talk.mov", "/lab/v/notes.txt", "/lab/v/.hid/a.mp4",
         "/lab/v/._a.mp4", "/lab/visits/c.mp4")  # fmt: skip
    expected = {"a/talk.mov": "memory://lab/v/a/talk.mov", "b.MP4": "memory://lab/v/b.MP4"}
    assert names("memory://lab/v") == names("memory://lab/v/") == expected
    assert names("memory://lab/v/b.MP4", "memory://lab/v") == expected
    assert single_file(["memory://lab/v/b.MP4"]) is None


def test_earlier_results_below_a_prefix_are_no_recordings(store) -> None:
    fill(store, "/lab/a.mp4", "/lab/results/videos/a.mp4.mp4", "/lab/results2/b.mp4",
         "/lab/old/manifest.jsonl", "/lab/old/videos/a.mp4.mp4")  # fmt: skip
    assert list(names("memory://lab/old")) == ["videos/a.mp4.mp4"]
    assert list(names("memory://lab")) == ["a.mp4", "results2/b.mp4"]
    with pytest.raises(OutputError, match="it is an input, too"):
        names("memory://lab", out="memory://lab")


def test_what_is_not_there_is_said(store) -> None:
    fill(store, "/lab/v/notes.txt")
    with pytest.raises(VideoError, match="memory://lab/v: no recording lies below this address"):
        names("memory://lab/v")
    with pytest.raises(VideoError, match=r"memory://lab/a\.mp4: the store has no such object"):
        names("memory://lab/a.mp4")


def test_a_list_may_name_what_lies_on_a_store(store, tmp_path: Path) -> None:
    fill(store, "/lab/v/a.mp4")
    (tmp_path / "list.txt").write_text("memory://lab/v/a.mp4\n")
    assert names(f"@{tmp_path / 'list.txt'}") == {"a.mp4": "memory://lab/v/a.mp4"}


def test_a_file_comes_over_as_it_is(store, tmp_path: Path) -> None:
    content = bytes(range(256)) * 40_000
    store.pipe_file("/lab/a.mp4", content)
    (tmp_path / "room").write_bytes(bytes(len(content)))
    for name in ("new", "room"):
        done = list(stores.fetch("memory://lab/a.mp4", len(content), tmp_path / name))
        assert (tmp_path / name).read_bytes() == content
        assert done[-1] == len(content)
        assert len(done) > 1


@pytest.mark.parametrize("said", [4, 6])
def test_a_file_that_is_not_as_long_as_the_store_said_is_refused(store, tmp_path, said) -> None:
    fill(store, "/lab/a.mp4")
    with pytest.raises(VideoError, match="it changed while it was copied"):
        list(stores.fetch("memory://lab/a.mp4", said, tmp_path / "a.mp4"))
    assert (tmp_path / "a.mp4").stat().st_size <= said


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_full_disk_is_no_fault_of_the_recording(store, tmp_path: Path) -> None:
    fill(store, "/lab/a.mp4")
    (tmp_path / "a.mp4").symlink_to("/dev/full")
    with pytest.raises(DiskFull, match=r"cannot write .*a\.mp4: the disk is full"):
        list(stores.fetch("memory://lab/a.mp4", 5, tmp_path / "a.mp4"))


def test_a_file_that_is_put_replaces_the_old_one_and_leaves_nothing_beside(store, tmp_path) -> None:
    (tmp_path / "t.csv").write_text("rows")
    assert not stores.find("memory://lab/r/t.csv")
    for _ in range(2):
        stores.put(tmp_path / "t.csv", "memory://lab/r/t.csv")
    assert stores.find("memory://lab/r/t.csv")
    assert store.find("/lab") == ["/lab/r/t.csv"]
    assert store.cat_file("/lab/r/t.csv") == b"rows"


def test_a_store_that_fails_for_a_moment_is_not_taken_for_an_empty_one(store, monkeypatch) -> None:
    fill(store, "/lab/r/manifest.jsonl")

    def fail(self, path, **_):
        raise ConnectionResetError

    monkeypatch.setattr(type(store), "info", fail)
    with pytest.raises(OutputError, match=r"cannot be reached .* \(ConnectionResetError\)"):
        stores.find("memory://lab/r/manifest.jsonl")


def test_a_file_that_is_replaced_while_it_is_copied_is_copied_anew(
    store, tmp_path, monkeypatch
) -> None:
    fill(store, "/lab/r/manifest.jsonl")
    path, found = tmp_path / "m", stores.find
    sizes = iter((9, 4, 5))

    def find(address):
        return replace(found(address), size_bytes=next(sizes))

    monkeypatch.setattr(stores, "find", find)
    stores.fetch_if_there("memory://lab/r/manifest.jsonl", path)
    assert path.read_bytes() == b"12345"
    sizes = iter((9, 4, 4))
    with pytest.raises(VideoError, match="it changed while it was copied"):
        stores.fetch_if_there("memory://lab/r/manifest.jsonl", path)


def test_a_name_with_a_question_mark_keeps_what_follows_it(monkeypatch) -> None:
    kind = fsspec.get_filesystem_class("ftp")
    monkeypatch.setattr(kind, "__init__", lambda self, **_: None)  # which would connect
    monkeypatch.delattr(kind, "__del__")
    keys = {stores._open(f"ftp://host/r/what? ({n}).mp4")[1] for n in (1, 2)}
    assert keys == {"/r/what? (1).mp4", "/r/what? (2).mp4"}


def test_why_s3_refuses_is_told_by_its_code(store) -> None:
    cause = Exception()
    cause.response = {"Error": {"Code": "InvalidObjectState"}}
    with (
        pytest.raises(VideoError, match="it is archived: have the store restore it first"),
        stores._told(VideoError, "memory://lab/a.mp4"),
    ):
        raise PermissionError from cause


def test_a_store_is_tried_before_any_work_and_left_as_it_was(store) -> None:
    stores.check_writable("memory://lab/results")
    assert store.find("/") == []
    fill(store, "/file")
    with pytest.raises(OutputError, match="cannot write memory://file/results"):
        stores.check_writable("memory://file/results")


def test_an_address_that_nothing_can_read_is_refused() -> None:
    with pytest.raises(OptionError, match="no package that is installed reads nobody://"):
        stores.files_at("nobody://lab/a.mp4")
    with pytest.raises(OptionError, match=r"gs:// needs a package of its own: .*gcsfs"):
        stores.files_at("gs://lab/a.mp4")


def test_without_the_extra_the_remedy_is_told() -> None:
    code = """
import sys
sys.modules["fsspec"] = None
from fer_video.stores import files_at
try:
    files_at("s3://lab/a.mp4")
except Exception as error:
    print(type(error).__name__, error)
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    text = 'MissingExtra s3:// needs more packages: pip install "fer-video[remote]"'
    assert shown.stdout.strip() == text
    assert MissingExtra.exit_code == 5
