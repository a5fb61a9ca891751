"""Start-up, and a search, without the noise of the libraries below."""

import logging
import os
import re
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

_NOISE = re.compile(
    rb"^(WARNING: All log messages before absl::InitializeLog"  # always followed by an I or W
    rb"|(\d{4}-\d\d-\d\d [\d:.]+: )?I[ \d]"  # information, in TensorFlow's and in absl's form
    rb"|To enable the following instructions"
    rb"|W[ \d].*tf_tfl_flatbuffer_helpers.*\] Ignored"  # settings that its converter has no use for
    rb"|W[ \d].*flatbuffer_export.*\] Skipping runtime version metadata"
    rb"|fully_quantize: \d"  # what its converter says of its work
    rb"|INFO: Created TensorFlow Lite XNNPACK delegate"  # LiteRT's kernels for CPUs
    rb"|.*Unable to register cu\w+ factory"  # two copies of one plug-in: harmless
    rb"|.*computation placer already registered"
    rb"|\[\d{4}-\d\d-\d\d [\d:,]+ [IWE] \d"  # Ray's core; what fails is an error in Python, too
    rb"|.*cuInit:"  # no GPU is no error; --device gpu reports it
    rb")"
)


@contextmanager
def quiet_startup() -> Iterator[None]:
    """Hold stderr back, below Python, and pass on at the end all but known start-up noise.

    Threads may overlap: the first holds it back, the last passes it on. Where there is no stderr,
    or no room to hold what comes, all is as if this were not there.
    """
    _STDERR.hold()
    try:
        yield
    finally:
        _STDERR.release()


class _Stderr:
    """The process's stderr, of which there is one for all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._n_users = 0
        self._held: IO[bytes] | None = None
        self._stderr = -1

    def hold(self) -> None:
        with self._lock:
            self._n_users += 1
            if self._n_users == 1:
                self._begin()

    def release(self) -> None:
        with self._lock:
            self._n_users -= 1
            if not self._n_users and self._held is not None:
                self._end(self._held)

    def _begin(self) -> None:
        _flush()
        try:
            self._stderr = os.dup(2)
        except OSError:  # it is closed
            return
        try:
            self._held = tempfile.TemporaryFile()  # noqa: SIM115  # closed at the end
        except OSError:  # the disk is full, or there is no folder for it
            os.close(self._stderr)
            return
        os.dup2(self._held.fileno(), 2)

    def _end(self, held: IO[bytes]) -> None:
        _flush()
        os.dup2(self._stderr, 2)
        os.close(self._stderr)
        self._held = None
        with held:
            held.seek(0)
            real = b"".join(line for line in held if line.strip() and not _NOISE.match(line))
        if real:
            os.write(2, real)


_STDERR = _Stderr()


def _flush() -> None:
    if sys.stderr is not None:  # as it is where the program was started without one
        sys.stderr.flush()


@contextmanager
def quiet_retracing() -> Iterator[None]:
    """Drop TensorFlow's warning of graphs made anew, where each of many nets needs its own."""

    def is_other(record: logging.LogRecord) -> bool:
        return "tf.function retracing" not in record.getMessage()

    logger = logging.getLogger("tensorflow")
    logger.addFilter(is_other)
    try:
        yield
    finally:
        logger.removeFilter(is_other)
