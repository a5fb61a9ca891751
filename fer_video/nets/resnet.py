"""Residual nets."""

from fer_video.backend import keras
from fer_video.nets.parts import convolution, input_crops, probabilities

layers = keras.layers


def compact_se_resnet(n_emotions: int, channels: int = 1) -> keras.Model:
    """Build an eleven-convolution residual net with squeeze-excite.

    The stem keeps the full 48x48 resolution and the last map is 6x6, because small faces lose
    their expression to early pooling.

    Source:
        He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR 2016;
        Hu, Shen and Sun, "Squeeze-and-Excitation Networks", CVPR 2018.
    """
    crops = input_crops(channels)
    x = convolution(crops, filters=32)
    x = _residual(x, filters=40, strides=2)  # (n, 24, 24, 40)
    x = _residual(x, filters=80, strides=2)  # (n, 12, 12, 80)
    x = _residual(x, filters=80)
    x = _residual(x, filters=160, strides=2)  # (n, 6, 6, 160)
    x = _residual(x, filters=160)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.3)(x)
    return keras.Model(crops, probabilities(x, n_emotions), name="compact_se_resnet")


def wide_se_resnet(n_emotions: int, channels: int = 1) -> keras.Model:
    """Build a fourteen-convolution residual net with squeeze-excite, for accuracy.

    Source:
        See ``se_resnet``.
    """
    crops = input_crops(channels)
    features = se_resnet(crops, widths=(48, 96, 192), depths=(1, 2, 3))
    return keras.Model(crops, probabilities(features, n_emotions), name="wide_se_resnet")


def resnet18(n_emotions: int, channels: int = 1) -> keras.Model:
    """Build ResNet-18 with a 3x3 stem that keeps the resolution.

    The last map is 6x6; after the stem for 224x224 pictures it would be 2x2.

    Source:
        He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR 2016; the
        stem is that of its section 4.2, for pictures of 32x32.
    """
    crops = input_crops(channels)
    x = convolution(crops, filters=64)
    for filters, strides in ((64, 1), (128, 2), (256, 2), (512, 2)):
        x = _residual(x, filters, strides, squeeze_excite=False)
        x = _residual(x, filters, squeeze_excite=False)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(crops, probabilities(x, n_emotions), name="resnet18")


def resnet50(n_emotions: int, channels: int = 1) -> keras.Model:
    """Build the convolutions of ResNet-50, and three dense layers of 32.

    Source:
        He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR 2016.
    """
    crops = input_crops(channels)
    x = keras.applications.ResNet50(
        include_top=False, weights=None, input_tensor=crops, pooling="avg"
    ).output
    for _ in range(3):
        x = layers.Dense(32, use_bias=False)(x)
        x = layers.BatchNormalization()(x)
        x = layers.Activation("relu")(x)
    return keras.Model(crops, probabilities(x, n_emotions), name="resnet50")


def se_resnet(
    crops: keras.KerasTensor, widths: tuple[int, ...], depths: tuple[int, ...]
) -> keras.KerasTensor:
    """Turn crops into features by stages of residual blocks with squeeze-excite.

    The stem halves the resolution at once: its 5x5 window of one gray channel has fewer numbers
    than the filters that it becomes, and one layer at 48x48 would cost a third of the time. Each
    stage after the first halves it again; three of them end in maps of 6x6.

    Args:
        crops: ``(n, 48, 48, channels)``.
        widths: Filters of each stage; the stem has as many as the first.
        depths: Residual blocks of each stage, of two convolutions each.

    Returns:
        ``(n, widths[-1])``.

    Source:
        He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR 2016;
        Hu, Shen and Sun, "Squeeze-and-Excitation Networks", CVPR 2018.
    """
    x = convolution(crops, widths[0], kernel_size=5, strides=2)
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True)):
        for block in range(depth):
            x = _residual(x, width, strides=2 if stage and not block else 1)
    x = layers.GlobalAveragePooling2D()(x)
    return layers.Dropout(0.3)(x)


def _residual(
    x: keras.KerasTensor, filters: int, strides: int = 1, squeeze_excite: bool = True
) -> keras.KerasTensor:
    y = convolution(x, filters, strides=strides)
    y = convolution(y, filters, activation=None)
    if squeeze_excite:
        y = _squeeze_excite(y, filters)
    if strides > 1:
        x = convolution(x, filters, kernel_size=1, strides=strides, activation=None)
    return layers.Activation("relu")(layers.Add()([x, y]))


def _squeeze_excite(x: keras.KerasTensor, filters: int, ratio: int = 8) -> keras.KerasTensor:
    weight = layers.GlobalAveragePooling2D(keepdims=True)(x)
    weight = layers.Conv2D(filters // ratio, 1, activation="relu")(weight)
    weight = layers.Conv2D(filters, 1, activation="sigmoid")(weight)
    return layers.Multiply()([x, weight])
