"""How well probabilities agree with what is right: the measures of one test."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fer_video.classify import temper
from fer_video.errors import MissingExtra
from fer_video.learn.faces import Integers
from fer_video.types import Floats

try:
    from scipy.optimize import minimize_scalar
    from scipy.special import rel_entr
    from scipy.stats import binom
    from sklearn import metrics
except ImportError as error:
    # at import, so that a training does not find out at its end
    raise MissingExtra("train", "training and evaluation") from error

Doubles = np.ndarray[Any, np.dtype[np.float64]]
Metrics = dict[str, Any]
"""The measures of one test, as ``measure`` returns them."""

BINS = 15
"""Of confidence, for the calibration error and the reliability behind it."""
_PAIRED_DRAWS = 20_000
_MAX_ROC_POINTS = 101
_LEAST_PROBABILITY = 1e-12
"""Below it a logarithm says more of rounding than of the net."""
_USUAL_LOG_TEMPERATURE = 0.5
"""Standard deviation: most nets need a temperature between 0.4 and 2.7."""


def measure(
    probabilities: Floats,
    untempered: Floats,
    truth: Integers,
    emotions: Sequence[str],
    votes: Floats | None = None,
) -> Metrics:
    """Compare probabilities with the right emotions.

    Args:
        probabilities: Shape ``(n, n_emotions)``; each row sums to 1.
        untempered: The same at temperature 1, for its calibration error alone.
        truth: Index of the right emotion, shape ``(n,)``.
        emotions: The names of the columns.
        votes: Shares of the voters by emotion, shape ``(n, n_emotions)``, all zero in a row
            without voters; None where nobody was asked.

    Returns:
        A dict that JSON can hold; what cannot be computed is None.

        * ``n``; in [0, 1] ``accuracy``, ``accuracy_interval``, ``macro_f1``, ``top2_accuracy``,
          ``calibration_error`` and ``calibration_error_untempered``. ``macro_f1`` is the mean of
          the emotions that occur in ``truth``.
        * ``macro_auc``: mean of the emotions' ``auc``, those that have one.
        * ``negative_log_likelihood``: mean over images, in nats.
        * ``brier_score``: mean squared distance to the right one-hot row, summed over emotions,
          in [0, 2].
        * ``divergence_from_votes``: see ``divergence``; in nats.
        * ``per_emotion``: see ``measures_by_emotion``.
        * ``confusion``: counts with a row per true and a column per predicted emotion.
        * ``roc``: ``false_positive_rate`` and ``true_positive_rate`` of each emotion against the
          rest, at most 101 points; only of emotions that have an ``auc``.
        * ``reliability``: ``n``, ``confidence`` and ``accuracy`` of each of the 15 bins.

    Raises:
        ValueError: The lengths differ, or there is nothing to measure.
    """
    _require_pairs(probabilities, truth)
    predicted = probabilities.argmax(axis=1)
    every, occurring = range(len(emotions)), np.unique(truth)
    exact = _normalized(probabilities)
    by_emotion = measures_by_emotion(probabilities, truth, emotions)
    accuracy = float(metrics.accuracy_score(truth, predicted))
    return {
        "n": len(truth),
        "accuracy": accuracy,
        "accuracy_interval": list(bootstrap_interval(accuracy, len(truth))),
        "macro_f1": float(
            metrics.f1_score(truth, predicted, labels=occurring, average="macro", zero_division=0)
        ),
        "macro_auc": _mean([found["auc"] for found in by_emotion.values()]),
        "top2_accuracy": float(metrics.top_k_accuracy_score(truth, exact, k=2, labels=every)),
        "negative_log_likelihood": float(metrics.log_loss(truth, exact, labels=every)),
        "brier_score": float(
            metrics.brier_score_loss(truth, exact, labels=every, scale_by_half=False)
        ),
        "calibration_error": calibration_error(probabilities, truth),
        "calibration_error_untempered": calibration_error(untempered, truth),
        "divergence_from_votes": None if votes is None else divergence(votes, exact),
        "per_emotion": by_emotion,
        "confusion": metrics.confusion_matrix(truth, predicted, labels=every).tolist(),
        "roc": {
            emotion: _roc(truth == label, probabilities[:, label])
            for label, emotion in enumerate(emotions)
            if by_emotion[emotion]["auc"] is not None
        },
        "reliability": reliability(probabilities, truth),
    }


def measures_by_emotion(
    probabilities: Floats, truth: Integers, emotions: Sequence[str]
) -> dict[str, dict[str, int | float | None]]:
    """Measure how each emotion is told from the rest.

    Returns:
        By emotion: ``n``, how often it is right; ``sensitivity`` (which is recall),
        ``specificity``, ``precision`` and ``f1`` of the most likely emotion; ``auc``, the area
        under the ROC curve of its probability. None where a measure divides by nothing.
    """
    predicted = probabilities.argmax(axis=1)
    every = range(len(emotions))
    precision, recall, f1, count = metrics.precision_recall_fscore_support(
        truth, predicted, labels=every, zero_division=np.nan
    )
    others = metrics.multilabel_confusion_matrix(truth, predicted, labels=every)
    return {
        emotion: {
            "n": int(count[label]),
            "sensitivity": _defined(recall[label]),
            "specificity": _specificity(*others[label][0].tolist()),
            "precision": _defined(precision[label]),
            "f1": _defined(f1[label]),
            "auc": _auc(truth == label, probabilities[:, label]),
        }
        for label, emotion in enumerate(emotions)
    }


def bootstrap_interval(accuracy: float, n: int) -> tuple[float, float]:
    """Give the 95 % percentile interval of the bootstrap of an accuracy, without its chance.

    Drawing ``n`` answers with replacement, each right or wrong, is a binomial draw: its quantiles
    are those that ever more resamples come nearer to. Where all answers are alike it is a point.

    Source:
        Efron, "Bootstrap Methods: Another Look at the Jackknife", The Annals of Statistics 7(1),
        1979, section 2, where values of 0 and 1 are the first example.

    >>> bootstrap_interval(0.8, 100)
    (0.72, 0.88)
    """
    low, high = binom.ppf((0.025, 0.975), n, accuracy) / n
    return float(low), float(high)


def paired_interval(n_gained: int, n_lost: int, n: int) -> tuple[float, float]:
    """Give the 95 % percentile interval of the bootstrap of a difference of two accuracies.

    Both are of the same ``n`` images, which are drawn with replacement together with both answers:
    what is hard for one model is hard for the other, so this interval is narrower than those of
    the two accuracies make believe.

    Args:
        n_gained: Images that only the second model gets right.
        n_lost: Images that only the first gets right.
        n: All images.

    Source:
        Efron, as in ``bootstrap_interval``; a draw is one of a multinomial distribution.

    >>> paired_interval(20, 20, 1000)
    (-0.012, 0.012)
    """
    shares = [n_gained / n, n_lost / n, 1 - (n_gained + n_lost) / n]
    drawn = np.random.default_rng(0).multinomial(n, shares, size=_PAIRED_DRAWS)
    low, high = np.quantile((drawn[:, 0] - drawn[:, 1]) / n, (0.025, 0.975))
    return float(low), float(high)


def calibration_error(probabilities: Floats, truth: Integers, bins: int = BINS) -> float:
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
    _, confidence, right = _binned(probabilities, truth, bins)
    return float(np.abs(right - confidence).sum() / len(truth))


def reliability(
    probabilities: Floats, truth: Integers, bins: int = BINS
) -> list[dict[str, int | float | None]]:
    """Compare confidence with accuracy, bin by bin; arguments as for ``calibration_error``.

    Returns:
        For each bin ``n``, and the mean ``confidence`` and ``accuracy`` of its answers: None
        where it is empty.
    """
    return [
        {
            "n": int(n),
            "confidence": float(confidence / n) if n else None,
            "accuracy": float(right / n) if n else None,
        }
        for n, confidence, right in zip(*_binned(probabilities, truth, bins), strict=True)
    ]


def divergence(votes: Floats, probabilities: Floats | Doubles) -> float | None:
    """Measure how much of what voters saw the probabilities do not tell.

    Args:
        votes: Shares of the voters by emotion, shape ``(n, n_emotions)``; rows that are all zero
            are left out.
        probabilities: Shape ``(n, n_emotions)``; each row sums to 1.

    Returns:
        Mean Kullback-Leibler divergence of the votes from the probabilities in nats, 0 or more;
        None where nobody voted.

    Source:
        Kullback and Leibler, "On Information and Sufficiency", The Annals of Mathematical
        Statistics 22(1), 1951.

    >>> divergence(np.array([[1.0, 0.0]]), np.array([[0.5, 0.5]]))  # the logarithm of 2
    0.6931471805599453
    """
    asked = votes.sum(axis=1) > 0
    if not asked.any():
        return None
    told = np.maximum(probabilities[asked], _LEAST_PROBABILITY)
    return float(rel_entr(votes[asked], told).sum(axis=1).mean())


def fit_temperature(probabilities: Floats, truth: Integers) -> float:
    """Find the temperature that makes the right emotions most likely; see ``classify.temper``.

    Args:
        probabilities: Softmax outputs at temperature 1, shape ``(n, n_emotions)``.
        truth: Index of the right emotion, shape ``(n,)``.

    Returns:
        Between 0.14 and 7.4; 1 where there is nothing to fit.

    Source:
        Guo et al., ICML 2017, section 4.2: the negative log-likelihood on held-out data. A normal
        prior of the logarithm weighs as much as a few faces: without it, some dozen faces that are
        all recognized would make every answer certain.
    """
    if not len(truth):
        return 1.0

    def unlikelihood(log_temperature: float) -> float:
        tempered = temper(probabilities, float(np.exp(log_temperature)))
        right = tempered[np.arange(len(truth)), truth]
        prior = (log_temperature / _USUAL_LOG_TEMPERATURE) ** 2 / 2
        return float(prior - np.log(right + _LEAST_PROBABILITY).sum())

    found = minimize_scalar(unlikelihood, bounds=(-2, 2), method="bounded")
    return float(np.exp(found.x))


def _require_pairs(probabilities: Floats, truth: Integers) -> None:
    if len(probabilities) != len(truth) or not len(truth):
        raise ValueError(f"need as many rows as labels, got {len(probabilities)} and {len(truth)}")


def _binned(probabilities: Floats, truth: Integers, bins: int) -> tuple[np.ndarray, ...]:
    """For each bin of confidence: answers, the sum of their confidences, and those right."""
    _require_pairs(probabilities, truth)
    confidence = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == truth
    bin_of = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    return (
        np.bincount(bin_of, minlength=bins),
        np.bincount(bin_of, weights=confidence, minlength=bins),
        np.bincount(bin_of, weights=right, minlength=bins),
    )


def _normalized(probabilities: Floats) -> Doubles:
    # scikit-learn wants rows that sum to 1 more exactly than float32 can
    exact = np.maximum(probabilities.astype(np.float64), _LEAST_PROBABILITY)
    return np.asarray(exact / exact.sum(axis=1, keepdims=True))


def _roc(is_it: np.ndarray, score: Floats) -> dict[str, list[float]]:
    wrongly, rightly, _ = metrics.roc_curve(is_it, score)
    kept = np.linspace(0, len(wrongly) - 1, min(len(wrongly), _MAX_ROC_POINTS)).round().astype(int)
    # to a ten-thousandth, finer than any picture of it
    return {
        "false_positive_rate": wrongly[kept].round(4).tolist(),
        "true_positive_rate": rightly[kept].round(4).tolist(),
    }


def _auc(is_it: np.ndarray, score: Floats) -> float | None:
    if is_it.all() or not is_it.any():
        return None
    return float(metrics.roc_auc_score(is_it, score))


def _specificity(true_negatives: int, false_positives: int) -> float | None:
    n = true_negatives + false_positives
    return true_negatives / n if n else None


def _defined(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def _mean(values: Sequence[int | float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
