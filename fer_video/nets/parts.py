"""What the nets share: the input, a convolution, normalization, and two ends in probabilities."""

import importlib
from typing import Any

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
    x = BatchNormalization()(x)
    return layers.Activation(activation)(x) if activation else x


class BatchNormalization(keras.layers.BatchNormalization):
    """Keras' own, but that TensorFlow normalizes maps in one kernel while a net learns.

    Keras composes it of operations that each read and write the whole map: 31 ms for 128 maps of
    48x48x24, forward and back on one core, against 10. Other backends do as Keras does. The moving
    statistics follow sooner than Keras' own, so that validation figures are true of few steps, too.

    Source:
        Ioffe and Szegedy, "Batch Normalization: Accelerating Deep Network Training by Reducing
        Internal Covariate Shift", ICML 2015. The kernel's variance is unbiased: n / (n - 1) times
        that of Keras for n places.
    """

    def __init__(self, momentum: float = 0.9, **settings: Any) -> None:
        """Make the layer; ``momentum`` is that of the moving statistics."""
        super().__init__(momentum=momentum, **settings)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        learns = training and self.trainable
        if not learns or len(inputs.shape) != 4 or keras.backend.backend() != "tensorflow":
            return super().call(inputs, training=training, mask=mask)
        tensorflow: Any = importlib.import_module("tensorflow")
        outputs, mean, variance = tensorflow.compat.v1.nn.fused_batch_norm(
            keras.ops.cast(inputs, "float32"), self.gamma, self.beta, epsilon=self.epsilon
        )
        for moving, found in ((self.moving_mean, mean), (self.moving_variance, variance)):
            moving.assign(self.momentum * moving + (1 - self.momentum) * found)
        return keras.ops.cast(outputs, self.compute_dtype)


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
