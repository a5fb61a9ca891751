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
    matrix = _similarity(landmarks, spec)
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
