"""Naming expressions: the classifier, and the stages that cut crops and feed them to it."""

import functools
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fer_video import nets, weights
from fer_video.backend import has_gpu, keras
from fer_video.crop import brightness, crop_face, sharpness
from fer_video.errors import ModelError, OptionError
from fer_video.options import ClassifyOptions, DeviceChoice
from fer_video.quiet import quiet_startup
from fer_video.types import CropSpec, DetectedFrame, Face, Floats, Image, Moment, Observation

_FRAMES_PER_CROP = 4
"""Frames that may wait, as a multiple of the batch: a faceless hour must not pile up."""


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
            self._net = load_net(spec, spec.net)
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


def load_net(spec: weights.ModelSpec, net_name: str) -> keras.Model:
    """Build a net and put the weights of a trained model into it.

    Raises:
        ModelError: The model is of another net, or its weights do not fit.
    """
    if spec.net != net_name:
        raise ModelError(f"{spec.folder} is a {spec.net}, not a {net_name}")
    net = nets.build(net_name, len(spec.labels))
    try:
        with warnings.catch_warnings():
            # Keras leaves what it cannot find in the file at random, and only warns
            warnings.simplefilter("error", UserWarning)
            net.load_weights(spec.weights)
    except (ValueError, OSError, UserWarning) as error:
        raise ModelError(f"{spec.weights} does not fit the net {spec.net}") from error
    return net


@functools.cache
def load_classifier(options: ClassifyOptions) -> KerasClassifier:
    """Find, check and load the model that the options name; once per process and choice.

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


@dataclass(frozen=True, slots=True, eq=False)
class CroppedFrame:
    """A frame of which only the faces are kept."""

    index: int
    pts: int
    time_s: float
    faces: tuple[Face, ...]
    crops: tuple[Image, ...]
    """One per face, full range, uint8 ``(size_px, size_px)``."""


def cut_crops(detected: Iterable[DetectedFrame], crop: CropSpec) -> Iterator[CroppedFrame]:
    """Cut the faces out of each frame, in order; the frame itself is let go."""
    for item in detected:
        frame, faces = item.frame, item.faces or ()
        crops = (crop_face(frame.gray, face.landmarks, crop, frame.full_range) for face in faces)
        yield CroppedFrame(frame.index, frame.pts, frame.time_s, faces, tuple(crops))


def classify(
    frames: Iterable[CroppedFrame], classifier: Classifier, batch_size: int
) -> Iterator[Moment]:
    """Classify every face; one moment per frame, in order, with or without faces.

    Crops of several frames and people share a batch; its size changes no number.
    """
    waiting: list[CroppedFrame] = []
    n_crops = 0
    for frame in frames:
        waiting.append(frame)
        n_crops += len(frame.crops)
        if n_crops >= batch_size or len(waiting) >= _FRAMES_PER_CROP * batch_size:
            yield from _classified(waiting, classifier)
            waiting, n_crops = [], 0
    yield from _classified(waiting, classifier)


def _classified(waiting: list[CroppedFrame], classifier: Classifier) -> Iterator[Moment]:
    crops = [crop for frame in waiting for crop in frame.crops]
    rows: Iterator[Any] = iter(classifier(np.stack(crops)) if crops else ())
    for frame in waiting:
        observations = tuple(
            Observation(face, next(rows), sharpness(crop), brightness(crop))
            for face, crop in zip(frame.faces, frame.crops, strict=True)
        )
        yield Moment(frame.index, frame.pts, frame.time_s, observations)


def _choose_device(choice: DeviceChoice) -> str:
    on_gpu = choice != "cpu" and has_gpu()
    if choice == "gpu" and not on_gpu:
        raise OptionError(
            "--device gpu: no GPU is usable here; take --device cpu, or install "
            '"fer-video[gpu]" and the NVIDIA driver'
        )
    return "gpu:0" if on_gpu else "cpu:0"
