"""Keras architectures, one function each, in a registry.

A net maps crops, float32 ``(n, 48, 48, channels)`` with gray levels in [0, 1], to probabilities
``(n, n_emotions)``. Only the Keras 3 API is used, so a net runs on any Keras backend. No net
starts from weights made elsewhere.
"""

import inspect
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from fer_video.backend import keras
from fer_video.errors import ModelError, OptionError
from fer_video.nets.parts import CROP_SHAPE
from fer_video.nets.plain import cnn4, simple_cnn, simpler_cnn
from fer_video.nets.resnet import (
    compact_se_resnet,
    deep_se_resnet,
    mobile_se_resnet,
    resnet18,
    resnet50,
    slim_se_resnet,
)
from fer_video.nets.vgg import vgg16, vgg_small
from fer_video.nets.xception import big_xception, mini_xception, tiny_xception
from fer_video.quiet import quiet_startup

__all__ = [
    "CROP_SHAPE",
    "NETS",
    "NetSummary",
    "build",
    "freeze_all_but_last",
    "multiply_adds",
    "summaries",
]

NETS: dict[str, Callable[[int, int], keras.Model]] = {
    net.__name__: net
    for net in (
        slim_se_resnet,
        mobile_se_resnet,
        compact_se_resnet,
        deep_se_resnet,
        cnn4,
        simple_cnn,
        simpler_cnn,
        tiny_xception,
        mini_xception,
        big_xception,
        vgg16,
        vgg_small,
        resnet18,
        resnet50,
    )
}
"""Every net by the name that ``--net`` takes; called with emotions and channels."""

_layers = keras.layers
_MULTIPLYING = (_layers.Conv2D, _layers.DepthwiseConv2D, _layers.SeparableConv2D, _layers.Dense)


@dataclass(frozen=True, slots=True)
class NetSummary:
    """What a net is and what it costs, with seven emotions and gray crops."""

    name: str
    parameters: int
    multiply_adds: int
    """Per crop."""
    purpose: str
    """One line."""


def build(name: str, n_emotions: int, channels: int = 1) -> keras.Model:
    """Build an untrained net.

    Args:
        name: A key of ``NETS``.
        n_emotions: 6, 7 or 8: without disgust, the usual ones, or with contempt.
        channels: Of a crop: 1 is gray, 3 is color.

    Raises:
        ModelError: No net has this name, or can have this shape.
    """
    if name not in NETS:
        raise ModelError(f"unknown net {name!r}: choose one of {', '.join(sorted(NETS))}")
    if n_emotions not in (6, 7, 8):
        raise ModelError(f"a net tells 6, 7 or 8 emotions apart, not {n_emotions}")
    if channels not in (1, 3):
        raise ModelError(f"a crop has 1 channel (gray) or 3 (color), not {channels}")
    return NETS[name](n_emotions, channels)


def summaries() -> Iterator[NetSummary]:
    """Describe every net, in the order of ``NETS``."""
    for name, net in NETS.items():
        with quiet_startup():
            model = build(name, n_emotions=7)
        purpose = (inspect.getdoc(net) or "").partition("\n")[0]
        yield NetSummary(name, model.count_params(), multiply_adds(model), purpose)


def multiply_adds(model: keras.Model) -> int:
    """Count the multiply-adds of the convolutions and dense layers for one crop.

    Models inside the model are counted with it. Transposed convolutions and recurrent layers,
    which no net here has, are not.
    """
    return sum(_multiply_adds(layer) for layer in model.layers)


def _multiply_adds(layer: keras.Layer) -> int:
    if isinstance(layer, keras.Model):
        return multiply_adds(layer)
    if not isinstance(layer, _MULTIPLYING):
        return 0
    # every number of a kernel (a separable convolution has two) works once per place of the output
    places = math.prod(layer.output.shape[1:-1])
    kernels = (weight for weight in layer.weights if weight.name.endswith("kernel"))
    return int(places * sum(math.prod(kernel.shape) for kernel in kernels))


def freeze_all_but_last(net: keras.Model, n: int) -> None:
    """Let training change the last layers only, to go on from an earlier model with few faces.

    Frozen batch normalizations keep their statistics, too. Call it before ``compile``.

    Args:
        net: Changed in place.
        n: How many layers stay trainable; layers without weights do not count.

    Raises:
        OptionError: Nothing would be left to train.
    """
    if n < 1:
        raise OptionError(f"at least the last layer must stay trainable, got {n}")
    with_weights = [layer for layer in net.layers if layer.weights]
    for layer in with_weights[:-n]:
        layer.trainable = False
