import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CLASSIFY_ON_AUTO = """
import os
import sys
from fer_video.classify import load_classifier
from fer_video.gpu import driver_sees_gpu
from fer_video.options import ClassifyOptions
sees = driver_sees_gpu()
print(sees, load_classifier(ClassifyOptions()).device, "keras" in sys.modules)
print(os.environ.get("TF_FORCE_GPU_ALLOW_GROWTH"))
"""


@pytest.fixture
def driver(tmp_path: Path):
    """Build a driver that starts and counts as told, and can do nothing else."""
    compiler = shutil.which("cc")
    if sys.platform != "linux" or compiler is None:
        pytest.skip("needs Linux and a C compiler")

    def build(started: int, count: int) -> Path:
        source = tmp_path / "driver.c"
        source.write_text(
            f"int cuInit(unsigned flags) {{ return {started}; }}\n"
            f"int cuDeviceGetCount(int *count) {{ *count = {count}; return 0; }}\n"
        )
        library = tmp_path / "libcuda.so.1"
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
        return tmp_path

    return build


def classified_on(libraries: Path, **words: str) -> list[str]:
    environment = os.environ | {"LD_LIBRARY_PATH": str(libraries)}
    environment.pop("TF_FORCE_GPU_ALLOW_GROWTH", None)  # set where this process has loaded Keras
    environment |= words
    command = [sys.executable, "-c", CLASSIFY_ON_AUTO]
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return shown.stdout.splitlines()


@pytest.mark.parametrize(("started", "count"), [(100, 1), (0, 0)])
def test_keras_is_not_asked_where_the_driver_sees_no_gpu(driver, started: int, count: int) -> None:
    assert classified_on(driver(started, count)) == ["False cpu:0 False", "None"]


def test_a_gpu_that_keras_cannot_use_is_left_alone(driver) -> None:
    assert classified_on(driver(0, 1))[0] == "True cpu:0 True"


def test_no_process_takes_a_gpu_for_itself_unless_told_to(driver) -> None:
    gpu = driver(0, 1)
    assert classified_on(gpu)[1] == "true"
    assert classified_on(gpu, TF_FORCE_GPU_ALLOW_GROWTH="false")[1] == "false"
