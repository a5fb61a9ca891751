"""Honest evaluation, through the classifier that ships."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fer_video.classify import Classifier, temper
from fer_video.errors import MissingExtra
from fer_video.learn.dataset import TEST, TRAIN, Faces, ferplus_majority, is_copy_of
from fer_video.types import Floats

try:
    from scipy.optimize import minimize_scalar
    from sklearn import metrics
except ImportError as error:
    # at import, so that a training does not find out at its end
    raise MissingExtra("train", "training and evaluation") from error

Labels = np.ndarray[Any, np.dtype[np.int64]]
Metrics = dict[str, Any]
"""The measures of one test, as ``measure`` returns them."""


def evaluate(classifier: Classifier, faces: Faces, emotions: Sequence[str]) -> dict[str, Metrics]:
    """Measure a classifier on the test split, against each truth, with and without known images.

    Args:
        classifier: What ships, temperature included.
        faces: All splits, so that test images that stand in the training split can be left out.
        emotions: The classifier's labels, in order.

    Returns:
        Measures by test: ``label`` (the data set's label) and, where there are FER+ votes,
        ``ferplus`` (the majority of the voters), each also ``_without_copies``. A test for
        which no image is left is absent.

    Raises:
        DataError: There are no test images.
    """
    faces.require(TEST)
    test = faces.part(TEST)
    probabilities = classifier(test.images)
    fresh = ~is_copy_of(test, faces.part(TRAIN))
    truths = {"label": test.labels}
    if test.votes is not None:
        truths["ferplus"] = ferplus_majority(test.votes)
    results = {}
    for name, truth in truths.items():
        for suffix, chosen in (("", truth >= 0), ("_without_copies", (truth >= 0) & fresh)):
            if chosen.any():
                results[name + suffix] = measure(probabilities[chosen], truth[chosen], emotions)
    return results


def measure(probabilities: Floats, truth: Labels, emotions: Sequence[str]) -> Metrics:
    """Compare probabilities with the right emotions.

    Args:
        probabilities: Shape ``(n, n_emotions)``; each row sums to 1.
        truth: Index of the right emotion, shape ``(n,)``.
        emotions: The names of the columns.

    Returns:
        ``n``; ``accuracy``, ``macro_f1`` and ``calibration_error`` in [0, 1]; ``confusion``:
        counts with a row per true and a column per predicted emotion. An emotion that is neither
        true nor predicted anywhere counts 0 in ``macro_f1``.

    Raises:
        ValueError: The lengths differ, or there is nothing to measure.
    """
    predicted = probabilities.argmax(axis=1)
    every = range(len(emotions))
    return {
        "n": len(truth),
        "accuracy": float(metrics.accuracy_score(truth, predicted)),
        "macro_f1": float(
            metrics.f1_score(truth, predicted, labels=every, average="macro", zero_division=0)
        ),
        "calibration_error": calibration_error(probabilities, truth),
        "confusion": metrics.confusion_matrix(truth, predicted, labels=every).tolist(),
    }


def calibration_error(probabilities: Floats, truth: Labels, bins: int = 15) -> float:
    """Measure how far confidence is from accuracy (expected calibration error).

    Args:
        probabilities: Softmax outputs, shape ``(n, n_emotions)``; each row sums to 1.
        truth: Index of the right emotion, shape ``(n,)``.
        bins: Number of equal bins of confidence on (0, 1].

    Returns:
        Mean gap weighted by bin size, in [0, 1]; 0 is perfect.

    Raises:
        ValueError: The lengths differ, or there is nothing to measure.

    Source:
        Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017,
        section 2.

    >>> sure = np.array([[0.75, 0.25], [0.75, 0.25]], np.float32)
    >>> calibration_error(sure, np.array([0, 1]))
    0.25
    """
    if len(probabilities) != len(truth) or not len(truth):
        raise ValueError(f"need as many rows as labels, got {len(probabilities)} and {len(truth)}")
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    bin_of = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    gaps = np.bincount(bin_of, weights=right - confidence, minlength=bins)
    return float(np.abs(gaps).sum() / len(truth))


def fit_temperature(probabilities: Floats, truth: Labels) -> float:
    """Find the temperature that makes the right emotions most likely; see ``classify.temper``.

    Args:
        probabilities: Softmax outputs at temperature 1, shape ``(n, n_emotions)``.
        truth: Index of the right emotion, shape ``(n,)``.

    Returns:
        Between 0.14 and 7.4; 1 where there is nothing to fit.

    Source:
        Guo et al., ICML 2017, section 4.2: the negative log-likelihood on held-out data.
    """
    if not len(truth):
        return 1.0

    def negative_log_likelihood(log_temperature: float) -> float:
        tempered = temper(probabilities, float(np.exp(log_temperature)))
        return float(-np.log(tempered[np.arange(len(truth)), truth] + 1e-12).mean())

    found = minimize_scalar(negative_log_likelihood, bounds=(-2, 2), method="bounded")
    return float(np.exp(found.x))
