"""A net that trains in a moment, and the real data where it is at hand."""

from collections.abc import Iterator

import numpy as np
import pytest

from fer_video import nets
from fer_video.backend import keras
from fer_video.learn.dataset import TEST, TRAIN, VALIDATION, Faces
from tests.learn.faces import FER2013, numbered, votes


def tiny(n_emotions: int, channels: int) -> keras.Model:
    """Build a net with every kind of layer that training treats in its own way."""
    crops = keras.Input((*nets.CROP_SHAPE[:2], channels))
    x = keras.layers.Conv2D(4, 8, strides=8, use_bias=False)(crops)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dropout(0.3)(keras.layers.Flatten()(x))
    x = keras.layers.Dense(n_emotions, activation="softmax", dtype="float32")(x)
    return keras.Model(crops, x, name="tiny")


@pytest.fixture(scope="package", autouse=True)
def tiny_net() -> Iterator[None]:
    """Let ``--net tiny`` name a net that trains in a moment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(nets.NETS, "tiny", tiny)
        yield


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
    return Faces(images, labels.astype(np.int64), split, numbered(len(split)), ferplus)
