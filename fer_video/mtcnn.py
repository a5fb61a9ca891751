"""MTCNN, the detector of many studies: three nets, each of which looks closer at fewer places.

Pyramid, thresholds and rounding are those of the Python package mtcnn 1.0.0, so that it finds the
same, picture by picture.
"""

from collections.abc import Iterator, Sequence
from typing import Any, TypeAlias

import cv2
import numpy as np

from fer_video.litert import Graph, shipped
from fer_video.options import DetectOptions
from fer_video.types import Face, Floats, Image, Rows

_PNET = "mtcnn_pnet.tflite", "7c0fe04a3adcc6322fb3d7b278ee951744430fa5f8e706286825d374b4ae348e"
_RNET = "mtcnn_rnet.tflite", "7aef2d54f9853e1a70c54c59b29efc867cb98fc1c49bf5b5db945a847d56d361"
_ONET = "mtcnn_onet.tflite", "44277b4ba627d9ca583d0b582b7f8ad49b2e95886c10fa12b35cda5cc39dcb30"
"""Written and compared with the package by ``benchmarks/mtcnn_nets.py``, with their SHA-256."""

Candidates: TypeAlias = Rows
"""Rows that may lack the landmarks, ``(n, 5)``."""

_MIN_SIDE_PX = 24
"""Its pyramid has no level for a smaller picture."""
_MIN_FACE_PX = 20
"""The size of the faces that its first level shows in a window."""
_WINDOW_PX = 12
"""What P-Net sees of a level at a time."""
_STRIDE_PX = 2
"""From one window to the next."""
_SHRINK = 0.709
"""From one level to the next: half the area."""

_PNET_MIN, _RNET_MIN = 0.6, 0.7
"""Least score that the next net looks at."""
_MAX_IOU_IN_LEVEL, _MAX_IOU = 0.5, 0.7
_MOST = 2000
"""Candidates that are compared with one another, which takes time and memory with their square:
a 320-pixel picture full of the smallest faces has 1,400."""

_RNET_SIDE_PX, _ONET_SIDE_PX = 24, 48
_GRAY = 127.5
"""What lies outside the picture, for R-Net and O-Net."""
_BITE = 4
"""Patches per call: two faces are the rule, and more at once are not faster."""


class Mtcnn:
    """MTCNN as LiteRT runs it, in a third of TensorFlow's time.

    Source:
        Zhang, Zhang, Li and Qiao, "Joint Face Detection and Alignment Using Multitask Cascaded
        Convolutional Networks", IEEE Signal Processing Letters 23(10), 2016.
    """

    def __init__(self, options: DetectOptions) -> None:
        self._pnet = shipped(*_PNET)
        self._pyramid: list[Graph] = []
        self._rnet = Graph(shipped(*_RNET), _RNET[0])
        self._onet = Graph(shipped(*_ONET), _ONET[0])
        self._min_score = options.min_weak_score

    def __call__(self, pictures: Sequence[Image]) -> Sequence[tuple[Face, ...]]:
        """Find faces; see ``detect.Detector``."""
        return [self._find(picture) for picture in pictures]

    def _find(self, picture: Image) -> tuple[Face, ...]:
        if min(picture.shape[:2]) < _MIN_SIDE_PX:
            return ()
        pixels = picture.astype(np.float32)
        proposed = _unlike(np.concatenate([*self._proposals(pixels)]), _MAX_IOU)
        if not len(proposed):
            return ()
        refined = self._refined(pixels, _squared(proposed))
        return self._faces(pixels, _squared(refined)) if len(refined) else ()

    def _proposals(self, pixels: Floats) -> Iterator[Candidates]:
        """Let P-Net look at every place of the picture, at every size."""
        height, width, _ = pixels.shape
        for level, scale in enumerate(_scales(min(height, width))):
            if level == len(self._pyramid):  # each has its size, to be laid out for once
                self._pyramid.append(Graph(self._pnet, _PNET[0]))
            size_px = int(width * scale), int(height * scale)
            smaller = cv2.resize(pixels, size_px, interpolation=cv2.INTER_AREA)
            ((cells,),) = self._pyramid[level](np.asarray(smaller[None], np.float32))
            candidates = _candidates(cells)
            candidates[:, :4] /= scale
            yield _unlike(candidates, _MAX_IOU_IN_LEVEL)

    def _refined(self, pixels: Floats, squares: Candidates) -> Candidates:
        """Let R-Net look at each square; it moves those that it keeps."""
        answers = _answers(self._rnet, _patches(pixels, squares, _RNET_SIDE_PX))
        moved = _moved(squares, answers[:, :4], answers[:, 5])
        return _unlike(moved[moved[:, 4] > _RNET_MIN], _MAX_IOU)

    def _faces(self, pixels: Floats, squares: Candidates) -> tuple[Face, ...]:
        """Let O-Net look at each square; it moves those that it keeps, and finds their points."""
        answers = _answers(self._onet, _patches(pixels, squares, _ONET_SIDE_PX))
        moved = _moved(squares, answers[:, :4], answers[:, 15])
        # five x, then five y, as shares of the square
        shares = answers[:, 4:14].reshape(-1, 2, 5).transpose(0, 2, 1)
        points = shares * _size(squares)[:, None] + squares[:, None, :2] - 1
        found = np.concatenate([moved, points.reshape(-1, 10)], axis=1)
        kept = _unlike(found[found[:, 4] > self._min_score], _MAX_IOU, of_smaller=True)
        return tuple(map(Face.from_row, kept))


def _scales(side_px: int) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Choose the levels of the pyramid for a picture, from its shorter side.

    >>> _scales(48).round(3).tolist()
    [0.6, 0.425, 0.302]
    """
    n_levels = round(-(np.log(side_px / _WINDOW_PX) / np.log(_SHRINK) + 1))
    return np.asarray(_WINDOW_PX / _MIN_FACE_PX * _SHRINK ** np.arange(n_levels))


def _candidates(cells: Floats) -> Candidates:
    """Read what may be faces off the map of a level, in pixels of the level.

    Args:
        cells: ``(rows, columns, 6)``. Of each window: how far the edges of a face lie from its
            own, as shares of its size; how likely it shows none, and how likely one.
    """
    rows, columns = np.nonzero(cells[..., 5] > _PNET_MIN)
    window = cells[rows, columns]
    first = _STRIDE_PX * np.stack([columns, rows], axis=1) + 1.0
    corners = np.concatenate([first, first + _WINDOW_PX - 1], axis=1)
    edges = corners + window[:, :4] * (_WINDOW_PX - 1.0)
    return np.concatenate([edges, window[:, 5:]], axis=1)


def _unlike(candidates: Candidates, max_overlap: float, of_smaller: bool = False) -> Candidates:
    """Leave out each candidate that overlaps a surer one too much, be that one left out or not.

    Args:
        candidates: In any order; they come back with the surest first, ``_MOST`` at most.
        max_overlap: Largest share of the overlap in the union of the two.
        of_smaller: The share is that in the smaller of the two, instead.
    """
    candidates = candidates[np.argsort(candidates[:, 4])[::-1]][:_MOST]
    left, top, right, bottom = candidates[:, :4].T
    # R-Net may turn a box inside out
    area = np.maximum(right - left, 0) * np.maximum(bottom - top, 0)
    width = np.minimum(right[:, None], right) - np.maximum(left[:, None], left)
    height = np.minimum(bottom[:, None], bottom) - np.maximum(top[:, None], top)
    shared = np.maximum(width, 0) * np.maximum(height, 0)
    whole = np.minimum(area[:, None], area) if of_smaller else area[:, None] + area - shared
    covered = np.triu(shared > max_overlap * whole, k=1).any(axis=0)
    return np.asarray(candidates[~covered])


def _squared(candidates: Candidates) -> Candidates:
    """Widen each box to a square around the same centre."""
    sides = candidates[:, 2:4] - candidates[:, :2]
    longer = sides.max(axis=1, keepdims=True)
    first = candidates[:, :2] + (sides - longer) / 2
    return np.concatenate([first, first + longer, candidates[:, 4:]], axis=1)


def _size(candidates: Candidates) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Width and height as the answers of R-Net and O-Net mean them, both edges included."""
    return candidates[:, 2:4] - candidates[:, :2] + 1


def _moved(candidates: Candidates, offsets: Floats, scores: Floats) -> Candidates:
    """Move each edge by a share of the size, and replace the score."""
    edges = candidates[:, :4] + offsets * np.tile(_size(candidates), 2)
    return np.concatenate([edges, scores[:, None]], axis=1)


def _patches(pixels: Floats, candidates: Candidates, side_px: int) -> Floats:
    """Cut the candidates out and bring them to one size, ``(n, side_px, side_px, 3)``.

    Source:
        ``tf.image.crop_and_resize``, as the package mtcnn calls it: the edges are shares of the
        picture's size, which TensorFlow takes as shares of the way to its last pixel.
    """
    height, width, channels = pixels.shape
    last = np.array([[width - 1], [height - 1]])
    first, sides = candidates[:, :2, None], (candidates[:, 2:4] - candidates[:, :2])[..., None]
    places = (first + sides * np.linspace(0, 1, side_px)) * last / (last + 1)
    before = np.clip(np.floor(places), 0, last - 1)
    # x along the columns of a patch, y along its rows
    beyond_x, beyond_y = (places - before).astype(np.float32).transpose(1, 0, 2)
    beyond_x, beyond_y = beyond_x[:, None, :, None], beyond_y[:, :, None, None]
    outside_x, outside_y = ((places < 0) | (places > last)).transpose(1, 0, 2)
    x, y = before.astype(np.intp).transpose(1, 0, 2)
    flat, at = pixels.reshape(-1, channels), y[:, :, None] * width + x[:, None]
    upper, lower = (_between(flat, row, beyond_x) for row in (at, at + width))
    patches = upper + (lower - upper) * beyond_y
    patches[outside_x[:, None] | outside_y[:, :, None]] = _GRAY
    return np.asarray(patches, np.float32)


def _between(flat: Floats, at: np.ndarray[Any, np.dtype[np.intp]], beyond: Floats) -> Floats:
    """Interpolate between pixels and their right neighbours."""
    left = flat.take(at, axis=0)
    return left + (flat.take(at + 1, axis=0) - left) * beyond


def _answers(net: Graph, patches: Floats) -> Floats:
    """Ask a net about each patch, always about as many, so that its memory stays laid out."""
    n = len(patches)
    padded = np.zeros((-(-n // _BITE) * _BITE, *patches.shape[1:]), np.float32)
    padded[:n] = patches
    return np.concatenate([net(padded[at : at + _BITE])[0] for at in range(0, n, _BITE)])[:n]
