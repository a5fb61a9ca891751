"""The real data, where it is at hand."""

import numpy as np
import pytest

from fer_video.learn.dataset import TEST, TRAIN, VALIDATION, Faces
from tests.learn.faces import FER2013, votes


@pytest.fixture(scope="session")
def fer2013() -> Faces:
    if not FER2013.is_dir():
        pytest.skip("needs FER2013 in ../shared/data/fer2013")
    parts = [np.load(FER2013 / f"fer2013-{part}.npz") for part in (1, 2, 3, 4)]
    images, labels, usage, ferplus = (
        np.concatenate([part[name] for part in parts])
        for name in ("images", "labels", "usage", "ferplus")
    )
    ferplus = np.where(ferplus == 255, np.array(votes(NF=10)), ferplus).astype(np.int64)
    split = np.array([TRAIN, VALIDATION, TEST])[usage]
    return Faces(images, labels.astype(np.int64), split, ferplus)
