"""Fixtures; the vocabulary of pictures and videos is in ``tests/scenes.py``."""

from pathlib import Path

import pytest

RECORDINGS = Path(__file__).resolve().parents[2] / "shared" / "recordings"


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Return the folder of real recordings; where there is none, the test is skipped."""
    if not RECORDINGS.is_dir():
        pytest.skip("needs the real recordings in ../shared/recordings")
    return RECORDINGS
