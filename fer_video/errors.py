"""Every deliberate error of fer-video, each with the exit code of the command that meets it.

An error passes the arguments of its ``__init__`` unchanged to ``super().__init__``, so that it
pickles and a worker process can report it.
"""

import errno
import re
from pathlib import Path

DAMAGED = "the file is damaged: copy it again from the camera, or convert it"
"""Cause and remedy, for the end of a reason."""

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def one_line(text: object) -> str:
    """Write a name on one line, whatever is in it: a name may hold what moves the cursor.

    >>> print(one_line(Path("two\\nlines.mp4")))
    two\\nlines.mp4
    """
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), str(text))


class FerVideoError(Exception):
    """Anything that fer-video reports in one line instead of a traceback."""

    exit_code = 1

    @property
    def cause(self) -> str:
        """What is wrong, in one line; where the error is about a file, without its name."""
        return _in_one_line(str(self))


def _in_one_line(text: str) -> str:
    # libraries end their sentences with a line break, or say them in several lines
    return one_line(" ".join(text.split()))


class OptionError(FerVideoError, ValueError):
    """An option has an impossible value."""

    exit_code = 2


def require(holds: bool, option: str, value: object, allowed: str) -> None:
    """Refuse the value of an option.

    Raises:
        OptionError: The condition does not hold.
    """
    if not holds:
        raise OptionError(f"{option} must be {allowed}, got {value}")


class _AboutFile(FerVideoError):
    """Something cannot be done with one file, for a reason that names the remedy."""

    _verb: str

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(path, reason)
        self.path = path
        """A path, or the address of something on a store."""
        self.reason = reason

    @property
    def cause(self) -> str:
        return _in_one_line(self.reason)

    def __str__(self) -> str:
        return f"cannot {self._verb} {one_line(self.path)}: {self.cause}"


class VideoError(_AboutFile):
    """A recording cannot be read."""

    exit_code = 3
    _verb = "read"


class ModelError(FerVideoError):
    """A trained model is missing, damaged or of the wrong kind."""

    exit_code = 4


class MissingExtra(FerVideoError, ImportError):
    """A part of fer-video needs packages that are not installed."""

    exit_code = 5

    def __init__(self, extra: str, purpose: str) -> None:
        super().__init__(extra, purpose)
        self.extra = extra
        self.purpose = purpose

    def __str__(self) -> str:
        return f'{self.purpose} needs more packages: pip install "fer-video[{self.extra}]"'


class OutputError(_AboutFile):
    """A result cannot be written."""

    exit_code = 6
    _verb = "write"


class DiskFull(OutputError):
    """There is no room for a result, and so none for those of other recordings."""


def cannot_write(path: Path | str, error: OSError) -> OutputError:
    """Say why the system refused to write a file."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFull(path, "the disk is full: make room, and the same command goes on")
    if error.errno == errno.ENOENT:
        return OutputError(path, "its folder was removed while it was written")
    return OutputError(path, reason_of(error))


def reason_of(error: OSError | ValueError) -> str:
    """Give what the system says is wrong, to stand within a sentence.

    >>> reason_of(PermissionError(13, "Permission denied"))
    'permission denied'
    """
    return (getattr(error, "strerror", None) or str(error)).lower()


class SomeFailed(FerVideoError):
    """Some recordings of a folder or list failed; the others are done."""

    exit_code = 7

    def __init__(self, failed: tuple[str, ...], total: int) -> None:
        super().__init__(failed, total)
        self.failed = failed
        self.total = total

    def __str__(self) -> str:
        count = f"{len(self.failed)} of {self.total} recordings failed"
        return f"{count} ({', '.join(map(one_line, self.failed))}); the others are done"


class WorkerLost(_AboutFile):
    """The process that worked on a recording died, or was ended because it broke a limit."""

    exit_code = 11
    _verb = "analyze"


class ClusterError(FerVideoError):
    """A cluster of machines cannot be reached, or one of them lacks what the work needs."""

    exit_code = 12


class Bug(_AboutFile):
    """The work on one recording failed in a way that nobody foresaw; the others go on."""

    _verb = "analyze"

    def __init__(self, path: Path | str, reason: str, trace: str) -> None:
        FerVideoError.__init__(self, path, reason, trace)
        self.path = path
        self.reason = reason
        self.trace = trace
        """The traceback in the process that it happened in."""

    @property
    def cause(self) -> str:
        return f"{super().cause}; this is a bug in fer-video, please report it"

    def __str__(self) -> str:
        return f"{super().__str__()}:\n{self.trace}"


class Partial(FerVideoError):
    """Something of a recording could not be had; its rows are kept and marked."""

    exit_code = 10

    def __init__(self, path: Path | str, loss: str) -> None:
        super().__init__(path, loss)
        self.path = path
        self.loss = loss

    def __str__(self) -> str:
        return f"{one_line(self.path)} is partial: {self.loss}; what could be read is kept"


class DataError(_AboutFile):
    """A data set or a timeline cannot be used."""

    exit_code = 8
    _verb = "use"


class TrainError(FerVideoError):
    """Training cannot go on."""

    exit_code = 9
