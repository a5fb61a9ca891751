"""YuNet, the detector that runs by default."""

from collections.abc import Sequence

import cv2
import numpy as np

from fer_video.litert import Graph, shipped
from fer_video.options import DetectOptions
from fer_video.types import Box, Face, Floats, Image

_NET = "yunet.tflite", "8e5a161f389760e6e227d6e4da62d9d66212528078a0135a3db06391b8f11ee0"
"""Written and compared with OpenCV by ``benchmarks/yunet.py``, and its SHA-256."""

_STRIDES_PX = (8, 16, 32)
_MIN_SIDE_PX = 32
"""Its coarsest map has one cell in 32 pixels; on less it sees faces in nothing."""
_MAX_IOU = 0.3
"""Of two detections that are two faces."""


class YuNet:
    """YuNet as LiteRT runs it, in 0.4 of OpenCV's time and with the same answers.

    Source:
        Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence
        Research 20, 2023.
    """

    def __init__(self, options: DetectOptions) -> None:
        self._graph = Graph(shipped(*_NET), _NET[0])
        self._min_score = options.min_weak_score

    def __call__(self, pictures: Sequence[Image]) -> Sequence[tuple[Face, ...]]:
        """Find faces; see ``detect.Detector``."""
        return [self._find(picture) for picture in pictures]

    def _find(self, picture: Image) -> tuple[Face, ...]:
        height, width, _ = picture.shape
        if min(height, width) < _MIN_SIDE_PX:
            return ()
        coarsest_px = _STRIDES_PX[-1]
        padded = np.zeros((1, -(-height // coarsest_px) * coarsest_px,
                           -(-width // coarsest_px) * coarsest_px, 3), np.float32)  # fmt: skip
        padded[0, :height, :width] = picture
        # the finest map is the largest
        maps = sorted(self._graph(padded), key=lambda one: -one.size)
        found = [
            face
            for (cells,), stride_px in zip(maps, _STRIDES_PX, strict=True)
            for face in _faces(cells, stride_px, self._min_score)
        ]
        return _one_per_person(found)


def _faces(cells: Floats, stride_px: int, min_score: float) -> list[Face]:
    """Read the faces off a map.

    Args:
        cells: ``(rows, columns, 16)``. Of each cell: how likely it is a face and how likely the
            middle of something, both in [0, 1]; centre, then log of width and height; five
            points as ``(x, y)``. Lengths are in strides, places relative to the cell.
        stride_px: Pixels between two cells.
        min_score: Least geometric mean of the two likelihoods.
    """
    scores = np.sqrt(cells[..., 0] * cells[..., 5])
    rows, columns = np.nonzero(scores >= min_score)
    faces = []
    for cell, score, place in zip(
        cells[rows, columns], scores[rows, columns], np.stack([columns, rows], axis=1), strict=True
    ):
        x, y = (cell[1:3] + place) * stride_px
        width, height = np.exp(cell[3:5]) * stride_px
        box = Box(*map(float, (x - width / 2, y - height / 2, x + width / 2, y + height / 2)))
        points = (cell[6:16].reshape(5, 2) + place) * stride_px
        faces.append(Face(box, float(score), points.astype(np.float32)))
    return faces


def _one_per_person(faces: Sequence[Face]) -> tuple[Face, ...]:
    """Keep the surest of detections that overlap, in the order of their scores."""
    if not faces:
        return ()
    boxes = [(face.box.left, face.box.top, face.box.width, face.box.height) for face in faces]
    kept = cv2.dnn.NMSBoxes(boxes, [face.score for face in faces], 0.0, _MAX_IOU)
    return tuple(faces[at] for at in kept)
