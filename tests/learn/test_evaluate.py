import subprocess
import sys

import numpy as np
import pytest

from fer_video.classify import temper
from fer_video.errors import DataError
from fer_video.labels import EMOTIONS
from fer_video.learn.dataset import TEST, Faces
from fer_video.learn.evaluate import calibration_error, evaluate, fit_temperature, measure
from tests.learn.faces import some_faces, votes


def sure_of(answers: list[int], confidence: float, n_emotions: int = 3) -> np.ndarray:
    """Probabilities that give each answer the same confidence."""
    rest = (1 - confidence) / (n_emotions - 1)
    probabilities = np.full((len(answers), n_emotions), rest, np.float32)
    probabilities[np.arange(len(answers)), answers] = confidence
    return probabilities


def stripe(crops: np.ndarray) -> np.ndarray:
    """Name the emotion whose stripe is the brightest: a classifier for drawn faces."""
    heights = [crops[:, 6 * label + 2 : 6 * label + 7].mean(axis=(1, 2)) for label in range(7)]
    return sure_of(np.argmax(heights, axis=0).tolist(), 0.9, 7)


def always_happy(crops: np.ndarray) -> np.ndarray:
    return sure_of([EMOTIONS.index("happy")] * len(crops), 0.9, 7)


def test_measures_are_those_computed_by_hand() -> None:
    truth = np.array([0, 0, 0, 1, 1, 2])
    found = measure(sure_of([0, 0, 1, 1, 1, 0], 0.8), truth, ("angry", "happy", "sad"))
    assert found["n"] == 6
    assert found["accuracy"] == pytest.approx(4 / 6)
    # F1 is 2 * right / (shown + answered): 2*2 / (3+3), 2*2 / (2+3), 0
    assert found["macro_f1"] == pytest.approx((4 / 6 + 4 / 5 + 0) / 3)
    assert found["confusion"] == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert found["calibration_error"] == pytest.approx(0.8 - 4 / 6, abs=1e-6)


def test_an_emotion_that_never_occurs_keeps_its_row_and_column() -> None:
    found = measure(sure_of([0], 0.8), np.array([0]), ("angry", "happy", "sad"))
    assert found["confusion"] == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert found["macro_f1"] == pytest.approx(1 / 3)


def test_calibration_error_weighs_the_gap_of_each_bin_by_its_size() -> None:
    probabilities = np.concatenate([sure_of([0] * 8, 0.9), sure_of([0] * 2, 0.5)])
    truth = np.array([0] * 6 + [1] * 2 + [0] * 2)
    # eight answers at 0.9 with 0.75 right, two at 0.5 with all right
    assert calibration_error(probabilities, truth) == pytest.approx(0.8 * 0.15 + 0.2 * 0.5)


def test_gaps_of_one_bin_cancel_and_those_of_two_bins_do_not() -> None:
    truth = np.array([0, 1])
    assert calibration_error(sure_of([0, 0], 0.5), truth) == pytest.approx(0)
    apart = np.concatenate([sure_of([0], 0.5), sure_of([0], 0.6)])
    assert calibration_error(apart, truth) == pytest.approx((0.5 + 0.6) / 2)


def test_full_confidence_has_a_bin() -> None:
    assert calibration_error(np.eye(3, dtype=np.float32), np.arange(3)) == 0


@pytest.mark.parametrize(("rows", "labels"), [(2, 3), (0, 0)])
def test_calibration_needs_a_label_for_each_row_and_at_least_one(rows, labels) -> None:
    with pytest.raises(ValueError, match=f"got {rows} and {labels}"):
        calibration_error(sure_of([0] * rows, 0.5), np.zeros(labels, np.int64))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_a_known_temperature_is_recovered(temperature) -> None:
    rng = np.random.default_rng(0)
    honest = rng.dirichlet(np.ones(7), 4000).astype(np.float32)
    truth = np.array([rng.choice(7, p=row / row.sum()) for row in honest.astype(float)])
    overdone = temper(honest, 1 / temperature)
    assert fit_temperature(overdone, truth) == pytest.approx(temperature, rel=0.06)


def test_without_faces_the_temperature_stays_1() -> None:
    assert fit_temperature(np.zeros((0, 7), np.float32), np.zeros(0, np.int64)) == 1


def with_copies() -> Faces:
    """Seven test faces, of which the first two (angry, disgust) stand in the training split."""
    faces = some_faces(train=7, test=7)
    faces.images[7:9] = faces.images[0:2]
    return faces


def test_the_test_split_alone_is_measured_with_and_without_known_images() -> None:
    found = evaluate(stripe, with_copies(), EMOTIONS)
    assert list(found) == ["label", "label_without_copies"]
    assert [found[test]["n"] for test in found] == [7, 5]
    assert [found[test]["accuracy"] for test in found] == [1, 1]
    assert np.array(found["label_without_copies"]["confusion"]).diagonal().tolist() == (
        [0, 0, 1, 1, 1, 1, 1]
    )


def test_with_votes_the_majority_is_measured_too_where_there_is_one() -> None:
    faces = with_copies()
    seen = [votes(happiness=10)] * 3 + [votes(sadness=10)] * 3 + [votes(fear=5, anger=5)]
    with_votes = Faces(faces.images, faces.labels, faces.split, np.array(seen * 2))
    found = evaluate(always_happy, with_votes, EMOTIONS)
    assert {test: (row["n"], row["accuracy"]) for test, row in found.items()} == {
        "label": (7, pytest.approx(1 / 7)),
        "label_without_copies": (5, pytest.approx(1 / 5)),
        "ferplus": (6, pytest.approx(3 / 6)),
        "ferplus_without_copies": (4, pytest.approx(1 / 4)),
    }


def test_a_test_without_images_is_left_out() -> None:
    faces = some_faces(train=7, test=7)
    faces.images[7:] = faces.images[:7]
    assert list(evaluate(stripe, faces, EMOTIONS)) == ["label"]


def test_an_empty_test_split_is_refused() -> None:
    with pytest.raises(DataError, match="its test split is empty"):
        evaluate(stripe, some_faces(train=3), EMOTIONS)
    assert len(evaluate(stripe, some_faces(test=3).part(TEST), EMOTIONS)) == 2


def test_missing_packages_are_found_before_any_work() -> None:
    code = (
        "import sys\n"
        "from fer_video.errors import MissingExtra\n"
        "for missing in ('scipy.optimize', 'sklearn'):\n"
        "    sys.modules[missing] = None\n"
        "    try: import fer_video.learn.train\n"
        "    except MissingExtra as error: print(error)\n"
        "    del sys.modules[missing]\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == 2 * (
        'training and evaluation needs more packages: pip install "fer-video[train]"\n'
    )
