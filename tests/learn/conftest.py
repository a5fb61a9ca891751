from collections.abc import Iterator

import pytest

from fer_video import nets
from fer_video.backend import keras


def tiny(n_emotions: int, channels: int) -> keras.Model:
    """Build a net with every kind of layer that training treats in its own way."""
    crops = keras.Input((*nets.CROP_SHAPE[:2], channels))
    x = keras.layers.Conv2D(4, 8, strides=8, use_bias=False)(crops)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dropout(0.3)(keras.layers.Flatten()(x))
    x = keras.layers.Dense(n_emotions, activation="softmax", dtype="float32")(x)
    return keras.Model(crops, x, name="tiny")


@pytest.fixture(scope="session", autouse=True)
def tiny_net() -> Iterator[None]:
    """Let ``--net tiny`` name a net that trains in a moment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(nets.NETS, "tiny", tiny)
        yield
