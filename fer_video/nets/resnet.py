"""Residual nets."""

from fer_video.backend import keras
from fer_video.nets.parts import BatchNormalization, convolution, input_crops, probabilities

layers = keras.layers


def slim_se_resnet(n_emotions: int, channels: int = 1) -> keras.Model:
    """Build an eleven-convolution residual net with squeeze-excite, half the cost of the compact.

    Source:
        See ``se_resnet``.
    """
    return se_resnet(
        "slim_se_resnet", n_emotions, channels, stem=24, widths=(32, 56, 112), depths=(1, 2, 2)
    )


def mobile_se_resnet(n_emotions: int, channels: int = 1) -> keras.Model:
    """Build a residual net with squeeze-excite and, behind its first stage, inverted bottlenecks.

    Inverted bottlenecks learn more per multiply-add and cost more time for each. The first stage
    has full convolutions: large maps of few channels leave little to save.

    Source:
        Sandler, Howard, Zhu, Zhmoginov and Chen, "MobileNetV2: Inverted Residuals and Linear
        Bottlenecks", CVPR 2018; Tan and Le, "EfficientNetV2: Smaller Models and Faster Training",
        ICML 2021, for squeeze-excite in them and full convolutions before them.
    """
    crops = input_crops(channels)
    x = convolution(crops, filters=16)
    x = _residual(x, 32, strides=2)
    for width in (72, 144):
        x = _inverted_residual(x, width, strides=2)
        x = _inverted_residual(x, width)
        x = _inverted_residual(x, width)
    x = convolution(x, filters=512, kernel_size=1)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.3)(x)
    return keras.Model(crops, probabilities(x, n_emotions), name="mobile_se_resnet")


def compact_se_resnet(n_emotions: int, channels: int = 1) -> keras.Model:
    """Build an eleven-convolution residual net with squeeze-excite.

    Source:
        See ``se_resnet``.
    """
    return se_resnet(
        "compact_se_resnet", n_emotions, channels, stem=32, widths=(40, 80, 160), depths=(1, 2, 2)
    )


def deep_se_resnet(n_emotions: int, channels: int = 1) -> keras.Model:
    """Build a fifteen-convolution residual net with squeeze-excite, for accuracy.

    Source:
        See ``se_resnet``.
    """
    return se_resnet(
        "deep_se_resnet", n_emotions, channels, stem=32, widths=(48, 96, 192), depths=(2, 2, 3)
    )


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
        x = BatchNormalization()(x)
        x = layers.Activation("relu")(x)
    return keras.Model(crops, probabilities(x, n_emotions), name="resnet50")


def se_resnet(
    name: str,
    n_emotions: int,
    channels: int,
    *,
    stem: int,
    widths: tuple[int, ...],
    depths: tuple[int, ...],
) -> keras.Model:
    """Build a residual net with squeeze-excite.

    The stem keeps the full 48x48 resolution, because small faces lose their expression to early
    pooling (docs/experiments.md), and each stage halves it: three end in maps of 6x6.

    Args:
        name: Of the net.
        n_emotions: Of the last layer.
        channels: Of a crop.
        stem: Filters of the first convolution.
        widths: Filters of each stage.
        depths: Residual blocks of each stage, of two convolutions each.

    Source:
        He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", CVPR 2016;
        Hu, Shen and Sun, "Squeeze-and-Excitation Networks", CVPR 2018.
    """
    crops = input_crops(channels)
    x = convolution(crops, filters=stem)
    for width, depth in zip(widths, depths, strict=True):
        x = _residual(x, width, strides=2)
        for _ in range(depth - 1):
            x = _residual(x, width)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.3)(x)
    return keras.Model(crops, probabilities(x, n_emotions), name=name)


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


def _inverted_residual(
    x: keras.KerasTensor, filters: int, strides: int = 1, expansion: int = 4
) -> keras.KerasTensor:
    expanded = expansion * x.shape[-1]
    y = convolution(x, expanded, kernel_size=1)
    y = layers.DepthwiseConv2D(3, strides=strides, padding="same", use_bias=False)(y)
    y = BatchNormalization()(y)
    y = layers.Activation("relu")(y)
    y = _squeeze_excite(y, expanded, ratio=16)
    y = convolution(y, filters, kernel_size=1, activation=None)
    return layers.Add()([x, y]) if x.shape == y.shape else y


def _squeeze_excite(x: keras.KerasTensor, filters: int, ratio: int = 8) -> keras.KerasTensor:
    weight = layers.GlobalAveragePooling2D(keepdims=True)(x)
    weight = layers.Conv2D(filters // ratio, 1, activation="relu")(weight)
    weight = layers.Conv2D(filters, 1, activation="sigmoid")(weight)
    return layers.Multiply()([x, weight])
