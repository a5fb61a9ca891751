"""Keras without the start-up noise of what runs below it.

The only place that imports Keras: ``from fer_video.backend import keras``. ``KERAS_BACKEND``
chooses what it runs on; TensorFlow is the default and the tested one.
"""

import os

from fer_video.errors import OptionError
from fer_video.quiet import quiet_startup

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # warnings, but no news
os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # else the first on a GPU takes it all
try:
    with quiet_startup():
        import keras
except (ImportError, ValueError) as error:
    raise OptionError(
        f"KERAS_BACKEND is {os.environ['KERAS_BACKEND']}, which cannot be loaded ({error}): "
        "install it, or unset it"
    ) from error

__all__ = ["has_gpu", "keras"]


def has_gpu() -> bool:
    """Tell whether Keras can compute on a GPU here."""
    with quiet_startup():
        if keras.backend.backend() == "torch":  # whose devices Keras does not list
            import torch

            return bool(torch.cuda.is_available())
        try:
            return bool(keras.distribution.list_devices("gpu"))
        except RuntimeError:  # JAX knows no such platform
            return False
