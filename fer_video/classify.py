"""Naming expressions: the classifier, and the stage that feeds it crops in batches."""

import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fer_video import nets, weights
from fer_video.backend import keras
from fer_video.crop import brightness, crop_face, sharpness
from fer_video.errors import ModelError, OptionError
from fer_video.options import ClassifyOptions, DeviceChoice
from fer_video.quiet import quiet_startup
from fer_video.types import CropSpec, DetectedFrame, Face, Floats, Image, Moment, Observation

_MOMENTS_PER_CROP = 4
"""Moments that may wait, as a multiple of the batch: a faceless hour must not pile up."""


class Classifier(Protocol):
    """Tells how likely each emotion is for each crop."""

    def __call__(self, crops: Image) -> Floats:
        """Classify.

        Args:
            crops: Gray, uint8 ``(n, height, width)``, full range.

        Returns:
            float32 ``(n, n_emotions)``; each row sums to 1.
        """
        ...


class KerasClassifier:
    """A trained net of ours on any Keras backend."""

    def __init__(self, spec: weights.ModelSpec, batch_size: int, device: DeviceChoice) -> None:
        """Build the net and load its weights.

        Raises:
            ModelError: The net is unknown, or the weights do not fit it.
            OptionError: ``device`` is ``gpu`` and there is none.
        """
        self.spec = spec
        self.device = _choose_device(device)
        self._batch_size = batch_size
        with quiet_startup(), keras.device(self.device):
            self._net = nets.build(spec.net, len(spec.labels))
            _load_weights(self._net, spec)
            # the first call compiles; what it prints belongs to the start-up
            self._predict(np.zeros((1, spec.crop.size_px, spec.crop.size_px), np.uint8))

    def __call__(self, crops: Image) -> Floats:
        """Classify; see ``Classifier``. Batches have one fixed shape, so nothing retraces."""
        size = self._batch_size
        parts = [self._predict(crops[at : at + size]) for at in range(0, len(crops), size)]
        if not parts:
            return np.zeros((0, len(self.spec.labels)), np.float32)
        return temper(np.concatenate(parts), self.spec.temperature)

    def _predict(self, crops: Image) -> Floats:
        padded = np.zeros((self._batch_size, *crops.shape[1:], 1), np.float32)
        padded[: len(crops), ..., 0] = crops
        with keras.device(self.device):
            predicted: Floats = self._net.predict_on_batch(padded / 255)
        return predicted[: len(crops)]


def _load_weights(net: keras.Model, spec: weights.ModelSpec) -> None:
    try:
        with warnings.catch_warnings():
            # Keras leaves what it cannot find in the file at random, and only warns
            warnings.simplefilter("error", UserWarning)
            net.load_weights(spec.weights)
    except (ValueError, OSError, UserWarning) as error:
        raise ModelError(f"{spec.weights} does not fit the net {spec.net}") from error


def load_classifier(options: ClassifyOptions) -> KerasClassifier:
    """Find, check and load the model that the options name.

    Raises:
        ModelError: There is no such model, or it is damaged.
        OptionError: A GPU is asked for and there is none.
    """
    return KerasClassifier(weights.find(options.model), options.batch_size, options.device)


def temper(probabilities: Floats, temperature: float) -> Floats:
    """Divide the logits behind probabilities by a temperature; 1 changes nothing.

    Source:
        Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
    """
    if temperature == 1:
        return probabilities
    scaled = np.log(np.maximum(probabilities, 1e-12)) / temperature
    scaled = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(scaled / scaled.sum(axis=1, keepdims=True), np.float32)


def classify(
    detected: Iterable[DetectedFrame], classifier: Classifier, crop: CropSpec, batch_size: int
) -> Iterator[Moment]:
    """Classify every face; one moment per frame, in order, with or without faces.

    Crops are cut as frames arrive, so no picture is held while a batch fills.
    """
    waiting: list[_Waiting] = []
    n_crops = 0
    for item in detected:
        waiting.append(_cut(item, crop))
        n_crops += len(waiting[-1].crops)
        if n_crops >= batch_size or len(waiting) >= _MOMENTS_PER_CROP * batch_size:
            yield from _classified(waiting, classifier)
            waiting, n_crops = [], 0
    yield from _classified(waiting, classifier)


@dataclass(frozen=True, slots=True, eq=False)
class _Waiting:
    """A frame of which only the crops are kept."""

    index: int
    pts: int
    time_s: float
    faces: tuple[Face, ...]
    crops: list[Image]


def _cut(item: DetectedFrame, crop: CropSpec) -> _Waiting:
    frame, faces = item.frame, item.faces or ()
    crops = [crop_face(frame.gray, face.landmarks, crop, frame.full_range) for face in faces]
    return _Waiting(frame.index, frame.pts, frame.time_s, faces, crops)


def _classified(waiting: list[_Waiting], classifier: Classifier) -> Iterator[Moment]:
    crops = [crop for item in waiting for crop in item.crops]
    rows: Iterator[Any] = iter(classifier(np.stack(crops)) if crops else ())
    for item in waiting:
        observations = tuple(
            Observation(face, next(rows), sharpness(crop), brightness(crop))
            for face, crop in zip(item.faces, item.crops, strict=True)
        )
        yield Moment(item.index, item.pts, item.time_s, observations)


def _choose_device(choice: DeviceChoice) -> str:
    has_gpu = choice != "cpu" and _has_gpu()
    if choice == "gpu" and not has_gpu:
        raise OptionError(
            "--device gpu: no GPU is usable here; take --device cpu, or install "
            '"fer-video[gpu]" and the NVIDIA driver'
        )
    return "gpu:0" if has_gpu else "cpu:0"


def _has_gpu() -> bool:
    with quiet_startup():
        if keras.backend.backend() == "torch":  # whose devices Keras does not list
            import torch

            return bool(torch.cuda.is_available())
        try:
            return bool(keras.distribution.list_devices("gpu"))
        except RuntimeError:  # JAX knows no such platform
            return False
