import numpy as np
import pytest

from fer_video import nets
from fer_video.backend import keras
from fer_video.errors import ModelError


@pytest.fixture(scope="module", params=sorted(nets.NETS))
def net(request: pytest.FixtureRequest):
    return nets.build(request.param, 7)


def test_a_net_maps_crops_to_probabilities(net) -> None:
    crops = np.random.default_rng(0).random((3, *nets.CROP_SHAPE), np.float32)
    probabilities = net.predict_on_batch(crops)
    assert probabilities.shape == (3, 7)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_a_net_keeps_within_its_budget(net) -> None:
    assert net.count_params() <= 2_000_000
    assert nets.multiply_adds(net) <= 80_000_000


def test_weights_saved_and_loaded_give_the_same_answers(net, tmp_path) -> None:
    crops = np.random.default_rng(1).random((2, *nets.CROP_SHAPE), np.float32)
    net.save_weights(tmp_path / "net.weights.h5")
    copy = nets.build(net.name, 7)
    copy.load_weights(tmp_path / "net.weights.h5")
    assert copy.predict_on_batch(crops) == pytest.approx(net.predict_on_batch(crops))


def test_multiply_adds_are_counted_as_on_paper() -> None:
    crops = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(4, 3, strides=2, padding="same", use_bias=False)(crops)
    x = keras.layers.Dense(3, use_bias=False)(keras.layers.Flatten()(x))
    assert nets.multiply_adds(keras.Model(crops, x)) == 4 * 4 * (3 * 3 * 1 * 4) + 4 * 4 * 4 * 3


def test_an_unknown_net_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"choose one of .*compact_se_resnet"):
        nets.build("giant", 7)
