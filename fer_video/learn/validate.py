"""How good a net is on the validation split after an epoch: quick figures to steer by."""

import numpy as np
from sklearn import metrics

from fer_video.learn.dataset import Faces, ferplus_majority
from fer_video.learn.faces import Integers
from fer_video.types import Floats


def validation_figures(
    probabilities: Floats, target: Floats, validation: Faces
) -> dict[str, float]:
    """Compare probabilities with what they were meant to be.

    Args:
        probabilities: Shape ``(n, n_emotions)``.
        target: What the net is trained toward: shares of the emotions, the same shape.
        validation: The faces.

    Returns:
        ``val_loss``: cross-entropy with the target, in nats. Against the target's likeliest
        emotion: ``val_accuracy``, and as means over the emotions that occur ``val_auc``
        (one-vs-rest), ``val_precision``, ``val_recall``, ``val_f1``. Accuracy against each
        truth alone: ``val_label_accuracy`` and, where there are FER+ votes with a majority,
        ``val_ferplus_accuracy``. All but the loss in [0, 1].
    """
    truth, predicted = target.argmax(axis=1), probabilities.argmax(axis=1)
    precision, recall, f1, _ = metrics.precision_recall_fscore_support(
        truth, predicted, labels=np.unique(truth), average="macro", zero_division=0
    )
    figures = {
        "val_loss": -(target * np.log(np.maximum(probabilities, 1e-7))).sum(axis=1).mean(),
        "val_accuracy": (predicted == truth).mean(),
        "val_auc": _macro_auc(probabilities, truth),
        "val_precision": precision,
        "val_recall": recall,
        "val_f1": f1,
        "val_label_accuracy": (predicted == validation.labels).mean(),
    }
    if validation.votes is not None:
        majority = ferplus_majority(validation.votes, validation.emotions)
        known = majority >= 0
        if known.any():
            figures["val_ferplus_accuracy"] = (predicted == majority)[known].mean()
    return {name: float(figure) for name, figure in figures.items()}


def _macro_auc(probabilities: Floats, truth: Integers) -> float:
    """Mean area under the ROC of each emotion against the rest; 0.5 where there is but one."""
    emotions = np.unique(truth)
    if len(emotions) == 1:
        return 0.5
    areas = [metrics.roc_auc_score(truth == one, probabilities[:, one]) for one in emotions]
    return float(np.mean(areas))
