"""Files of a data set: below a folder, or inside a zip that is read where it lies."""

import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from fer_video.errors import DataError, reason_of

MAX_UNPACKED_BYTES = 32 * 2**30
"""Of all files of an archive, as it declares: a million faces in JPEG files of 32 KiB."""
MAX_RATIO = 100
"""Of declared to packed size: pixels as text shrink to a third, images hardly at all; what shrinks
to a hundredth says the same thing again and again."""

DAMAGED = (
    zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, NotImplementedError,
)  # fmt: skip
"""What reading a file inside an archive raises beside ``OSError``."""

_ENCRYPTED, _NAMED_IN_UTF8 = 0x1, 0x800
"""Bits of a zip entry's flags."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a data set."""

    name: PurePosixPath
    """Its path inside the data set."""
    n_bytes: int
    """Its size; an entry of an archive never gives more than it declares."""
    open: Callable[[], IO[bytes]]


def entries_below(folder: Path) -> Iterator[Entry]:
    """List the files below a folder; links to folders are followed, if they do not lead around.

    Raises:
        DataError: A folder cannot be read.
    """
    return (_entry(folder, file) for file in _files_below(folder, frozenset()))


def _files_below(folder: Path, around: frozenset[Path]) -> Iterator[Path]:
    here = folder.resolve()
    if here in around:
        return
    try:
        inside = list(folder.iterdir())
        folders = [path for path in inside if path.is_dir()]
        files = [path for path in inside if path.is_file()]
    except OSError as error:
        raise DataError(folder, f"it cannot be read ({reason_of(error)})") from error
    yield from files
    for path in folders:
        yield from _files_below(path, around | {here})


def _entry(folder: Path, file: Path) -> Entry:
    name = PurePosixPath(file.relative_to(folder).as_posix())
    return Entry(name, file.stat().st_size, lambda: file.open("rb"))


@contextmanager
def entries_inside(path: Path) -> Iterator[list[Entry]]:
    """List the files inside a zip; they can be read while the context is open.

    Nothing is unpacked to disk. Even so an archive is refused as a whole when one of its names
    leads out of it: who made it meant harm, or made it of another folder than they thought.

    Raises:
        DataError: It is no zip, encrypted, a bomb, or a name in it leads elsewhere.
    """
    try:
        archive = zipfile.ZipFile(path)
    except (OSError, ValueError, *DAMAGED) as error:
        raise DataError(path, f"not a zip archive, or a damaged one ({error})") from error
    with archive:
        files = [info for info in archive.infolist() if not info.is_dir()]
        if any(info.flag_bits & _ENCRYPTED for info in files):
            raise DataError(path, "it is encrypted; unpack it and name the folder")
        _refuse_bombs(path, files)
        yield [
            Entry(_name_inside(path, info), info.file_size, partial(archive.open, info))
            for info in files
        ]


def _refuse_bombs(path: Path, files: list[zipfile.ZipInfo]) -> None:
    # declared sizes are enough: zipfile stops reading an entry there, and finds its sum wrong
    unpacked = sum(info.file_size for info in files)
    if unpacked > MAX_UNPACKED_BYTES:
        reason = f"more than {MAX_UNPACKED_BYTES / 2**30:.0f} GiB"
        raise DataError(path, f"it would unpack to {reason}; unpack it and name the folder")
    if unpacked > MAX_RATIO * path.stat().st_size:
        reason = f"more than {MAX_RATIO} times its size"
        raise DataError(path, f"it would unpack to {reason}, as only a zip bomb does")


def _name_inside(path: Path, info: zipfile.ZipInfo) -> PurePosixPath:
    # as Windows reads it: it knows both slashes, which some programs mix, and drive letters
    name = PureWindowsPath(_true_name(info))
    if name.drive or name.root or ".." in name.parts:
        raise DataError(path, f"the name {info.filename!r} in it leads out of the archive")
    return PurePosixPath(*name.parts)


def _true_name(info: zipfile.ZipInfo) -> str:
    """Decode the names that macOS writes in UTF-8 without saying so."""
    if info.flag_bits & _NAMED_IN_UTF8:
        return info.filename
    try:
        return info.filename.encode("cp437").decode("utf-8")
    except UnicodeError:  # they were in the encoding that zip files had at first
        return info.filename
