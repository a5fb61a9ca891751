"""How much of a file its own parts say is missing."""

from pathlib import Path

import pytest

from fer_video import headers
from fer_video.headers import missing_bytes


def riff(content: bytes, size: int | None = None, kind: bytes = b"AVI ") -> bytes:
    size = len(kind + content) if size is None else size
    return b"RIFF" + size.to_bytes(4, "little") + kind + content


def box(name: bytes, content: bytes = b"", size: int | None = None) -> bytes:
    return (8 + len(content) if size is None else size).to_bytes(4, "big") + name + content


def large_box(name: bytes, content: bytes, size: int | None = None) -> bytes:
    size = 16 + len(content) if size is None else size
    return box(name, size.to_bytes(8, "big") + content, size=1)


OPENDML = riff(b"x" * 100) + riff(b"x" * 101 + b"\0", 105, b"AVIX") + riff(b"x" * 100, kind=b"AVIX")
MOVIE = (
    box(b"ftyp", b"qt  ") + box(b"wide") + large_box(b"mdat", b"x" * 80) + box(b"moov", b"x" * 40)
)
FRAGMENTS = box(b"ftyp", b"isom") + 3 * (box(b"moof", b"x" * 20) + box(b"mdat", b"x" * 50))


@pytest.mark.parametrize("content", [OPENDML, MOVIE, FRAGMENTS], ids=["avi", "mov", "fragments"])
def test_each_missing_byte_is_told_while_the_part_that_has_it_has_begun(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "cut"
    path.write_bytes(content)
    assert missing_bytes(path) == 0
    for missing in (20, 30, 40):
        path.write_bytes(content[:-missing])
        assert missing_bytes(path) == missing
    path.write_bytes(content + b"\xff" * 50)
    assert missing_bytes(path) == 0
    path.write_bytes(content + b"\0" * 50)
    assert missing_bytes(path) == 0


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"RIFF",
        b"RIFF\0",
        riff(b"x" * 100, size=0),  # a recorder that was not closed
        riff(b"x" * 100, size=10),  # and one that had written a little by then
        riff(b"x" * 100, size=0xFFFFFFFF),  # a program that streams
        riff(b"x" * 100, size=0x7FFFFFFF),
        riff(b"x" * 100, size=0xFFFFFFFF - 8),
        riff(b"x" * 100, size=112),  # a program that counts the header, too
        riff(b"x" * 100) + riff(b"x" * 100, size=0, kind=b"AVIX"),
        box(b"ftyp", b"isom") + box(b"mdat", b"x" * 50, size=0),
        box(b"ftyp", b"isom") + box(b"mdat", size=1),  # its long size is not there
        box(b"ftyp", b"isom") + box(b"mdat", b"x" * 50, size=3),
        box(b"ftyp", b"isom") + box(b"seft", size=1000),
        b"GIF89a" + b"x" * 50,
        b"\x1aE\xdf\xa3\x01\xff\xff\xff\xff\xff\xff\xfe",  # a Matroska header without end
    ],
)
def test_what_says_nothing_true_of_its_size_misses_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd"
    path.write_bytes(content)
    assert missing_bytes(path) == 0


def test_a_size_beyond_all_files_is_only_a_number(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(box(b"ftyp", b"isom") + large_box(b"mdat", b"x" * 50, size=2**64 - 1))
    assert missing_bytes(path) == 2**64 - 1 - 66


def test_no_more_parts_are_looked_at_than_an_honest_file_has(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(headers, "_MOST_PARTS", 5)
    path = tmp_path / "a.mp4"
    path.write_bytes(FRAGMENTS[:-10])
    assert missing_bytes(path) == 0
