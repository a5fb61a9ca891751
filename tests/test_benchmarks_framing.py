import json
from dataclasses import replace
from pathlib import Path

import framing
import framing_picture
import framing_table
import numpy as np
import page
import pytest
from PIL import Image
from skimage import data

from fer_video.crop import crop_face
from fer_video.detect import load_detector
from fer_video.learn.dataset import VALIDATION
from fer_video.options import DetectOptions
from fer_video.types import CropSpec, Frame
from tests.learn.faces import some_faces, votes

LANDMARKS = np.array([[81, 80], [119, 80], [100, 100], [85, 116], [115, 116]], np.float32)


@pytest.fixture(scope="module")
def portrait() -> list[framing.Seen]:
    """A public-domain portrait, and the face that YuNet sees in it."""
    rgb = data.astronaut()
    frame = Frame(0, 0, 0.0, rgb[..., 0].copy(), True, rgb)
    (faces,) = load_detector(DetectOptions())([rgb])
    return [(frame, faces[0])]


def brightest_half(crops: np.ndarray) -> np.ndarray:
    """A classifier: the first emotion where the upper half is brighter, else the second."""
    upper = crops[:, :24].mean(axis=(1, 2)) > crops[:, 24:].mean(axis=(1, 2))
    return np.stack([upper, ~upper], axis=1).astype(np.float32)


def test_a_lowered_crop_shows_what_is_further_down_on_the_face() -> None:
    rows = np.repeat(np.arange(200, dtype=np.uint8)[:, np.newaxis], 200, axis=1)
    crops = [
        crop_face(rows, framing.lowered(LANDMARKS, share), CropSpec()).mean()
        for share in (-0.1, 0.0, 0.1)
    ]
    # the eyes are 38 px apart, so the side is 38 / 0.3766 = 101 px
    assert np.diff(crops) == pytest.approx([10.1, 10.1], abs=0.2)


def test_lower_means_toward_the_chin_of_a_tilted_face_too() -> None:
    sideways = LANDMARKS[:, ::-1] * (-1, 1) + (200, 0)  # a quarter turn clockwise
    shift = framing.lowered(sideways.astype(np.float32), 0.1) - sideways
    assert shift == pytest.approx(np.tile([-10.1, 0], (5, 1)), abs=0.2)


def test_crops_of_our_detector_have_their_landmarks_where_fer2013_has_them(portrait) -> None:
    (landmarks,) = framing.judged(framing.cut_all(portrait, CropSpec()))
    assert landmarks[:2] == pytest.approx(np.array([[0.312, 0.392], [0.688, 0.392]]), abs=0.06)
    (wide,) = framing.judged(framing.cut_all(portrait, CropSpec(margin=0.2)))
    assert wide[1, 0] - wide[0, 0] < 0.85 * (landmarks[1, 0] - landmarks[0, 0])


def test_accuracy_is_of_the_images_in_which_a_face_is_found(portrait) -> None:
    emotions = ("angry", "disgust")
    faces = some_faces(emotions, validation=4).part(VALIDATION)
    faces.images[:] = 20
    faces.images[[0, 3], :24] = 200  # the first and the last are what they are labelled as
    faces.labels[:] = [0, 1, 1, 0]
    seen_by_ten = [votes(anger=10), votes(anger=10), votes(anger=5, sadness=5), votes(anger=10)]
    faces = replace(faces, votes=np.array(seen_by_ten))
    _, seen = portrait[0]
    whole = np.array([[0.31, 0.39], [0.69, 0.39], [0.5, 0.6], [0.35, 0.76], [0.65, 0.76]])
    landmarks = (whole * 48 * framing.ENLARGED + framing.BORDER_PX).astype(np.float32)
    found = [None, *[type(seen)(seen.box, 0.9, landmarks)] * 3]
    measured = framing.accuracies(faces, found, CropSpec(), 0.0, brightest_half)
    assert (measured["images"], measured["found"]) == (4, 3)
    assert measured["as_given"] == {"ferplus": pytest.approx(1 / 2), "label": 1.0}
    assert measured["as_cut"] == measured["as_given"]


def test_the_picture_shows_points_for_each_detector(tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(LANDMARKS / 200, 0.01, (50, 5, 2))
    spread = framing._spread(points)
    assert np.array(spread["mean"]) == pytest.approx(LANDMARKS / 200, abs=0.01)
    assert np.sqrt(np.array(spread["covariance"])[:, [0, 1], [0, 1]]) == pytest.approx(
        0.01, rel=0.5
    )
    out = tmp_path / "images" / "framing.png"
    framing_picture.draw_picture(dict.fromkeys(("FER2013", "yunet", "haar"), spread), out)
    with Image.open(out) as image:
        assert image.width > image.height


def test_the_grid_shows_crops_of_each_kind(tmp_path: Path) -> None:
    crops = np.full((20, 48, 48), 90, np.uint8)
    framing_picture.draw_grid({"FER2013": crops, "yunet": crops}, tmp_path / "grid.png")
    with Image.open(tmp_path / "grid.png") as image:
        levels = np.asarray(image.convert("L")).astype(int)
    assert (np.abs(levels - 90) <= 2).mean() > 0.6


def test_the_page_holds_the_tables_and_the_picture_of_the_stored_figures() -> None:
    begin, end = page.marks(framing.NAME)
    stored = json.loads(framing.FIGURES.read_text("utf-8"))
    assert begin + framing_table.table(stored) + end in page.ACCURACY.read_text("utf-8")
    assert framing.PICTURE.is_file()
