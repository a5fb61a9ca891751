"""What training does to a crop, so that the net expects what a detector and a camera do to it."""

from typing import Any

import cv2
import numpy as np

from fer_video.options import TrainOptions

Crop = np.ndarray[Any, np.dtype[Any]]
"""Gray, uint8, shape ``(height, width)``, or a stack of them."""

MIRRORED_SHARE = 0.5
MAX_ROTATION_DEG = 12.0
MAX_SHIFT = 0.1
"""Share of the width: a detector's box moves by about 5 to 10 % between frames."""
SCALE_RANGE = (0.88, 1.14)
CONTRAST_RANGE = (0.7, 1.3)
MAX_BRIGHTNESS = 30.0
"""In gray levels of 0 to 255."""
GAMMA_RANGE = (0.6, 2.2)
"""Above 1 darkens: low light crushes the shadows first."""
JPEG_QUALITY_RANGE = (30, 80)
BLUR_SIGMA_RANGE_PX = (0.4, 1.2)
ERASED_SIDE_RANGE = (0.15, 0.4)
"""Share of the width: a hand, a microphone or a mask hides a part of the face."""


def augment(
    crops: Crop,
    rng: np.random.Generator,
    share: float = TrainOptions.augmented_share,
    erased_share: float = TrainOptions.erased_share,
) -> Crop:
    """Mirror crops and disturb them as recordings do, at random; the input is left alone.

    Args:
        crops: Gray, uint8, shape ``(n, height, width)``.
        rng: The only source of chance, so that a seed repeats the result.
        share: Of the crops that are disturbed, in [0, 1]; all may be mirrored.
        erased_share: Of those, that lose a rectangle, in [0, 1].

    Returns:
        uint8, the same shape.
    """
    chosen = np.ones(len(crops), bool) if share == 1 else rng.random(len(crops)) < share
    mirrored = rng.random(len(crops)) < MIRRORED_SHARE
    facing = np.where(mirrored[:, np.newaxis, np.newaxis], crops[..., ::-1], crops)
    return np.stack(
        [
            _disturb(crop, rng, erased_share) if disturbed else crop
            for crop, disturbed in zip(facing, chosen, strict=True)
        ]
    )


def _disturb(crop: Crop, rng: np.random.Generator, erased_share: float) -> Crop:
    crop = _move(crop, rng)
    crop = _relight(crop, rng)
    if rng.random() < 0.15:
        crop = cv2.GaussianBlur(crop, (0, 0), rng.uniform(*BLUR_SIGMA_RANGE_PX))
    if rng.random() < 0.15:
        crop = _compress(crop, rng)
    if rng.random() < erased_share:
        crop = _erase(crop, rng)
    return crop


def _move(crop: Crop, rng: np.random.Generator) -> Crop:
    """Rotate, scale and shift in one resampling."""
    height, width = crop.shape
    centre = ((width - 1) / 2, (height - 1) / 2)
    angle_deg = rng.uniform(-MAX_ROTATION_DEG, MAX_ROTATION_DEG)
    matrix = cv2.getRotationMatrix2D(centre, angle_deg, rng.uniform(*SCALE_RANGE))
    matrix[:, 2] += rng.uniform(-MAX_SHIFT, MAX_SHIFT, 2) * (width, height)
    return cv2.warpAffine(crop, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)


def _relight(crop: Crop, rng: np.random.Generator) -> Crop:
    levels = np.arange(256.0)
    if rng.random() < 0.2:
        levels = 255 * (levels / 255) ** rng.uniform(*GAMMA_RANGE)
    contrast = rng.uniform(*CONTRAST_RANGE)
    brightness = rng.uniform(-MAX_BRIGHTNESS, MAX_BRIGHTNESS)
    table = np.clip((levels - 128) * contrast + 128 + brightness, 0, 255).astype(np.uint8)
    return np.asarray(table[crop])


def _compress(crop: Crop, rng: np.random.Generator) -> Crop:
    quality = int(rng.integers(*JPEG_QUALITY_RANGE))
    _, encoded = cv2.imencode(".jpg", crop, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(encoded, cv2.IMREAD_GRAYSCALE))


def _erase(crop: Crop, rng: np.random.Generator) -> Crop:
    """Paint a rectangle of one random gray.

    Source:
        Zhong, Zheng, Kang, Li and Yang, "Random Erasing Data Augmentation", AAAI 2020.
    """
    height, width = crop.shape
    erased_height, erased_width = (
        int(side * rng.uniform(*ERASED_SIDE_RANGE)) for side in (height, width)
    )
    top = rng.integers(0, height - erased_height)
    left = rng.integers(0, width - erased_width)
    crop = crop.copy()
    crop[top : top + erased_height, left : left + erased_width] = rng.integers(0, 256)
    return crop
