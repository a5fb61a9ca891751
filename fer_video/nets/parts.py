"""What the nets share: the input, a convolution, and two ways to end in probabilities."""

from fer_video.backend import keras

layers = keras.layers

CROP_SHAPE = (48, 48, 1)


def input_crops(channels: int) -> keras.KerasTensor:
    """Begin a net."""
    return keras.Input((*CROP_SHAPE[:2], channels))


def convolution(
    x: keras.KerasTensor,
    filters: int,
    kernel_size: int = 3,
    strides: int = 1,
    activation: str | None = "relu",
    padding: str = "same",
    use_bias: bool = False,
    kernel_regularizer: keras.Regularizer | None = None,
) -> keras.KerasTensor:
    """Convolve, normalize over the batch, and activate."""
    x = layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding=padding,
        use_bias=use_bias,
        kernel_regularizer=kernel_regularizer,
    )(x)
    x = layers.BatchNormalization()(x)
    return layers.Activation(activation)(x) if activation else x


def probabilities(features: keras.KerasTensor, n_emotions: int) -> keras.KerasTensor:
    """End a net in a dense layer, in float32 also where the rest computes in bfloat16."""
    return layers.Dense(n_emotions, activation="softmax", dtype="float32")(features)


def probabilities_by_map(
    x: keras.KerasTensor, n_emotions: int, strides: int = 1
) -> keras.KerasTensor:
    """End a net in one map per emotion, whose average is its logit; in float32, too."""
    x = layers.Conv2D(n_emotions, 3, strides=strides, padding="same", dtype="float32")(x)
    x = layers.GlobalAveragePooling2D(dtype="float32")(x)
    return layers.Activation("softmax", dtype="float32")(x)
