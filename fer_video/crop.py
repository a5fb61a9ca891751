"""From a face to the gray crop that the network sees; the same in analysis and in training.

The crop is framed as FER2013 frames its faces: a similarity (turn, scale, shift) brings the five
landmarks as near as possible to where they lie, on average, in FER2013. Landmarks rather than
the box decide, because each detector draws its boxes differently and all mean the same eyes.
"""

import cv2
import numpy as np

from fer_video.types import CropSpec, Floats, Image

_TEMPLATE: Floats = np.array(
    [[0.3117, 0.3919], [0.6883, 0.3919], [0.5, 0.6009], [0.347, 0.7585], [0.653, 0.7585]],
    np.float32,
)
"""Where the landmarks lie in a FER2013 image, as shares of its side.

Source: medians over what YuNet found in 2,406 of 2,500 random training images, enlarged four
times; averaged with their mirror image. ``benchmarks/framing.py`` repeats it.
"""

_PX_PER_PX = 2
"""Pixels of the picture that are left for each of the crop, across, when a large face is made
smaller beforehand."""

# ITU-R BT.601 and BT.709: limited-range luma has black at 16 and white at 235
_WIDENED = np.clip((np.arange(256) - 16) * 255 / 219, 0, 255).round().astype(np.uint8)


def crop_face(gray: Image, landmarks: Floats, spec: CropSpec, full_range: bool = True) -> Image:
    """Cut a face as the network expects it.

    Args:
        gray: The whole upright picture, uint8 ``(height, width)``.
        landmarks: ``types.LANDMARKS`` as ``(x, y)`` in pixels of ``gray``, ``(5, 2)``.
        spec: Size and framing, from the model.
        full_range: Whether ``gray`` spans 0 to 255; limited range (16 to 235) is widened.

    Returns:
        uint8 ``(spec.size_px, spec.size_px)``. What lies outside the picture repeats its edge.
    """
    gray, matrix = _shrunk(gray, _similarity(landmarks, spec), spec.size_px)
    # a warp alone picks single pixels of a large face: make the crop several times larger, then
    # average, so that no detail turns into noise
    enlarged = max(1, round(1 / float(np.hypot(matrix[0, 0], matrix[0, 1]))))
    side_px = spec.size_px * enlarged
    # pixel centres lie at whole numbers in OpenCV, pixel edges in our boxes and landmarks
    matrix = matrix * enlarged
    matrix[:, 2] += matrix[:, :2].sum(axis=1) * 0.5 - 0.5
    face = cv2.warpAffine(
        gray, matrix, (side_px, side_px), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    if enlarged > 1:
        face = cv2.resize(face, (spec.size_px, spec.size_px), interpolation=cv2.INTER_AREA)
    return np.asarray(face if full_range else _WIDENED[face], np.uint8)


def _shrunk(gray: Image, matrix: np.ndarray, size_px: int) -> tuple[Image, np.ndarray]:
    """Average the surroundings of a large face in whole blocks, which costs half of warping them.

    Args:
        gray: The whole picture.
        matrix: From the picture to the crop, ``(2, 3)``; pixel edges lie at whole numbers.
        size_px: Side of the crop.

    Returns:
        What the crop shows of the picture, and the matrix from there.
    """
    turn, shift = matrix[:, :2], matrix[:, 2]
    block_px = int(1 / float(np.hypot(*turn[0])) / _PX_PER_PX)
    blocks = np.array(gray.shape[::-1]) // max(1, block_px)
    if block_px < 2 or not blocks.all():
        return gray, matrix
    corners = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]) * size_px
    shown = (corners - shift) @ np.linalg.inv(turn).T / block_px
    first = np.clip(np.floor(shown.min(axis=0)).astype(int) - 1, 0, blocks - 1)
    last = np.clip(np.ceil(shown.max(axis=0)).astype(int) + 1, first + 1, blocks)
    (left, top), (right, bottom) = first * block_px, last * block_px
    around = gray[top:bottom, left:right]
    small = cv2.resize(around, (last - first).tolist(), interpolation=cv2.INTER_AREA)
    moved = shift + turn @ (left, top)
    return np.asarray(small, np.uint8), np.column_stack([turn * block_px, moved])


def sharpness(crop: Image) -> float:
    """Measure fine detail: variance of the Laplacian; near 0 is blurred beyond use.

    Source:
        Pech-Pacheco, Cristóbal, Chamorro-Martínez and Fernández-Valdivia, "Diatom autofocusing
        in brightfield microscopy: a comparative study", ICPR 2000.
    """
    return float(cv2.Laplacian(crop, cv2.CV_32F).var())


def brightness(crop: Image) -> float:
    """Mean gray level, 0 to 255."""
    return float(crop.mean())


def _similarity(landmarks: Floats, spec: CropSpec) -> np.ndarray:
    """Least-squares similarity from picture to crop, ``(2, 3)``.

    Source:
        Umeyama, "Least-squares estimation of transformation parameters between two point
        patterns", IEEE PAMI 13(4), 1991; in the plane its solution is this quotient of complex
        numbers.
    """
    framed = (_TEMPLATE - 0.5) / (1 + 2 * spec.margin) + 0.5
    source, target = (points @ np.array([1, 1j]) for points in (landmarks, framed * spec.size_px))
    from_centre = source - source.mean()
    factor = np.vdot(from_centre, target - target.mean()) / np.vdot(from_centre, from_centre)
    if not spec.align:
        factor = abs(factor) + 0j
    shift = target.mean() - factor * source.mean()
    return np.array(
        [[factor.real, -factor.imag, shift.real], [factor.imag, factor.real, shift.imag]]
    )
