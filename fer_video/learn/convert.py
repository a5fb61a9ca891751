"""A trained net to the file that LiteRT runs, if it computes the same."""

import importlib
import textwrap
from dataclasses import replace
from typing import Any

import numpy as np

from fer_video.backend import keras
from fer_video.classify import NetClassifier
from fer_video.errors import ModelError
from fer_video.files import sha256_of
from fer_video.learn.batches import to_input
from fer_video.learn.faces import Images
from fer_video.lite import LiteNet
from fer_video.quiet import quiet_startup
from fer_video.types import Floats
from fer_video.weights import ModelSpec

MAX_DIFFERENCE = 1e-4
"""Of one probability, in float32; the same sums in another order gave 1e-6."""
MAX_MEAN_DIFFERENCE = 0.005
"""Of the probabilities, with eight bits; 0.001 was measured, with known ranges 0.0035."""
_DEPTHWISE = (keras.layers.DepthwiseConv2D, keras.layers.SeparableConv2D)
"""What LiteRT computes five times faster where it knows the ranges of activations beforehand."""
_MAX_REASON = 200
"""Characters."""


def convert(spec: ModelSpec, net: keras.Model, crops: Images) -> ModelSpec:
    """Write a net beside its weights as LiteRT runs it, and describe it in the spec.

    In float32 it must answer as Keras does. The file then holds weights of eight bits, which take
    a third of the time, unless the answers of this net suffer from them.

    Args:
        spec: Of the net; its folder is written to.
        net: Trained.
        crops: To compare on, and to take the ranges of activations from where they have to be
            known; uint8 ``(n, height, width)``, at least one.

    Raises:
        ModelError: Keras cannot convert the net, LiteRT cannot run it, or it answers
            differently. The folder then has no such file.

    Source:
        Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-
        Arithmetic-Only Inference", CVPR 2018; activations are quantized as they come, in nets
        without depthwise convolutions.
    """
    right = keras.ops.convert_to_numpy(net(to_input(crops), training=False))
    try:
        exact = _exported(spec, net)
        difference = np.abs(_answers(exact, crops) - right).max()
        # so that what is not a number fails, too
        if not difference < MAX_DIFFERENCE:
            apart = f"by up to {difference:.2g}"
            raise ModelError(f"{spec.net} answers differently with LiteRT, {apart}")
        content = spec.lite.read_bytes()
        in_bytes = _exported(spec, net, **_eight_bits(net, crops))
        if np.abs(_answers(in_bytes, crops) - right).mean() < MAX_MEAN_DIFFERENCE:
            return in_bytes
        spec.lite.write_bytes(content)
        return exact
    except ModelError:
        spec.lite.unlink(missing_ok=True)
        raise


def _exported(spec: ModelSpec, net: keras.Model, **settings: object) -> ModelSpec:
    try:
        with quiet_startup():
            net.export(spec.lite, format="litert", verbose=False, **settings)
    except Exception as error:  # converters raise whatever their layers do
        # a failed conversion is told with pages of the graph
        reason = textwrap.shorten(str(error), _MAX_REASON, placeholder="...")
        raise ModelError(f"Keras cannot convert {spec.net} for LiteRT ({reason})") from error
    return replace(spec, lite_sha256=sha256_of(spec.lite))


def _eight_bits(net: keras.Model, crops: Images) -> dict[str, object]:
    """Tell TensorFlow, which Keras converts with, to make weights of eight bits."""
    tensorflow: Any = importlib.import_module("tensorflow")
    settings: dict[str, object] = {"optimizations": [tensorflow.lite.Optimize.DEFAULT]}
    if any(isinstance(layer, _DEPTHWISE) for layer in net.layers):
        shown = to_input(crops)[:, np.newaxis]  # one by one
        settings["representative_dataset"] = lambda: ([crop] for crop in shown)
    return settings


def _answers(spec: ModelSpec, crops: Images) -> Floats:
    return NetClassifier(replace(spec, temperature=1.0), LiteNet(spec))(crops)
