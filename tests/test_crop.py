import cv2
import numpy as np
import pytest

from fer_video.crop import brightness, crop_face, sharpness
from fer_video.types import Box, CropSpec, Face
from tests.straightforward import whole_crop

LANDMARKS = np.array([[40, 50], [80, 50], [60, 72], [44, 90], [76, 90]], np.float32)
SPEC = CropSpec()


def marked(landmarks: np.ndarray, size_px: int = 200) -> np.ndarray:
    """A dark picture with a bright dot on each landmark."""
    picture = np.full((size_px, size_px), 30, np.uint8)
    for x, y in landmarks:
        cv2.circle(picture, (round(x), round(y)), 3, 255, -1)
    return picture


def turned(landmarks: np.ndarray, angle_deg: float, scale: float = 1.0) -> np.ndarray:
    matrix = cv2.getRotationMatrix2D((60, 70), angle_deg, scale)
    return (landmarks @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)


def eye_rows(crop: np.ndarray) -> tuple[float, float]:
    """Heights of the two bright spots in the upper half of a crop."""
    upper = crop[:26].astype(float)
    halves = upper[:, :24], upper[:, 24:]
    return tuple(float(np.average(np.arange(26), weights=(h**4).sum(axis=1))) for h in halves)


def test_a_crop_has_the_size_of_its_spec() -> None:
    crop = crop_face(marked(LANDMARKS), LANDMARKS, CropSpec(size_px=64))
    assert crop.shape == (64, 64)
    assert crop.dtype == np.uint8


def test_eyes_come_to_lie_level_where_the_training_faces_have_them() -> None:
    for angle_deg in (-25, 0, 25):
        points = turned(LANDMARKS, angle_deg)
        left, right = eye_rows(crop_face(marked(points), points, SPEC))
        assert left == pytest.approx(right, abs=0.7)
        assert left == pytest.approx(0.39 * 48, abs=1.5)


def test_without_alignment_a_tilted_head_stays_tilted() -> None:
    points = turned(LANDMARKS, 25)
    left, right = eye_rows(crop_face(marked(points), points, CropSpec(align=False)))
    assert abs(left - right) > 4


def test_near_and_far_faces_give_the_same_crop() -> None:
    near = crop_face(marked(LANDMARKS), LANDMARKS, SPEC).astype(int)
    doubled = cv2.resize(marked(LANDMARKS), None, fx=3, fy=3, interpolation=cv2.INTER_LINEAR)
    far = crop_face(doubled, (LANDMARKS + 0.5) * 3 - 0.5, SPEC)
    assert np.abs(near - far).mean() < 3


def test_a_face_that_is_made_smaller_beforehand_gives_the_crop_of_all_its_pixels() -> None:
    rng = np.random.default_rng(1)
    picture = cv2.resize(rng.integers(0, 256, (40, 50), np.uint8), (1001, 803))
    places = ((0, 0), (-350, 0), (560, 380), (5000, 0))  # within, across two edges, and outside
    for shift in places:
        for angle_deg in (0, 25):
            points = turned(LANDMARKS * 6, angle_deg) + np.float32(shift)
            face = Face(Box(0, 0, 1, 1), 1.0, points)
            fast, whole = crop_face(picture, points, SPEC), whole_crop(picture, face, SPEC, True)
            assert np.abs(fast.astype(int) - whole).max() < 14


def test_a_margin_shows_more_around_the_face() -> None:
    plain = crop_face(marked(LANDMARKS), LANDMARKS, SPEC)
    wide = crop_face(marked(LANDMARKS), LANDMARKS, CropSpec(margin=0.3))
    assert brightness(wide) < brightness(plain)


def test_limited_range_luma_is_widened_to_full_range() -> None:
    black, white = np.full((9, 9), 16, np.uint8), np.full((9, 9), 235, np.uint8)
    points = LANDMARKS / 20
    assert crop_face(black, points, SPEC, full_range=False).max() == 0
    assert crop_face(white, points, SPEC, full_range=False).min() == 255
    assert crop_face(white, points, SPEC, full_range=True).max() == 235


def test_a_face_half_outside_the_picture_still_gives_a_crop() -> None:
    points = LANDMARKS - (70, 0)
    assert crop_face(marked(LANDMARKS), points.astype(np.float32), SPEC).shape == (48, 48)


def test_a_large_face_is_averaged_and_not_picked_apart() -> None:
    # a fine checkerboard: single pixels would give black and white, the average is gray
    rows, columns = np.indices((800, 800))
    board = np.where((rows + columns) % 2, 255, 0).astype(np.uint8)
    crop = crop_face(board, LANDMARKS * 8, SPEC)
    assert crop.std() < 20


def test_blur_lowers_sharpness() -> None:
    crop = crop_face(marked(LANDMARKS), LANDMARKS, SPEC)
    assert sharpness(cv2.GaussianBlur(crop, (0, 0), 2)) < sharpness(crop) / 4
