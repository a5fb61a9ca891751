"""Finding faces: one protocol, three detectors, and the stage that runs them on key frames."""

import hashlib
import importlib.util
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np

from fer_video.errors import ModelError
from fer_video.options import DetectOptions, DetectorName
from fer_video.quiet import quiet_startup
from fer_video.types import Box, DetectedFrame, Face, Frame, Image
from fer_video.yunet import YuNet

_MTCNN_SHA256 = {
    "pnet.lz4": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    "rnet.lz4": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    "onet.lz4": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
}

_HELD_BYTES = 256 * 2**20
"""Most that frames may take while key frames wait for a full batch."""


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


BATCH_SIZE: dict[DetectorName, int] = {"yunet": 1, "mtcnn": 16, "haar": 1}
"""Pictures per call that suit each detector; OpenCV's take one at a time."""


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
    frames: Iterable[Frame], detector: Detector, options: DetectOptions, batch_size: int = 1
) -> Iterator[DetectedFrame]:
    """Look for faces in the frames that carry a picture for it; one output per input, in order.

    Frames wait until a batch of key frames is full, or until they hold too many bytes. Faces
    below the weak score or the least size are dropped.
    """
    waiting: list[Frame] = []
    held_bytes = key_frames = 0
    for frame in frames:
        waiting.append(frame)
        held_bytes += frame.gray.nbytes
        key_frames += frame.rgb is not None
        # a batch never goes beyond a snapshot, so that it does not matter where an analysis began
        if key_frames >= batch_size or held_bytes >= _HELD_BYTES or frame.snapshot:
            yield from _detect_batch(waiting, detector, options)
            waiting, held_bytes, key_frames = [], 0, 0
    yield from _detect_batch(waiting, detector, options)


def _detect_batch(
    frames: Sequence[Frame], detector: Detector, options: DetectOptions
) -> Iterator[DetectedFrame]:
    pictures = [frame.rgb for frame in frames if frame.rgb is not None]
    found = iter(detector(pictures) if pictures else ())
    for frame in frames:
        if frame.rgb is None:
            yield DetectedFrame(frame, None)
            continue
        scale = np.array(frame.gray.shape[::-1]) / frame.rgb.shape[1::-1]
        faces = (_scaled(face, scale) for face in next(found))
        yield DetectedFrame(frame, tuple(face for face in faces if _is_usable(face, options)))


def _scaled(face: Face, scale: np.ndarray[Any, Any]) -> Face:
    x, y = scale
    left, top, right, bottom = face.box
    box = Box(float(left * x), float(top * y), float(right * x), float(bottom * y))
    return Face(box, face.score, (face.landmarks * scale).astype(np.float32))


def _is_usable(face: Face, options: DetectOptions) -> bool:
    shorter_px = min(face.box.width, face.box.height)
    return face.score >= options.min_weak_score and shorter_px >= options.min_face_px


class Mtcnn:
    """MTCNN from the package of that name.

    Source:
        Zhang, Zhang, Li and Qiao, "Joint Face Detection and Alignment Using Multitask Cascaded
        Convolutional Networks", IEEE Signal Processing Letters 23(10), 2016.
    """

    _MIN_SIDE_PX = 24
    """Its pyramid has no level for a smaller picture."""

    def __init__(self, options: DetectOptions) -> None:
        # paths from the root: by a bare name it would unpickle a file of the current folder
        weights = {
            name: str(_package_file("mtcnn", f"assets/weights/{name}", sha256))
            for name, sha256 in _MTCNN_SHA256.items()
        }
        with quiet_startup():
            import mtcnn
            from mtcnn.stages import StageONet, StagePNet, StageRNet

            stages = [
                StagePNet(weights=weights["pnet.lz4"]),
                _UnlessEmpty(StageRNet(weights=weights["rnet.lz4"])),
                _UnlessEmpty(StageONet(weights=weights["onet.lz4"])),
            ]
            self._net = mtcnn.MTCNN(stages=stages)
        self._threshold = options.min_weak_score

    def __call__(self, pictures: Sequence[Image]) -> Sequence[tuple[Face, ...]]:
        if min(pictures[0].shape[:2]) < self._MIN_SIDE_PX:
            return [() for _ in pictures]
        # min_face_size stays at 20: its pyramid ignores another value and finds nothing
        rows = self._net.detect_faces(
            list(pictures),
            box_format="xyxy",
            output_type="numpy",
            fit_to_image=False,
            threshold_onet=self._threshold,
        )
        return [
            tuple(self._face(row) for row in rows[rows[:, 0] == position])
            for position in range(len(pictures))
        ]

    @staticmethod
    def _face(row: np.ndarray[Any, Any]) -> Face:
        # picture, left, top, right, bottom, score, five x, five y
        box = Box(*(float(edge) for edge in row[1:5]))
        landmarks = np.stack([row[6:11], row[11:16]], axis=1).astype(np.float32)
        return Face(box, score=float(row[5]), landmarks=landmarks)


class _UnlessEmpty:
    """A stage of MTCNN that is left out when the one before found nothing.

    The package lets it fail instead, which TensorFlow reports on the user's terminal.
    """

    def __init__(self, stage: Callable[..., np.ndarray[Any, Any]]) -> None:
        self._stage = stage

    def __call__(self, bboxes_batch: np.ndarray[Any, Any], **pictures: Any) -> np.ndarray[Any, Any]:
        if not len(bboxes_batch):
            return np.empty((0, 16))
        return self._stage(bboxes_batch=bboxes_batch, **pictures)


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


def _package_file(package: str, name: str, sha256: str) -> Path:
    """Find a file of an installed package without importing it, and check what is in it."""
    found = importlib.util.find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise ModelError(f"the package {package} is not installed: pip install {package}")
    path = Path(found.submodule_search_locations[0]) / name
    if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != sha256:
        raise ModelError(f"{path} is missing or not the expected file: install {package} anew")
    return path
