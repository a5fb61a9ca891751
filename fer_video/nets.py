"""Keras architectures, one function each, in a registry.

A net maps crops, float32 ``(n, 48, 48, 1)`` with gray levels in [0, 1], to probabilities
``(n, n_emotions)``. Only the Keras 3 API is used, so a net runs on any Keras backend.
"""

import math
from collections.abc import Callable

from fer_video.backend import keras
from fer_video.errors import ModelError

layers = keras.layers

CROP_SHAPE = (48, 48, 1)


def build(name: str, n_emotions: int) -> keras.Model:
    """Build an untrained net.

    Raises:
        ModelError: No net has this name.
    """
    if name not in NETS:
        raise ModelError(f"unknown net {name!r}: choose one of {', '.join(sorted(NETS))}")
    return NETS[name](n_emotions)


def multiply_adds(model: keras.Model) -> int:
    """Count the multiply-adds of the convolutions and dense layers for one crop."""
    total = 0
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D):
            _, height, width, _ = layer.output.shape
            total += height * width * math.prod(layer.kernel.shape)
        if isinstance(layer, layers.Dense):
            total += math.prod(layer.kernel.shape)
    return int(total)


def compact_se_resnet(n_emotions: int) -> keras.Model:
    """Build an eleven-convolution residual net with squeeze-excite: 0.9 M parameters.

    The stem keeps the full 48x48 resolution and the last map is 6x6, because small faces lose
    their expression to early pooling.

    Source:
        He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR 2016;
        Hu, Shen and Sun, "Squeeze-and-Excitation Networks", CVPR 2018.
    """
    crops = keras.Input(CROP_SHAPE)
    x = _convolution(crops, filters=32)
    x = _residual(x, filters=40, strides=2)  # (n, 24, 24, 40)
    x = _residual(x, filters=80, strides=2)  # (n, 12, 12, 80)
    x = _residual(x, filters=80)
    x = _residual(x, filters=160, strides=2)  # (n, 6, 6, 160)
    x = _residual(x, filters=160)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.3)(x)
    # probabilities in float32 also where the rest computes in bfloat16
    probabilities = layers.Dense(n_emotions, activation="softmax", dtype="float32")(x)
    return keras.Model(crops, probabilities, name="compact_se_resnet")


def _residual(x: keras.KerasTensor, filters: int, strides: int = 1) -> keras.KerasTensor:
    y = _convolution(x, filters, strides=strides)
    y = _convolution(y, filters, activation=None)
    y = _squeeze_excite(y, filters)
    if strides > 1:
        x = _convolution(x, filters, kernel_size=1, strides=strides, activation=None)
    return layers.Activation("relu")(layers.Add()([x, y]))


def _convolution(
    x: keras.KerasTensor,
    filters: int,
    kernel_size: int = 3,
    strides: int = 1,
    activation: str | None = "relu",
) -> keras.KerasTensor:
    x = layers.Conv2D(filters, kernel_size, strides=strides, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    return layers.Activation(activation)(x) if activation else x


def _squeeze_excite(x: keras.KerasTensor, filters: int, ratio: int = 8) -> keras.KerasTensor:
    weight = layers.GlobalAveragePooling2D(keepdims=True)(x)
    weight = layers.Conv2D(filters // ratio, 1, activation="relu")(weight)
    weight = layers.Conv2D(filters, 1, activation="sigmoid")(weight)
    return layers.Multiply()([x, weight])


NETS: dict[str, Callable[[int], keras.Model]] = {"compact_se_resnet": compact_se_resnet}
"""Every net by the name that ``--net`` takes."""
