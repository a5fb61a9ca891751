"""VGG nets: blocks of 3x3 convolutions, each followed by pooling."""

from fer_video.backend import keras
from fer_video.nets.parts import convolution, input_crops, probabilities

layers = keras.layers


def vgg16(n_emotions: int, channels: int = 1) -> keras.Model:
    """Build the thirteen convolutions of VGG-16, and a dense layer of 1000.

    Source:
        Simonyan and Zisserman, "Very Deep Convolutional Networks for Large-Scale Image
        Recognition", ICLR 2015, configuration D.
    """
    crops = input_crops(channels)
    x = keras.applications.VGG16(include_top=False, weights=None, input_tensor=crops).output
    x = layers.Flatten()(x)
    x = layers.Dense(1000, activation="relu")(x)
    x = layers.Dropout(0.4)(x)
    return keras.Model(crops, probabilities(x, n_emotions), name="vgg16")


def vgg_small(n_emotions: int, channels: int = 1) -> keras.Model:
    """Build four VGG blocks of two batch-normalized convolutions.

    The paper's two dense layers of 4096, five sixths of its parameters, give way to an average
    over the last map.

    Source:
        Khaireddin and Chen, "Facial Emotion Recognition: State of the Art Performance on
        FER2013", arXiv 2105.03588, 2021.
    """
    x = crops = input_crops(channels)
    for filters in (64, 128, 256, 512):
        x = convolution(x, filters)
        x = convolution(x, filters)
        x = layers.MaxPooling2D()(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    return keras.Model(crops, probabilities(x, n_emotions), name="vgg_small")
