from itertools import pairwise

import cv2
import numpy as np

from fer_video.cuts import CutDetector


def textured(seed: int, shift: int = 0) -> np.ndarray:
    """A random picture of soft shapes, perhaps moved to the right."""
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 16)).astype(np.uint8)
    return np.roll(cv2.resize(coarse, (64, 36)), shift, axis=1)


def cuts(*pictures: np.ndarray) -> list[bool]:
    detector = CutDetector()
    return [detector.begins_scene(picture) for picture in pictures]


def test_another_picture_begins_a_scene() -> None:
    assert cuts(textured(1), textured(1), textured(2), textured(2)) == [False, False, True, False]


def test_a_moving_camera_begins_none() -> None:
    pan = [textured(1, shift=2 * n) for n in range(8)]
    change = [float(np.abs(a.astype(int) - b).mean()) for a, b in pairwise(pan)]
    assert min(change) > 18  # as much as at a cut
    assert cuts(*[pan[0]] * 2, *pan[1:2])[-1]  # so it begins one out of the blue
    assert not any(cuts(*pan)[2:])
