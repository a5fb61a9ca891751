"""YuNet, the detector that runs by default."""

from collections.abc import Sequence

import cv2
import numpy as np

from fer_video.litert import Graph, shipped
from fer_video.options import DetectOptions
from fer_video.types import Face, Floats, Image, Rows

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
                           -(-width // coarsest_px) * coarsest_px, 3), np.uint8)  # fmt: skip
        padded[0, :height, :width] = picture
        # the finest map is the largest
        maps = sorted(self._graph(padded), key=lambda one: -one.size)
        found = [
            _found(cells, stride_px, self._min_score)
            for (cells,), stride_px in zip(maps, _STRIDES_PX, strict=True)
        ]
        return tuple(map(Face.from_row, _one_per_person(np.concatenate(found))))


def _found(cells: Floats, stride_px: int, min_score: float) -> Rows:
    """Read what may be faces off a map.

    Args:
        cells: ``(rows, columns, 16)``. Of each cell: how likely it is a face and how likely the
            middle of something, both in [0, 1]; centre, then log of width and height; five
            points as ``(x, y)``. Lengths are in strides, places relative to the cell.
        stride_px: Pixels between two cells.
        min_score: Least geometric mean of the two likelihoods.
    """
    scores = np.sqrt(cells[..., 0] * cells[..., 5])
    rows, columns = np.nonzero(scores >= min_score)
    cell, place = cells[rows, columns], np.stack([columns, rows], axis=1)
    centre = (cell[:, 1:3] + place) * stride_px
    half = np.exp(cell[:, 3:5]) * stride_px / 2
    points = (cell[:, 6:16] + np.tile(place, 5)) * stride_px
    return np.concatenate(
        [centre - half, centre + half, scores[rows, columns, None], points], axis=1
    )


def _one_per_person(found: Rows) -> Rows:
    """Keep the surest of detections that overlap, in the order of their scores."""
    boxes = np.concatenate([found[:, :2], found[:, 2:4] - found[:, :2]], axis=1)
    kept = cv2.dnn.NMSBoxes(boxes.tolist(), found[:, 4].tolist(), 0.0, _MAX_IOU)
    return found[np.asarray(kept, np.intp)]
