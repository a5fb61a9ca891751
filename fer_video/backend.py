"""Keras without the start-up noise of what runs below it.

The only place that imports Keras: ``from fer_video.backend import keras``. ``KERAS_BACKEND``
chooses what it runs on; TensorFlow is the default and the tested one.
"""

import os

from fer_video.quiet import quiet_startup

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # warnings, but no news
with quiet_startup():
    import keras

__all__ = ["keras"]
