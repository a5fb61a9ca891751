import math
from functools import partial

import numpy as np
import pytest

from fer_video import nets
from fer_video.backend import keras
from fer_video.errors import ModelError, OptionError
from fer_video.nets.parts import BatchNormalization

COSTS = {
    "compact_se_resnet": (1_075_008, 75_330_672),
    "slim_se_resnet": (534_253, 39_462_576),
    "mobile_se_resnet": (742_241, 44_795_648),
    "deep_se_resnet": (2_260_083, 154_200_000),
    "cnn4": (4_478_727, 290_475_520),
    "simple_cnn": (642_935, 71_550_720),
    "simpler_cnn": (559_671, 22_081_280),
    "tiny_xception": (18_314, 1_847_492),
    "mini_xception": (58_423, 5_520_448),
    "big_xception": (208_871, 34_945_376),
    "vgg16": (15_233_543, 702_557_016),
    "vgg_small": (4_693_575, 468_471_296),
    "resnet18": (11_180_871, 1_247_038_976),
    "resnet50": (23_649_639, 199_661_792),
}
"""Parameters and multiply-adds with seven emotions and gray crops."""


@pytest.fixture(scope="module", params=COSTS)
def net(request: pytest.FixtureRequest):
    return nets.build(request.param, 7)


@pytest.fixture
def mixed_bfloat16():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(policy)


def crops(n: int, channels: int = 1) -> np.ndarray:
    return np.random.default_rng(n).random((n, *nets.CROP_SHAPE[:2], channels), np.float32)


def answers(net, crops: np.ndarray, training: bool = False) -> np.ndarray:
    # eagerly: to compile the big nets takes seconds
    return keras.ops.convert_to_numpy(net(crops, training=training))


def test_every_net_is_held_to_the_contract() -> None:
    assert set(nets.NETS) == set(COSTS)


def test_a_net_has_the_name_that_builds_it_and_its_known_size(net) -> None:
    assert nets.NETS[net.name].__name__ == net.name
    assert (net.count_params(), nets.multiply_adds(net)) == COSTS[net.name]


def test_a_net_maps_crops_to_probabilities(net) -> None:
    probabilities = answers(net, crops(3))
    assert probabilities.shape == (3, 7)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert (probabilities > 0).all()


@pytest.mark.parametrize(("n_emotions", "channels"), [(6, 3), (7, 3), (8, 1)])
@pytest.mark.parametrize("name", COSTS)
def test_a_net_is_built_for_other_emotions_and_for_color(name, n_emotions, channels) -> None:
    net = nets.build(name, n_emotions, channels)
    assert net.input.shape == (None, 48, 48, channels)
    assert net.output.shape == (None, n_emotions)


@pytest.mark.parametrize("name", COSTS)
def test_a_net_answers_in_float32_where_it_computes_in_bfloat16(name, mixed_bfloat16) -> None:
    net = nets.build(name, 8, channels=3)
    assert "bfloat16" in {layer.compute_dtype for layer in net.layers}
    assert net.output.dtype == "float32"
    assert answers(net, crops(2, channels=3)).sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_weights_saved_and_loaded_give_the_same_answers(net, tmp_path) -> None:
    answers(net, crops(4), training=True)  # gives batch normalizations statistics to be saved
    net.save_weights(tmp_path / "net.weights.h5")
    copy = nets.build(net.name, 7)
    assert answers(copy, crops(2)) != pytest.approx(answers(net, crops(2)), abs=1e-6)
    copy.load_weights(tmp_path / "net.weights.h5")
    assert answers(copy, crops(2)) == pytest.approx(answers(net, crops(2)), abs=1e-6)


def a_net_that_normalizes_by(normalization) -> keras.Model:
    keras.utils.set_random_seed(0)
    pictures = keras.Input(nets.CROP_SHAPE)
    x = normalization()(keras.layers.Conv2D(5, 3, strides=4, use_bias=False)(pictures))
    x = keras.layers.GlobalAveragePooling2D()(keras.layers.Activation("relu")(x))
    net = keras.Model(pictures, keras.layers.Dense(7, activation="softmax")(x))
    net.compile(optimizer=keras.optimizers.SGD(0.5), loss="categorical_crossentropy")
    return net


def test_normalization_learns_what_that_of_keras_learns() -> None:
    ours = a_net_that_normalizes_by(BatchNormalization)
    theirs = a_net_that_normalizes_by(partial(keras.layers.BatchNormalization, momentum=0.9))
    for net in (ours, theirs):
        for seed in (1, 2, 3):
            net.train_on_batch(crops(8 + seed), np.eye(7, dtype=np.float32)[[seed] * (8 + seed)])
    for our, their in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        assert our == pytest.approx(their, rel=1e-3, abs=1e-5)


def test_normalization_hands_on_bfloat16(mixed_bfloat16) -> None:
    maps = keras.ops.cast(crops(3), "bfloat16")
    assert BatchNormalization()(maps, training=True).dtype == "bfloat16"


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (keras.layers.Conv2D(4, 3, strides=2, padding="same"), 4 * 4 * (3 * 3 * 3 * 4)),
        (keras.layers.Conv2D(4, 3), 6 * 6 * (3 * 3 * 3 * 4)),
        (keras.layers.Conv2D(6, 3, groups=3, padding="same"), 8 * 8 * (3 * 3 * 1 * 6)),
        (keras.layers.DepthwiseConv2D(3, depth_multiplier=2), 6 * 6 * (3 * 3 * 3 * 2)),
        (keras.layers.SeparableConv2D(5, 3, strides=2), 3 * 3 * (3 * 3 * 3 + 3 * 5)),
        (keras.layers.SeparableConv2D(5, 3, depth_multiplier=2), 6 * 6 * (3 * 3 * 3 * 2 + 6 * 5)),
        (keras.layers.Dense(5), 8 * 8 * (3 * 5)),
        (keras.layers.BatchNormalization(), 0),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_multiply_adds_are_counted_as_on_paper(layer, expected) -> None:
    pictures = keras.Input((8, 8, 3))
    assert nets.multiply_adds(keras.Model(pictures, layer(pictures))) == expected


def test_multiply_adds_of_a_model_in_a_model_are_counted() -> None:
    inner = keras.Sequential([keras.Input((8, 8, 1)), keras.layers.Conv2D(4, 3, padding="same")])
    pictures = keras.Input((8, 8, 1))
    x = keras.layers.Dense(3)(keras.layers.Flatten()(inner(pictures)))
    assert nets.multiply_adds(keras.Model(pictures, x)) == 8 * 8 * 3 * 3 * 4 + 8 * 8 * 4 * 3


def test_freezing_resnet50_leaves_its_dense_layers_to_train() -> None:
    net = nets.build("resnet50", 7)
    nets.freeze_all_but_last(net, 7)  # three of 32 with a batch normalization each, and the end
    trained = sum(math.prod(weight.shape) for weight in net.trainable_weights)
    assert trained == 2048 * 32 + 2 * 32 * 32 + 3 * 2 * 32 + 32 * 7 + 7


def test_training_a_frozen_net_changes_its_last_layers_only() -> None:
    net = nets.build("tiny_xception", 7)
    nets.freeze_all_but_last(net, 2)
    net.compile(optimizer="sgd", loss="categorical_crossentropy", run_eagerly=True)
    before = net.get_weights()
    net.train_on_batch(crops(4), np.eye(7, dtype=np.float32)[:4])
    same = [np.array_equal(*pair) for pair in zip(before, net.get_weights(), strict=True)]
    assert all(same[:-6])
    assert not any(same[-6:])  # a batch normalization, and the kernel and bias of the last map


def test_freezing_all_but_more_layers_than_there_are_freezes_none() -> None:
    net = nets.build("tiny_xception", 7)
    before = len(net.trainable_weights)
    nets.freeze_all_but_last(net, 1000)
    assert len(net.trainable_weights) == before


def test_freezing_every_layer_is_refused() -> None:
    with pytest.raises(OptionError, match="at least the last layer must stay trainable, got 0"):
        nets.freeze_all_but_last(nets.build("tiny_xception", 7), 0)


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        (("giant", 7), r"unknown net 'giant': choose one of .*compact_se_resnet"),
        (("cnn4", 5), "6, 7 or 8 emotions apart, not 5"),
        (("cnn4", 9), "6, 7 or 8 emotions apart, not 9"),
        (("cnn4", 7, 2), r"1 channel \(gray\) or 3 \(color\), not 2"),
    ],
)
def test_a_net_that_cannot_be_is_refused(wanted, reason) -> None:
    with pytest.raises(ModelError, match=reason):
        nets.build(*wanted)
