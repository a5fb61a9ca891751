"""Residual nets of depthwise-separable convolutions, at three sizes."""

from fer_video.backend import keras
from fer_video.nets.parts import BatchNormalization, convolution, input_crops, probabilities_by_map

layers = keras.layers


def tiny_xception(n_emotions: int, channels: int = 1) -> keras.Model:
    """Build four separable residual modules of 8 to 64 filters.

    Source:
        As ``mini_xception``: the code beside the paper.
    """
    return _four_modules("tiny_xception", n_emotions, channels, stem=5, modules=(8, 16, 32, 64))


def mini_xception(n_emotions: int, channels: int = 1) -> keras.Model:
    """Build four separable residual modules of 16 to 128 filters.

    Source:
        Arriaga, Valdenegro-Toro and Plöger, "Real-time Convolutional Neural Networks for Emotion
        and Gender Classification", arXiv 1710.07557, 2017; modules after Chollet, "Xception: Deep
        Learning with Depthwise Separable Convolutions", CVPR 2017.
    """
    return _four_modules("mini_xception", n_emotions, channels, stem=8, modules=(16, 32, 64, 128))


def big_xception(n_emotions: int, channels: int = 1) -> keras.Model:
    """Build the first two modules of Xception, of 128 and 256 filters.

    Source:
        As ``mini_xception``: the code beside the paper.
    """
    crops = input_crops(channels)
    x = convolution(crops, 32, strides=2, padding="valid")
    x = convolution(x, 64, padding="valid")
    x = _separable_residual(x, 128)
    x = _separable_residual(x, 256, activation="relu")
    return keras.Model(crops, probabilities_by_map(x, n_emotions), name="big_xception")


def _four_modules(
    name: str, n_emotions: int, channels: int, stem: int, modules: tuple[int, ...]
) -> keras.Model:
    l2 = keras.regularizers.L2(0.01)
    crops = input_crops(channels)
    x = convolution(crops, stem, padding="valid", kernel_regularizer=l2)
    x = convolution(x, stem, padding="valid", kernel_regularizer=l2)
    for filters in modules:
        x = _separable_residual(x, filters)
    return keras.Model(crops, probabilities_by_map(x, n_emotions), name=name)


def _separable_residual(
    x: keras.KerasTensor, filters: int, activation: str | None = None
) -> keras.KerasTensor:
    y = layers.Activation(activation)(x) if activation else x
    y = _separable_convolution(y, filters)
    y = layers.Activation("relu")(y)
    y = _separable_convolution(y, filters)
    y = layers.MaxPooling2D(3, strides=2, padding="same")(y)
    x = convolution(x, filters, kernel_size=1, strides=2, activation=None)
    return layers.Add()([x, y])


def _separable_convolution(x: keras.KerasTensor, filters: int) -> keras.KerasTensor:
    x = layers.SeparableConv2D(filters, 3, padding="same", use_bias=False)(x)
    return BatchNormalization()(x)
