import numpy as np
import pytest

from fer_video.learn.augment import MAX_BRIGHTNESS, augment


def crops(count: int) -> np.ndarray:
    return np.random.default_rng(7).integers(0, 256, (count, 48, 48), dtype=np.uint8)


def disturbed(given: np.ndarray, seed: int = 0) -> np.ndarray:
    return augment(given, np.random.default_rng(seed))


def test_a_seed_repeats_the_result_and_another_one_does_not() -> None:
    assert (disturbed(crops(20)) == disturbed(crops(20))).all()
    assert (disturbed(crops(20)) != disturbed(crops(20), seed=1)).any(axis=(1, 2)).all()


def test_the_input_is_left_alone() -> None:
    given = crops(50)
    disturbed(given)
    assert (given == crops(50)).all()


@pytest.mark.parametrize("shape", [(1, 48, 48), (7, 48, 48), (3, 64, 40)])
def test_shape_and_type_are_kept(shape) -> None:
    found = disturbed(np.full(shape, 100, np.uint8))
    assert found.shape == shape
    assert found.dtype == np.uint8


def test_the_same_crop_is_disturbed_otherwise_each_time() -> None:
    found = disturbed(np.repeat(crops(1), 30, axis=0))
    assert len({crop.tobytes() for crop in found}) == 30


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_about_half_of_the_crops_are_mirrored_disturbed_or_not(share) -> None:
    half_bright = np.zeros((400, 48, 48), np.uint8)
    half_bright[..., 24:] = 255
    found = augment(half_bright, np.random.default_rng(0), share).astype(float)
    mirrored = found[..., :24].mean(axis=(1, 2)) > found[..., 24:].mean(axis=(1, 2))
    assert 0.42 < mirrored.mean() < 0.58


def test_a_face_stays_in_the_picture() -> None:
    # a disc in the middle, 60 % as wide as the crop, as large as eyes and mouth together
    rows, columns = np.mgrid[:48, :48] - 23.5
    disc = np.where(rows**2 + columns**2 < 14**2, 255, 0).astype(np.uint8)
    given = np.repeat(disc[None], 300, axis=0)
    found = augment(given, np.random.default_rng(0), erased_share=0).astype(float)
    bright = found > (found.max(axis=(1, 2), keepdims=True) + found.min()) / 2
    share = bright.mean(axis=(1, 2)) / (disc > 0).mean()
    assert share.min() > 0.7
    assert share.max() < 1.4
    centre = np.array([np.argwhere(crop).mean(axis=0) for crop in bright])
    assert np.abs(centre - 23.5).max() < 0.15 * 48


def test_light_changes_within_bounds_and_never_wraps_around() -> None:
    middle = np.median(disturbed(np.full((300, 48, 48), 128, np.uint8)), axis=(1, 2))
    # a gamma alone takes 128 down to 56 and up to 169, contrast and brightness the rest
    assert middle.min() >= 128 - 1.3 * (128 - 56) - MAX_BRIGHTNESS - 1
    assert middle.max() <= 128 + 1.3 * (169 - 128) + MAX_BRIGHTNESS + 1
    assert middle.std() > 10
    assert np.median(disturbed(np.full((300, 48, 48), 255, np.uint8)), axis=(1, 2)).min() > 150
    assert np.median(disturbed(np.full((300, 48, 48), 0, np.uint8)), axis=(1, 2)).max() < 105


def test_a_part_of_about_every_fourth_crop_is_hidden() -> None:
    found = disturbed(np.full((400, 48, 48), 128, np.uint8))
    hidden = [len(np.unique(crop)) > 1 for crop in found]
    assert 0.18 < np.mean(hidden) < 0.32
    most = max(np.mean(crop != np.median(crop)) for crop in found)
    assert 0.05 < most < 0.17
