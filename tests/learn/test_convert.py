from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from fer_video import nets, weights
from fer_video.backend import keras
from fer_video.classify import NetClassifier
from fer_video.errors import ModelError
from fer_video.keras_net import load_net
from fer_video.labels import EMOTIONS
from fer_video.learn.batches import to_input
from fer_video.learn.convert import MAX_DIFFERENCE, MAX_MEAN_DIFFERENCE, _exported, convert
from fer_video.lite import LiteNet
from fer_video.types import CropSpec
from fer_video.weights import ModelSpec
from tests.learn.faces import some_faces

CROPS = some_faces(test=20).images


def spec_of(net: keras.Model, folder: Path) -> ModelSpec:
    return ModelSpec(
        name="mine", net=net.name, sha256="", labels=EMOTIONS, crop=CropSpec(), folder=folder
    )


def answers(spec: ModelSpec) -> np.ndarray:
    return NetClassifier(spec, LiteNet(spec))(CROPS)


def with_end(end) -> keras.Model:
    """Put something behind a small net; softmax makes probabilities of it."""
    net = nets.build("tiny", 7)
    return keras.Model(net.input, keras.layers.Softmax()(end(net.output)), name="mine")


@pytest.mark.parametrize("name", ["tiny", "tiny_xception", "mobile_se_resnet", "compact_se_resnet"])
def test_a_converted_net_answers_as_before(tmp_path: Path, name: str) -> None:
    net = nets.build(name, 7)
    spec = convert(spec_of(net, tmp_path), net, CROPS)
    assert [file.name for file in tmp_path.iterdir()] == ["model.tflite"]
    apart = np.abs(answers(spec) - np.asarray(net(to_input(CROPS))))
    assert apart.mean() < MAX_MEAN_DIFFERENCE


@pytest.mark.parametrize("name", ["default", "accurate"])
def test_a_shipped_net_in_float32_answers_with_litert_as_with_keras(tmp_path, name) -> None:
    shipped = weights.find(name)
    net = load_net(shipped, shipped.net)
    exact = _exported(replace(shipped, folder=tmp_path, temperature=1.0), net)
    right = np.asarray(net(to_input(CROPS), training=False))
    assert answers(exact) == pytest.approx(right, rel=0, abs=MAX_DIFFERENCE)


def test_weights_of_eight_bits_take_a_third_of_the_room(tmp_path: Path) -> None:
    net = nets.build("compact_se_resnet", 7)
    spec = convert(spec_of(net, tmp_path), net, CROPS)
    assert spec.lite.stat().st_size < 4 * net.count_params() / 3


@pytest.mark.parametrize("name", ["mobile_se_resnet", "tiny_xception"])
def test_depthwise_convolutions_are_computed_in_eight_bits_throughout(tmp_path, name) -> None:
    net = nets.build(name, 7)
    spec = convert(spec_of(net, tmp_path), net, CROPS)
    tensors = Interpreter(str(spec.lite)).get_tensor_details()
    assert sum(tensor["dtype"] == np.float32 for tensor in tensors) == len(["crops", "answers"])


class Cancelling(keras.layers.Layer):
    """Adds and takes away so much that what is left is lost in eight bits."""

    def build(self, shape):
        n = shape[-1]
        kernel = np.concatenate([np.full((1, n), 5000.0), np.full((1, n), -5000), 15 * np.eye(n)])
        kernel = kernel.astype(np.float32)
        self.kernel = self.add_weight(
            shape=kernel.shape, initializer=lambda *_, **__: keras.ops.convert_to_tensor(kernel)
        )

    def call(self, x):
        first = x[:, :1]
        return keras.ops.concatenate([first, first, x], axis=1) @ self.kernel


def test_a_net_that_suffers_from_eight_bits_keeps_its_float32(tmp_path: Path) -> None:
    net = with_end(Cancelling())
    spec = convert(spec_of(net, tmp_path), net, CROPS)
    assert answers(spec) == pytest.approx(np.asarray(net(to_input(CROPS))), abs=MAX_DIFFERENCE)


def test_a_net_that_would_answer_differently_is_refused(tmp_path: Path) -> None:
    # it answers by what else is in the batch, and LiteRT's batches are others
    net = with_end(lambda x: x - keras.ops.mean(x, axis=0))
    with pytest.raises(ModelError, match=r"mine answers differently with LiteRT, by up to 0\.\d"):
        convert(spec_of(net, tmp_path), net, CROPS)
    assert not list(tmp_path.iterdir())


def test_a_net_whose_answers_are_no_numbers_is_refused(tmp_path: Path) -> None:
    net = with_end(lambda x: x * np.nan)
    with pytest.raises(ModelError, match=r"answers differently with LiteRT, by up to nan"):
        convert(spec_of(net, tmp_path), net, CROPS)
    assert not list(tmp_path.iterdir())


def test_a_net_that_litert_alone_cannot_run_is_refused(tmp_path: Path) -> None:
    net = with_end(keras.ops.erf)
    with pytest.raises(ModelError, match=r"^LiteRT cannot run .*model\.tflite \([^\n]*Flex[^\n]*$"):
        convert(spec_of(net, tmp_path), net, CROPS)
    assert not list(tmp_path.iterdir())


class OnlyEager(keras.layers.Layer):
    """Looks at its numbers, which a graph does not have."""

    def call(self, x):
        return x * float(np.asarray(x).max())

    def compute_output_shape(self, shape):
        return shape


def test_a_net_that_keras_cannot_convert_is_refused(tmp_path: Path) -> None:
    net = with_end(OnlyEager())
    with pytest.raises(ModelError, match=r"^Keras cannot convert mine for LiteRT [^\n]{1,220}$"):
        convert(spec_of(net, tmp_path), net, CROPS)
    assert not list(tmp_path.iterdir())
