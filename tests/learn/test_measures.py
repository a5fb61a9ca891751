import json
import math
import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import bootstrap

from fer_video.classify import temper
from fer_video.learn.measures import (
    Metrics,
    bootstrap_interval,
    calibration_error,
    divergence,
    fit_temperature,
    measure,
    reliability,
)
from tests.learn.faces import sure_of

EMOTIONS = ("angry", "happy", "sad")


def measured(probabilities: np.ndarray, truth: np.ndarray) -> Metrics:
    return measure(probabilities, probabilities, truth, EMOTIONS)


def test_measures_are_those_computed_by_hand() -> None:
    truth = np.array([0, 0, 0, 1, 1, 2])
    found = measured(sure_of([0, 0, 1, 1, 1, 0], 0.8), truth)
    assert found["n"] == 6
    assert found["accuracy"] == pytest.approx(4 / 6)
    # F1 is 2 * right / (shown + answered): 2*2 / (3+3), 2*2 / (2+3), 0
    assert found["macro_f1"] == pytest.approx((4 / 6 + 4 / 5 + 0) / 3)
    assert found["confusion"] == [[2, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert found["calibration_error"] == pytest.approx(0.8 - 4 / 6, abs=1e-6)


def test_an_emotion_that_never_occurs_keeps_its_row_and_column() -> None:
    found = measured(sure_of([0], 0.8), np.array([0]))
    assert found["confusion"] == [[1, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert found["macro_f1"] == 1  # the mean of those that occur


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


def test_a_few_faces_that_are_all_recognized_make_no_answer_certain() -> None:
    confidences = np.linspace(0.45, 0.95, 25)[:, np.newaxis]
    answers = np.hstack([confidences, *[(1 - confidences) / 6] * 6]).astype(np.float32)
    temperature = fit_temperature(answers, np.zeros(25, np.int64))
    assert 0.9 < temper(answers, temperature)[:, 0].mean() < 0.99


def test_without_faces_the_temperature_stays_1() -> None:
    assert fit_temperature(np.zeros((0, 7), np.float32), np.zeros(0, np.int64)) == 1


def test_each_emotion_is_measured_against_the_rest_by_hand() -> None:
    truth = np.array([0, 0, 0, 1, 1, 2])
    found = measured(sure_of([0, 0, 1, 1, 1, 0], 0.8), truth)["per_emotion"]
    assert found["angry"] == pytest.approx(
        # two of the three shown are found, two of the three others kept out, two of the three
        # answers right; of nine pairs, two shown win two each and tie one, one ties two
        {"n": 3, "sensitivity": 2 / 3, "specificity": 2 / 3, "precision": 2 / 3, "f1": 2 / 3,
         "auc": (2 * (2 + 0.5) + 2 * 0.5) / 9}
    )  # fmt: skip
    assert found["happy"]["specificity"] == 3 / 4
    assert found["sad"] == {
        "n": 1, "sensitivity": 0, "specificity": 1, "precision": None, "f1": 0, "auc": 0.5,
    }  # fmt: skip


def test_what_never_occurs_has_no_number_where_it_would_divide_by_nothing() -> None:
    found = measured(sure_of([0, 1], 0.8), np.array([0, 0]))
    assert found["per_emotion"]["sad"] == {
        "n": 0, "sensitivity": None, "specificity": 1, "precision": None, "f1": None, "auc": None,
    }  # fmt: skip
    assert found["per_emotion"]["happy"]["sensitivity"] is None
    assert found["per_emotion"]["angry"]["specificity"] is None
    assert found["macro_auc"] is None
    assert found["roc"] == {}
    json.dumps(found, allow_nan=False)


def test_scores_of_probabilities_are_those_computed_by_hand() -> None:
    probabilities = np.array([[0.7, 0.2, 0.1], [0.2, 0.5, 0.3], [0.5, 0.3, 0.2]], np.float32)
    found = measured(probabilities, np.array([0, 2, 2]))
    logarithms = math.log(0.7) + math.log(0.3) + math.log(0.2)
    assert found["negative_log_likelihood"] == pytest.approx(-logarithms / 3, abs=1e-6)
    squares = (0.09 + 0.04 + 0.01) + (0.04 + 0.25 + 0.49) + (0.25 + 0.09 + 0.64)
    assert found["brier_score"] == pytest.approx(squares / 3, abs=1e-6)
    assert found["top2_accuracy"] == pytest.approx(2 / 3)
    assert found["accuracy"] == pytest.approx(1 / 3)


def test_certainty_of_the_wrong_thing_is_punished_and_still_a_number() -> None:
    found = measured(np.eye(3, dtype=np.float32), np.array([1, 2, 0]))
    assert found["brier_score"] == pytest.approx(2)
    assert 20 < found["negative_log_likelihood"] < 40
    assert divergence(np.eye(3), np.roll(np.eye(3), 1, axis=0)) < 40


@pytest.mark.parametrize(("right", "n"), [(2653, 3136), (9, 20)])
def test_the_interval_is_the_one_that_the_bootstrap_comes_to(right, n) -> None:
    answers = np.arange(n) < right
    drawn = bootstrap((answers,), np.mean, method="percentile", rng=0).confidence_interval
    # the drawn quantiles may be one image off
    assert bootstrap_interval(right / n, n) == pytest.approx(tuple(drawn), abs=1.5 / n)


@pytest.mark.parametrize("accuracy", [0.0, 1.0])
def test_the_interval_of_answers_that_are_all_alike_is_a_point(accuracy) -> None:
    assert bootstrap_interval(accuracy, 20) == (accuracy, accuracy)


def test_the_calibration_before_the_temperature_stands_beside_it() -> None:
    truth = np.array([0] * 8 + [1] * 2)
    found = measure(sure_of([0] * 10, 0.8), sure_of([0] * 10, 0.5), truth, EMOTIONS)
    assert found["calibration_error"] == pytest.approx(0, abs=1e-6)
    assert found["calibration_error_untempered"] == pytest.approx(0.3, abs=1e-6)


def test_votes_are_compared_where_somebody_voted() -> None:
    votes = np.array([[0.5, 0.5, 0], [0, 0, 0], [0, 0, 1]], np.float32)
    probabilities = np.array([[0.25, 0.5, 0.25], [1, 0, 0], [0.2, 0.3, 0.5]], np.float32)
    expected = (0.5 * math.log(0.5 / 0.25) + math.log(1 / 0.5)) / 2
    assert divergence(votes, probabilities) == pytest.approx(expected)
    found = measure(probabilities, probabilities, np.array([0, 0, 2]), EMOTIONS, votes)
    assert found["divergence_from_votes"] == pytest.approx(expected, abs=1e-6)
    assert divergence(np.zeros((3, 3)), probabilities) is None
    assert measured(probabilities, np.array([0, 0, 2]))["divergence_from_votes"] is None


def test_a_curve_is_thinned_and_keeps_its_ends() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(3), 3000).astype(np.float32)
    curves = measured(probabilities, rng.integers(0, 3, 3000))["roc"]
    assert list(curves) == list(EMOTIONS)
    for curve in curves.values():
        false, true = curve["false_positive_rate"], curve["true_positive_rate"]
        assert len(false) == len(true) == 101
        assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
        assert false == sorted(false)


def test_the_bins_of_reliability_add_up_to_the_calibration_error() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet(np.ones(3), 500).astype(np.float32)
    truth = rng.integers(0, 3, 500)
    bins = reliability(probabilities, truth)
    assert (len(bins), sum(one["n"] for one in bins)) == (15, 500)
    # three emotions: the most likely one has a third or more
    assert bins[0] == {"n": 0, "confidence": None, "accuracy": None}
    gaps = (one["n"] * abs(one["accuracy"] - one["confidence"]) for one in bins if one["n"])
    assert sum(gaps) / 500 == pytest.approx(calibration_error(probabilities, truth))
    assert all((k / 15 < one["confidence"] <= (k + 1) / 15) for k, one in enumerate(bins)
               if one["n"])  # fmt: skip


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
