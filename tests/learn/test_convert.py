from pathlib import Path

import numpy as np
import pytest

from fer_video import nets
from fer_video.backend import keras
from fer_video.classify import NetClassifier
from fer_video.errors import ModelError
from fer_video.labels import EMOTIONS
from fer_video.learn.batches import to_input
from fer_video.learn.convert import convert
from fer_video.lite import LiteNet
from fer_video.types import CropSpec
from fer_video.weights import ModelSpec
from tests.learn.faces import some_faces

CROPS = some_faces(test=20).images


def spec_of(net: keras.Model, folder: Path) -> ModelSpec:
    return ModelSpec(
        name="mine", net=net.name, sha256="", labels=EMOTIONS, crop=CropSpec(), folder=folder
    )


def with_end(end) -> keras.Model:
    """Put something behind a small net; softmax makes probabilities of it."""
    net = nets.build("tiny", 7)
    return keras.Model(net.input, keras.layers.Softmax()(end(net.output)), name="mine")


@pytest.mark.parametrize("name", ["tiny", "tiny_xception", "compact_se_resnet"])
def test_a_converted_net_answers_as_before(tmp_path: Path, name: str) -> None:
    net = nets.build(name, 7)
    spec = convert(spec_of(net, tmp_path), net, CROPS)
    assert [file.name for file in tmp_path.iterdir()] == ["model.tflite"]
    answers = NetClassifier(spec, LiteNet(spec))(CROPS)
    assert answers == pytest.approx(np.asarray(net(to_input(CROPS))), abs=1e-5)


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
