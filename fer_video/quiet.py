"""Start-up, and a search, without the noise of the libraries below."""

import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_NOISE = re.compile(
    rb"^(WARNING: All log messages before absl::InitializeLog"  # always followed by an I or W
    rb"|(\d{4}-\d\d-\d\d [\d:.]+: )?I[ \d]"  # information, in TensorFlow's and in absl's form
    rb"|To enable the following instructions"
    rb"|W[ \d].*tf_tfl_flatbuffer_helpers.*\] Ignored"  # settings that its converter has no use for
    rb"|INFO: Created TensorFlow Lite XNNPACK delegate"  # LiteRT's kernels for CPUs
    rb"|.*Unable to register cu\w+ factory"  # two copies of one plug-in: harmless
    rb"|.*computation placer already registered"
    rb"|\[\d{4}-\d\d-\d\d [\d:,]+ [IWE] \d"  # Ray's core; what fails is an error in Python, too
    rb"|.*cuInit:"  # no GPU is no error; --device gpu reports it
    rb")"
)


@contextmanager
def quiet_startup() -> Iterator[None]:
    """Hold stderr back, below Python, and pass on at the end all but known start-up noise."""
    sys.stderr.flush()
    with tempfile.TemporaryFile() as held:
        stderr = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            real = b"".join(line for line in held if line.strip() and not _NOISE.match(line))
            if real:
                os.write(2, real)


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
