"""Files: whole or absent, checked before work begins, known by their SHA-256."""

import hashlib
import os
import re
import secrets
import shutil
import time
from collections.abc import Collection, Generator, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from fer_video.errors import OutputError, VideoError, cannot_write, reason_of

T = TypeVar("T")
Kind = Literal["timeline", "video", "plot", "report", "table"]

_SUFFIXES: dict[Kind, tuple[str, ...]] = {
    "timeline": (".parquet", ".csv"),
    "video": (".mp4",),
    "plot": (".png", ".svg", ".pdf"),
    "report": (".json", ".md", ".csv"),
    "table": (".csv",),
}
"""The formats that we write."""

_TEMPORARY = re.compile(r"\..*\.fer-video-[0-9a-f]{8}(\.[^.]+)?", re.DOTALL)
"""What ``temporary_name`` gives, and nobody else: these are removed."""
_STEM_BYTES = 200
"""Of the name of a temporary file; file systems hold 255 for the whole of it."""
_LEFT_AFTER_S = 24 * 3600.0
"""A temporary file that nobody wrote to for so long is nobody's work any more."""
_PART_BYTES = 8 * 2**20
"""Read at a time."""
_UNFINISHED = re.compile(r"\.fer-video-[0-9a-f]{16}")
_ABANDONED_AFTER_S = 30 * 24 * 3600.0
"""Somebody may come back to unfinished work after a holiday; it takes little room."""


@contextmanager
def whole_file(path: Path, scratch: Path | None = None) -> Iterator[Path]:
    """Lend a temporary path; renamed to ``path`` on success, removed on any failure.

    Args:
        path: The file to write.
        scratch: Folder for the temporary file, on the same file system; None is beside ``path``.

    Raises:
        OutputError: The folder cannot be made or written, or the disk is full.
    """
    temporary = (scratch or path.parent) / temporary_name(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Lend a temporary folder; renamed to ``path`` on success, removed on any failure.

    Raises:
        OutputError: ``path`` exists, or cannot be made or written, or the disk is full.
    """
    temporary = unfinished_folder(path.parent, f"{path.name} {secrets.token_hex(8)}")
    try:
        if path.exists():
            raise OutputError(path, "it exists; name a new folder")
        temporary.mkdir(parents=True)
        yield temporary
        temporary.rename(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise cannot_write(path, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def temporary_name(path: Path) -> str:
    """Name a file that ``remove_leftovers`` finds if nobody else removes it.

    It is hidden, and has the suffix of ``path``, by which libraries choose the format.
    """
    stem = os.fsencode(path.stem)[:_STEM_BYTES].decode(errors="ignore")
    return f".{stem}.fer-video-{secrets.token_hex(4)}{path.suffix}"


def _sync_folder(folder: Path) -> None:
    """Let a new name outlast a power cut, where the system can do that."""
    with suppress(OSError):
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


def check_exists(path: Path) -> None:
    """Make sure that an input is there, whatever it is.

    Raises:
        VideoError: It is not, or may not be looked at.
    """
    try:
        path.stat()
    except FileNotFoundError as error:
        reason = "it is a link to a file that is gone" if path.is_symlink() else "no such file"
        raise VideoError(path, reason) from error
    except (OSError, ValueError) as error:  # a ValueError where there is a zero in the name
        raise VideoError(path, reason_of(error)) from error


@contextmanager
def being_read(path: Path) -> Iterator[None]:
    """Say what the system has against a recording that is looked at or read.

    Raises:
        VideoError: It went away, or cannot be read.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise VideoError(path, "it went away while it was read") from error
    except OSError as error:
        raise VideoError(path, reason_of(error)) from error


def unfinished_folder(parent: Path, work: str) -> Path:
    """Name a hidden folder for work that may be gone on with; see ``remove_leftovers``."""
    key = hashlib.sha256(work.encode(errors="surrogateescape")).hexdigest()
    return parent / f".fer-video-{key[:16]}"


def remove_leftovers(folder: Path, within: Collection[str] | None = None) -> None:
    """Remove what killed processes left in a folder: temporary files, and unfinished work.

    Temporary files of the last day, and work of the last month, stay.

    Args:
        folder: Where to look.
        within: The folders in it that are looked through, too; None is all.
    """
    for parent, folders, names in os.walk(folder):
        for name in filter(_TEMPORARY.fullmatch, names):
            left = Path(parent, name)
            with suppress(OSError):
                if _age_s(left) > _LEFT_AFTER_S:
                    left.unlink()
        for name in filter(_UNFINISHED.fullmatch, folders):
            left = Path(parent, name)
            with suppress(OSError):
                if _age_s(left) > _ABANDONED_AFTER_S:
                    shutil.rmtree(left)
        if within is not None and Path(parent) == folder:
            folders[:] = [name for name in folders if name in within]


def _age_s(path: Path) -> float:
    return time.time() - path.stat().st_mtime


def as_text(name: str) -> str:
    """Write bytes of a name that are no text as ``\\xff``: tables and stores hold text only."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def check_suffix(path: Path, kind: Kind) -> None:
    """Make sure that a path ends as files of its kind do.

    Raises:
        OutputError: It does not.
    """
    if path.suffix.lower() not in _SUFFIXES[kind]:
        raise OutputError(path, f"a {kind} ends in {' or '.join(_SUFFIXES[kind])}")


def is_csv(path: Path) -> bool:
    """Whether a timeline of this name is text."""
    return path.suffix.lower() == ".csv"


def json_beside(path: Path) -> Path:
    """Return where the provenance of a CSV lies."""
    return path.with_name(f"{path.name}.json")


def check_output(path: Path, kind: Kind, force: bool, inputs: Iterable[Path]) -> None:
    """Make sure, before any work, that ``path`` can be written and nothing kept is lost.

    So it is with the file beside it, if that is written too.

    Raises:
        OutputError: Its suffix does not fit, it is one of the inputs or a folder, it exists and
            ``force`` is false, or it lies where nothing can be written.
    """
    if os.path.isdir(path):  # which bears a folder that may not be looked into
        example = path / f"{kind}{_SUFFIXES[kind][0]}"
        raise OutputError(path, f"it is a folder; name a file in it, as {example}")
    check_suffix(path, kind)
    used = {os.path.realpath(source) for source in inputs}
    _check_place(path, force, used)
    if kind == "timeline" and is_csv(path):
        _check_place(json_beside(path), force, used)


def _check_place(path: Path, force: bool, used: Collection[str]) -> None:
    try:
        path.lstat()
    except OSError as error:
        if not isinstance(error, FileNotFoundError | NotADirectoryError):  # which come to it below
            raise OutputError(path, reason_of(error)) from error
    # unlike Path.resolve, realpath bears links that lead in a circle
    if os.path.realpath(path) in used:
        raise OutputError(path, "it is read by this very command; name another file")
    if path.is_dir():
        raise OutputError(path, "it is a folder; name a file")
    if path.exists() and not force:
        raise OutputError(path, "it exists; use --force to replace it")
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if not folder.is_dir():
        raise OutputError(path, f"{folder.name} is a file, not a folder")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise OutputError(path, f"the folder {folder.name or folder} may not be written to")


def state_of(path: Path) -> tuple[int, int, int]:
    """Say what is another one as soon as a file is written to or replaced."""
    found = path.stat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def sha256_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal."""
    return result_of(hashed(path))


def hashed(path: Path) -> Generator[None, None, str]:
    """SHA-256 of a file of any size; yields between its parts, as a sign of life."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(_PART_BYTES):
            digest.update(part)
            if len(part) == _PART_BYTES:
                yield
    return digest.hexdigest()


def result_of(steps: Generator[object, None, T]) -> T:
    """Take all steps, and return what they come to."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a file is known by."""

    size_bytes: int
    sha256: str
    """Of its content, in hexadecimal."""
