"""Finding faces: one protocol, three detectors, and the stage that runs them on key frames."""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from fer_video.errors import ModelError
from fer_video.mtcnn import Mtcnn
from fer_video.options import DetectOptions, DetectorName
from fer_video.types import Box, DetectedFrame, Face, Frame, Image
from fer_video.yunet import YuNet


class Detector(Protocol):
    """Finds the faces in each of some pictures."""

    def __call__(self, pictures: Sequence[Image]) -> Sequence[tuple[Face, ...]]:
        """Find faces.

        Args:
            pictures: RGB, uint8 ``(height, width, 3)``, all of one size.

        Returns:
            One tuple per picture; boxes and landmarks in pixels of that picture, untracked.
        """
        ...


_FACE_PX: dict[DetectorName, int] = {"yunet": 12, "mtcnn": 20, "haar": 24}
"""Smallest face that each detector finds, with a little to spare."""


def picture_side_px(recording_side_px: int, options: DetectOptions) -> int:
    """Choose the longest side of the picture that the detector sees.

    The smallest face that counts still has to be found; more pixels only cost time.

    Args:
        recording_side_px: Longest side of the full-size picture.
        options: Give the detector, its largest picture and the smallest face.

    >>> picture_side_px(640, DetectOptions(min_face_px=24))
    320
    """
    enough = recording_side_px * _FACE_PX[options.detector] / options.min_face_px
    return min(options.detect_side_px, math.ceil(enough))


def load_detector(options: DetectOptions) -> Detector:
    """Load the detector that the options name.

    Raises:
        ModelError: Its weights are missing or not the expected ones.
    """
    return _LOADERS[options.detector](options)


def detect(
    frames: Iterable[Frame], detector: Detector, options: DetectOptions
) -> Iterator[DetectedFrame]:
    """Look for faces in the frames that carry a picture for it; one output per input, in order.

    Faces below the weak score or the least size are dropped.
    """
    for frame in frames:
        if frame.rgb is None:
            yield DetectedFrame(frame, None)
            continue
        (found,) = detector([frame.rgb])
        scale = np.array(frame.gray.shape[::-1]) / frame.rgb.shape[1::-1]
        faces = (_scaled(face, scale) for face in found)
        yield DetectedFrame(frame, tuple(face for face in faces if _is_usable(face, options)))


def _scaled(face: Face, scale: np.ndarray[Any, Any]) -> Face:
    x, y = scale
    left, top, right, bottom = face.box
    box = Box(float(left * x), float(top * y), float(right * x), float(bottom * y))
    return Face(box, face.score, (face.landmarks * scale).astype(np.float32))


def _is_usable(face: Face, options: DetectOptions) -> bool:
    shorter_px = min(face.box.width, face.box.height)
    return face.score >= options.min_weak_score and shorter_px >= options.min_face_px


class Haar:
    """OpenCV's frontal-face Haar cascade, for comparison with older studies.

    It has no landmarks: they are set where they lie in an average face of its box.

    Source:
        Viola and Jones, "Robust Real-Time Face Detection", IJCV 57(2), 2004.
    """

    _AVERAGE_FACE = np.array(
        [[0.32, 0.40], [0.68, 0.40], [0.50, 0.58], [0.36, 0.74], [0.64, 0.74]], np.float32
    )
    """Landmarks as shares of the box."""

    def __init__(self, options: DetectOptions) -> None:
        path = Path(cv2.__file__).parent / "data" / "haarcascade_frontalface_default.xml"
        self._cascade = cv2.CascadeClassifier(str(path))
        if self._cascade.empty():
            raise ModelError(f"{path} is missing or damaged: install opencv-python-headless anew")

    def __call__(self, pictures: Sequence[Image]) -> Sequence[tuple[Face, ...]]:
        return [self._find(picture) for picture in pictures]

    def _find(self, picture: Image) -> tuple[Face, ...]:
        boxes, _, weights = self._cascade.detectMultiScale3(
            cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY),
            scaleFactor=1.1,
            minNeighbors=5,
            outputRejectLevels=True,
        )
        # its own grouping leaves a small box inside a large one as two faces
        kept = cv2.dnn.NMSBoxes(boxes, weights, score_threshold=0, nms_threshold=0.3)
        return tuple(self._face(boxes[at], float(weights[at])) for at in kept)

    def _face(self, box: Sequence[float], weight: float) -> Face:
        left, top, width, height = (float(number) for number in box)
        landmarks = self._AVERAGE_FACE * (width, height) + (left, top)
        # the sum of the last stage's votes, not a probability: brought into (0, 1) in order
        score = 1 / (1 + np.exp(-weight))
        edges = Box(left, top, left + width, top + height)
        return Face(edges, score=float(score), landmarks=landmarks.astype(np.float32))


_LOADERS: dict[DetectorName, Callable[[DetectOptions], Detector]] = {
    "yunet": YuNet,
    "mtcnn": Mtcnn,
    "haar": Haar,
}
