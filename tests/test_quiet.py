import logging
import subprocess
import sys

import pytest

from fer_video.quiet import quiet_retracing

NOISE = b"""\
WARNING: All log messages before absl::InitializeLog() is called are written to STDERR
I0000 00:00:1795192769.437547    2511 port.cc:153] oneDNN custom operations are on.
2026-11-20 16:29:30.123456: I tensorflow/core/platform/cpu_feature_guard.cc:210] optimized
W0000 00:00:1795208172.667473   12416 tf_tfl_flatbuffer_helpers.cc:364] Ignored output_format.
INFO: Created TensorFlow Lite XNNPACK delegate for CPU.
To enable the following instructions: AVX2 AVX512F, rebuild TensorFlow.
E0000 00:00:1795194225.634745    9476 cuda_platform.cc:52] failed call to cuInit: UNKNOWN ERROR
"""
REAL = b"W0000 00:00:1795194225.634745    9476 allocator.cc:1] memory is nearly exhausted\n"


def run(code: str) -> bytes:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stderr


def test_start_up_noise_is_held_back_and_real_warnings_pass() -> None:
    code = f"""
from fer_video.quiet import quiet_startup
import os
with quiet_startup():
    os.write(2, {NOISE + REAL!r})
"""
    assert run(code) == REAL


def test_loading_the_model_prints_nothing() -> None:
    code = """
from fer_video.classify import load_classifier
from fer_video.options import ClassifyOptions
load_classifier(ClassifyOptions())
"""
    assert run(code) == b""


def test_an_error_during_start_up_is_not_swallowed() -> None:
    code = """
from fer_video.quiet import quiet_startup
try:
    with quiet_startup():
        raise ValueError("seen")
except ValueError as error:
    print(error, file=__import__("sys").stderr)
"""
    assert run(code) == b"seen\n"


def test_threads_may_overlap() -> None:
    code = """
from fer_video.quiet import quiet_startup
import os, threading
inside, left = threading.Event(), threading.Event()
def other():
    with quiet_startup():
        inside.set()
        left.wait()
        os.write(2, b"from the other\\n")
thread = threading.Thread(target=other)
with quiet_startup():
    thread.start()
    inside.wait()
left.set()
thread.join()
os.write(2, b"after\\n")
"""
    assert run(code) == b"from the other\nafter\n"


@pytest.mark.parametrize(
    "hinder",
    [
        "os.close(2); sys.stderr = None",
        "import tempfile; tempfile.tempdir = '/nowhere'",
    ],
    ids=["no stderr", "no room"],
)
def test_without_a_place_for_what_is_held_back_all_goes_on(hinder: str) -> None:
    code = f"""
import os, sys
from fer_video.quiet import quiet_startup
{hinder}
with quiet_startup():
    print("done")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"done\n"


def test_of_tensorflow_s_warnings_only_that_of_new_graphs_is_dropped(caplog) -> None:
    logger = logging.getLogger("tensorflow")
    with quiet_retracing():
        logger.warning("5 out of the last 13 calls triggered tf.function retracing.")
        logger.warning("memory is nearly exhausted")
    logger.warning("6 out of the last 13 calls triggered tf.function retracing.")
    assert [record.getMessage()[0] for record in caplog.records] == ["m", "6"]
