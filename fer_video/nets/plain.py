"""Plain nets: one layer after the other."""

from fer_video.backend import keras
from fer_video.nets.parts import (
    BatchNormalization,
    convolution,
    input_crops,
    probabilities,
    probabilities_by_map,
)

layers = keras.layers


def cnn4(n_emotions: int, channels: int = 1) -> keras.Model:
    """Build the four-convolution net of countless FER2013 notebooks.

    Source:
        No paper. Batch normalization is that of Ioffe and Szegedy, "Batch Normalization:
        Accelerating Deep Network Training by Reducing Internal Covariate Shift", ICML 2015, but
        stands after the activation, as the notebooks have it.
    """
    l2 = keras.regularizers.L2(0.01)
    x = crops = input_crops(channels)
    for filters, kernel_size, regularizer in (
        (64, 3, None),
        (128, 5, None),
        (512, 3, l2),
        (512, 3, l2),
    ):
        x = layers.Conv2D(
            filters,
            kernel_size,
            padding="same",
            activation="relu",
            kernel_regularizer=regularizer,
        )(x)
        x = BatchNormalization()(x)
        x = layers.MaxPooling2D()(x)
        x = layers.Dropout(0.25)(x)
    x = layers.Flatten()(x)
    for units in (256, 512):
        x = layers.Dense(units, activation="relu")(x)
        x = BatchNormalization()(x)
        x = layers.Dropout(0.25)(x)
    return keras.Model(crops, probabilities(x, n_emotions), name="cnn4")


def simple_cnn(n_emotions: int, channels: int = 1) -> keras.Model:
    """Build ten convolutions with average pooling and no dense layer.

    Source:
        Arriaga, Valdenegro-Toro and Plöger, "Real-time Convolutional Neural Networks for Emotion
        and Gender Classification", arXiv 1710.07557, 2017, with the code beside it.
    """
    x = crops = input_crops(channels)
    for filters, kernel_size in ((16, 7), (32, 5), (64, 3), (128, 3)):
        x = convolution(x, filters, kernel_size, activation=None, use_bias=True)
        x = convolution(x, filters, kernel_size, use_bias=True)
        x = layers.AveragePooling2D(2, padding="same")(x)
        x = layers.Dropout(0.5)(x)
    x = convolution(x, 256, activation=None, use_bias=True)
    return keras.Model(crops, probabilities_by_map(x, n_emotions), name="simple_cnn")


def simpler_cnn(n_emotions: int, channels: int = 1) -> keras.Model:
    """Build twelve convolutions that stride, without pooling, down to one pixel.

    Source:
        The code beside Arriaga, Valdenegro-Toro and Plöger, "Real-time Convolutional Neural
        Networks for Emotion and Gender Classification", arXiv 1710.07557, 2017.
    """
    x = crops = input_crops(channels)
    for first, second in (
        ((16, 5), (16, 5)),
        ((32, 5), (32, 5)),
        ((64, 3), (64, 3)),
        ((64, 1), (128, 3)),
    ):  # filters and kernel size of each
        x = convolution(x, *first, activation=None, use_bias=True)
        x = convolution(x, *second, strides=2, use_bias=True)
        x = layers.Dropout(0.25)(x)
    x = convolution(x, 256, kernel_size=1, activation=None, use_bias=True)
    x = layers.Conv2D(128, 3, strides=2, padding="same")(x)
    x = convolution(x, 256, kernel_size=1, activation=None, use_bias=True)
    return keras.Model(crops, probabilities_by_map(x, n_emotions, strides=2), name="simpler_cnn")
