"""A folder of bounded size for local copies; what a killed run left in it is removed.

The copies of a job lie in a folder of their own, beside a file that the process locks while it
works on them. The system frees the lock of a process that dies, however it dies.
"""

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from fer_video.errors import MissingExtra, OutputError, VideoError, reason_of
from fer_video.events import Job, Remote
from fer_video.files import remove_leftovers
from fer_video.options import SpoolOptions

if TYPE_CHECKING:
    from filelock import FileLock

_GB = 1e9
_TRY_AGAIN_S = 0.5
_BLOCK_BYTES = 512
"""In which POSIX counts the room that a file takes."""


def spool_folder(options: SpoolOptions) -> Path:
    """Return the folder that all runs of this user on this machine share, and its bound."""
    user = os.getuid() if hasattr(os, "getuid") else os.getlogin()
    return (options.folder or Path(tempfile.gettempdir())).absolute() / f"fer-video-{user}"


def spool_bytes(options: SpoolOptions) -> int:
    """Return the bound of the spool in bytes."""
    return int(options.size_gb * _GB)


def take_room(job: Job, remote: Remote) -> Generator[None, None, "FileLock"]:
    """Wait for room for the copies of a job and hold it; yields while there is none.

    Returns:
        What holds the room, for ``give_back``.

    Raises:
        VideoError: The recording is larger than the spool or the disk.
        OutputError: The spool cannot be made or written.
        MissingExtra: The package that locks files is not installed.
    """
    if remote.size_bytes > remote.spool_bytes:
        raise VideoError(
            job.source,
            f"it has {remote.size_bytes / _GB:.1f} GB, more than the spool holds: "
            f"raise --spool-gb, now {remote.spool_bytes / _GB:g}",
        )
    try:
        _make_spool(remote.copies.parent)
        while (held := _try_to_take(job, remote)) is None:
            yield
            time.sleep(_TRY_AGAIN_S)
    except OSError as error:
        raise OutputError(remote.copies.parent, reason_of(error)) from error
    return held


def give_back(remote: Remote, held: "FileLock") -> None:
    """Remove the copies of a job and free their room."""
    with _lock(_entrance(remote.copies.parent)):
        shutil.rmtree(remote.copies, ignore_errors=True)
        _lock_file(remote.copies).unlink(missing_ok=True)
        held.release()


def _try_to_take(job: Job, remote: Remote) -> "FileLock | None":
    from filelock import Timeout

    spool = remote.copies.parent
    with _lock(_entrance(spool)):
        _remove_abandoned(spool)
        others = list(_copies(spool))
        others_bytes = sum(about.st_size for about in others)
        # what was promised to others and not copied yet is still free for the disk
        promised_bytes = sum(max(0, one.st_size - _BLOCK_BYTES * one.st_blocks) for one in others)
        free_bytes = shutil.disk_usage(spool).free - promised_bytes
        if not others_bytes and remote.size_bytes > free_bytes:
            reason = f"it has {remote.size_bytes / _GB:.1f} GB, and the disk of {spool} has only "
            reason += f"{free_bytes / _GB:.1f} GB free: name another folder with --spool"
            raise VideoError(job.source, reason)
        if others_bytes + remote.size_bytes > remote.spool_bytes:
            return None
        if remote.size_bytes > free_bytes:
            return None
        held = _lock(_lock_file(remote.copies))
        try:
            held.acquire(timeout=0)
        except Timeout:  # the same job is being done by another process
            return None
        remote.copies.mkdir()
        if remote.recording:
            _reserve(job.recording, remote.size_bytes)
        return held


def _copies(spool: Path) -> Iterator[os.stat_result]:
    """Describe the copies; checkpoints, which are hidden, wait for no job to end."""
    for copies in spool.iterdir():
        if not copies.name.startswith("."):
            for folder, _, names in os.walk(copies):
                for name in names:
                    with suppress(FileNotFoundError):  # their jobs rename and remove files
                        yield Path(folder, name).stat()


def _reserve(path: Path, n_bytes: int) -> None:
    """Make a file of that length, without content, for others to count."""
    path.parent.mkdir()
    with path.open("wb") as file:
        file.truncate(n_bytes)


def _make_spool(spool: Path) -> None:
    spool.mkdir(mode=0o700, parents=True, exist_ok=True)
    about = spool.lstat()
    # in a folder for everybody's temporary files, somebody else may have made it, or a link
    if not stat.S_ISDIR(about.st_mode) or (hasattr(os, "getuid") and about.st_uid != os.getuid()):
        raise OutputError(spool, "it is somebody else's: name another folder with --spool")
    remove_leftovers(spool)


def _remove_abandoned(spool: Path) -> None:
    """Remove the copies that no living process holds."""
    from filelock import Timeout

    for lock_file in spool.glob("*.lock"):
        if lock_file == _entrance(spool):
            continue
        try:
            with _lock(lock_file).acquire(timeout=0):
                shutil.rmtree(lock_file.with_suffix(""), ignore_errors=True)
                lock_file.unlink(missing_ok=True)
        except Timeout:
            continue


def _entrance(spool: Path) -> Path:
    """Return the file whose lock lets one process at a time look for room."""
    return spool / "entrance.lock"


def _lock_file(copies: Path) -> Path:
    return copies.with_name(f"{copies.name}.lock")


def _lock(path: Path) -> "FileLock":
    try:
        from filelock import FileLock
    except ModuleNotFoundError as error:
        raise MissingExtra("remote", "a local copy of a recording") from error
    # a generator may be resumed by another thread than the one that started it
    return FileLock(path, thread_local=False)
