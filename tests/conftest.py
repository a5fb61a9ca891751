"""Fixtures; the vocabulary of pictures and videos is in ``tests/scenes.py``."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

os.environ.pop("FER_VIDEO_MODELS", None)  # tests are of the models that ship

RECORDINGS = Path(__file__).resolve().parents[2] / "shared" / "recordings"


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Return the folder of real recordings; where there is none, the test is skipped."""
    if not RECORDINGS.is_dir():
        pytest.skip("needs the real recordings in ../shared/recordings")
    return RECORDINGS


@pytest.fixture(scope="session")
def consult(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the example scene: two real faces, 20 s; the left person is away from 8 to 14 s."""
    path = tmp_path_factory.mktemp("consult") / "consult.mp4"
    script = Path(__file__).resolve().parents[1] / "examples" / "make_consult.py"
    subprocess.run([sys.executable, str(script), str(path)], check=True)
    return path
