"""Naming expressions: the classifier, and the stages that cut crops and feed them to it."""

import functools
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from fer_video import weights
from fer_video.crop import brightness, crop_face, sharpness
from fer_video.errors import OptionError
from fer_video.gpu import driver_sees_gpu
from fer_video.options import ClassifyOptions, DeviceChoice
from fer_video.types import (
    CropSpec,
    DetectedFrame,
    Face,
    Floats,
    Image,
    Moment,
    Observation,
    Snapshot,
)

_FRAMES_PER_CROP = 4
"""Frames that may wait, as a multiple of the batch: a faceless hour must not hold up a face."""
_LONGEST_WAIT_S = 10.0
"""Of recording, for the same reason where samples are far apart."""


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


class ReadyNet(Protocol):
    """A trained net, loaded, and what runs it."""

    batch_size: int
    """Crops per call."""
    device: str
    """What it computes on, as ``cpu:0``."""
    runtime: dict[str, str]
    """Versions of the packages that compute."""

    def __call__(self, crops: Floats) -> Floats:
        """Compute.

        Args:
            crops: Gray levels in [0, 1], float32 ``(batch_size, height, width, 1)``.

        Returns:
            Probabilities at temperature 1, float32 ``(batch_size, n_emotions)``.
        """
        ...


class NetClassifier:
    """A trained net of ours as a ``Classifier``, temperature included."""

    def __init__(self, spec: weights.ModelSpec, net: ReadyNet) -> None:
        self.spec = spec
        self.batch_size = net.batch_size
        self.device = net.device
        self.runtime = net.runtime
        self._net = net

    @property
    def ran(self) -> dict[str, Any]:
        """What it runs on: ``device`` and ``runtime``."""
        return {"device": self.device, "runtime": self.runtime}

    def __call__(self, crops: Image) -> Floats:
        """Classify; see ``Classifier``."""
        size = self._net.batch_size
        parts = [self._answers(crops[at : at + size]) for at in range(0, len(crops), size)]
        if not parts:
            return np.zeros((0, len(self.spec.labels)), np.float32)
        return temper(np.concatenate(parts), self.spec.temperature)

    def _answers(self, crops: Image) -> Floats:
        padded = np.zeros((self._net.batch_size, *crops.shape[1:], 1), np.float32)
        padded[: len(crops), ..., 0] = crops
        padded /= 255
        return self._net(padded)[: len(crops)]


@functools.cache
def load_classifier(options: ClassifyOptions) -> NetClassifier:
    """Find, check and load the model that the options name; once per process and choice.

    Raises:
        ModelError: There is no such model, or it is damaged.
        OptionError: A GPU is asked for and there is none.
    """
    return classifier_of(weights.find(options.model), options.batch_size, options.device)


def classifier_of(spec: weights.ModelSpec, batch_size: int, device: DeviceChoice) -> NetClassifier:
    """Load a model: on a GPU with Keras, else with LiteRT, or with Keras where it has no such file.

    Args:
        spec: The model.
        batch_size: Crops per call of Keras; LiteRT has a size of its own.
        device: ``auto`` takes a GPU that NVIDIA's driver and Keras can use, and else the CPU.

    Raises:
        ModelError: The model is damaged, or its files do not fit it.
        OptionError: ``device`` is ``gpu`` and there is none.
    """
    on_gpu = _takes_gpu(device)
    if spec.lite_sha256 and not on_gpu:
        from fer_video.lite import LiteNet

        return NetClassifier(spec, LiteNet(spec))
    from fer_video.keras_net import KerasNet  # TensorFlow takes seconds to load

    return NetClassifier(spec, KerasNet(spec, batch_size, "gpu:0" if on_gpu else "cpu:0"))


def _takes_gpu(choice: DeviceChoice) -> bool:
    # only Keras knows whether it can use a GPU, but it takes seconds to load and the driver none
    if choice == "cpu" or (choice == "auto" and not driver_sees_gpu()):
        return False
    from fer_video.backend import has_gpu

    found = has_gpu()
    if choice == "gpu" and not found:
        raise OptionError(
            "--device gpu: no GPU is usable here; take --device cpu, or install "
            '"fer-video[gpu]" and the NVIDIA driver'
        )
    return found


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
    snapshot: Snapshot | None = None
    """See ``Frame.snapshot``."""


def cut_crops(detected: Iterable[DetectedFrame], crop: CropSpec) -> Iterator[CroppedFrame]:
    """Cut the faces out of each frame, in order; the frame itself is let go."""
    for item in detected:
        frame, faces = item.frame, item.faces or ()
        crops = (crop_face(frame.gray, face.landmarks, crop, frame.full_range) for face in faces)
        yield CroppedFrame(
            frame.index, frame.pts, frame.time_s, faces, tuple(crops), frame.snapshot
        )


def classify(
    frames: Iterable[CroppedFrame], classifier: Classifier, batch_size: int
) -> Iterator[Moment]:
    """Classify every face; one moment per frame, in order, with or without faces.

    Crops of several frames and people share a batch, and a frame may be spread over two; the
    size of a batch changes no number.
    """
    waiting: deque[CroppedFrame] = deque()
    crops: list[Image] = []
    answers: deque[Floats] = deque()
    for frame in frames:
        waiting.append(frame)
        crops += frame.crops
        while (
            len(crops) >= batch_size
            or len(waiting) > _FRAMES_PER_CROP * batch_size
            or (crops and frame.time_s - waiting[0].time_s >= _LONGEST_WAIT_S)
        ):
            answers.extend(classifier(np.stack(crops[:batch_size])))
            del crops[:batch_size]
            yield from _answered(waiting, answers)
        yield from _answered(waiting, answers)
    if crops:
        answers.extend(classifier(np.stack(crops)))
    yield from _answered(waiting, answers)


def _answered(waiting: deque[CroppedFrame], answers: deque[Floats]) -> Iterator[Moment]:
    """Take the frames off the front of which every face has its answer."""
    while waiting and len(waiting[0].faces) <= len(answers):
        frame = waiting.popleft()
        observations = tuple(
            Observation(face, answers.popleft(), sharpness(crop), brightness(crop))
            for face, crop in zip(frame.faces, frame.crops, strict=True)
        )
        yield Moment(frame.index, frame.pts, frame.time_s, observations, frame.snapshot)
