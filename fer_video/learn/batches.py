"""What a net is shown while it learns: which faces, in which order, and with which target."""

from typing import Any

import numpy as np

from fer_video.backend import keras
from fer_video.classify import Classifier
from fer_video.errors import DataError
from fer_video.labels import FERPLUS_VOTES
from fer_video.learn.augment import augment
from fer_video.learn.dataset import TRAIN, Faces, ferplus_distribution, is_blank, is_copy_of
from fer_video.learn.mixing import cutmix, mixup
from fer_video.options import TrainOptions

Array = np.ndarray[Any, Any]


def trainable(faces: Faces) -> Faces:
    """The training split without copies of judged images and without what is no face."""
    training = faces.part(TRAIN)
    judged = faces.where(faces.split != TRAIN)
    keep = ~is_copy_of(training, judged)
    keep &= ~is_blank(training)
    if training.votes is not None:
        not_a_face = training.votes[:, FERPLUS_VOTES.index("NF")]
        keep &= not_a_face <= training.votes.sum(axis=1) / 2
    return training.where(keep)


def require_batch(training: Faces, batch_size: int) -> None:
    """Make sure that there are faces for at least one step.

    Raises:
        DataError: There are not.
    """
    if len(training) < batch_size:
        reason = f"a batch of {batch_size} is more than its {len(training)} training faces"
        raise DataError(training.source, f"{reason}: lower --batch-size")


def to_input(images: Array) -> Array:
    """uint8 ``(n, 48, 48)`` to the net's float32 ``(n, 48, 48, 1)`` in [0, 1]."""
    return np.asarray(images[..., np.newaxis] / 255, np.float32)


def targets(faces: Faces, ferplus_share: float) -> Array:
    """Mix the FER+ vote shares with the label, float32 ``(n, n_emotions)``; rows sum to 1.

    Where nobody voted for one of the emotions, the label stands alone.
    """
    label: Array = np.eye(len(faces.emotions), dtype=np.float32)[faces.labels]
    if faces.votes is None:
        return label
    votes = ferplus_distribution(faces.votes, faces.emotions)
    share = ferplus_share * (votes.sum(axis=1, keepdims=True) > 0)
    return np.asarray(share * votes + (1 - share) * label, np.float32)


def balancing_weights(target: Array) -> Array:
    """Weigh faces so that every emotion counts alike, float32 ``(n,)``; their mean is 1.

    Args:
        target: Shares of the emotions, ``(n, n_emotions)``; rows sum to 1.

    Source:
        King and Zeng, "Logistic Regression in Rare Events Data", Political Analysis 9 (2001), in
        the form that scikit-learn calls "balanced": n / (n_emotions * count of the emotion).
    """
    count = target.sum(axis=0)
    of_emotion = len(target) / (np.count_nonzero(count) * np.maximum(count, 1e-9))
    return np.asarray(target @ np.where(count > 0, of_emotion, 0), np.float32)


class TrainingBatches(keras.utils.PyDataset):
    """Shuffled, augmented batches that depend only on the seed, the epoch and the position.

    NumPy and OpenCV make them, so they are the same on every Keras backend.
    """

    def __init__(
        self, training: Faces, options: TrainOptions, teacher: Classifier | None = None
    ) -> None:
        """Wrap the faces.

        Args:
            training: To learn from.
            options: How to train.
            teacher: Tells what it sees in a crop that was disturbed and mixed, or None.
        """
        super().__init__()
        self._images = training.images
        self._targets = targets(training, options.ferplus_share)
        self._weights = None
        if options.class_weights == "balanced":
            self._weights = balancing_weights(self._targets)
        self._options = options
        self._teacher = teacher
        ways = ((mixup, options.mixup_alpha), (cutmix, options.cutmix_alpha))
        self._ways_to_mix = [(mix, alpha) for mix, alpha in ways if alpha]
        self.epoch = 0

    def __len__(self) -> int:
        return len(self._images) // self._options.batch_size

    def __getitem__(self, position: int) -> tuple[Array, ...]:
        options = self._options
        order = np.random.default_rng((options.seed, self.epoch)).permutation(len(self._images))
        chosen = order[position * options.batch_size :][: options.batch_size]
        rng = np.random.default_rng((options.seed, self.epoch, position + 1))
        crops = augment(self._images[chosen], rng, options.augmented_share, options.erased_share)
        arrays = [to_input(crops), self._targets[chosen]]
        if self._weights is not None:
            arrays.append(self._weights[chosen])
        if self._ways_to_mix:
            mix, alpha = self._ways_to_mix[position % len(self._ways_to_mix)]
            arrays = list(mix(arrays, alpha, rng))
        if self._teacher is not None:
            share = np.float32(options.teacher_share)
            arrays[1] = share * self._teacher(_to_crops(arrays[0])) + (1 - share) * arrays[1]
        return tuple(arrays)


def _to_crops(shown: Array) -> Array:
    """Undo ``to_input``; what was mixed is rounded to whole gray levels."""
    return np.asarray(np.rint(255 * shown[..., 0]), np.uint8)
