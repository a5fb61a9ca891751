"""Labelled faces in memory, and what can be asked of them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fer_video.errors import DataError
from fer_video.labels import EMOTION_SETS, EMOTIONS, FERPLUS_COLUMN_OF, FERPLUS_VOTES, plain

TRAIN, VALIDATION, TEST = "train", "validation", "test"
SPLITS = (TRAIN, VALIDATION, TEST)

SIZE_PX = 48

MAX_BAD_SHARE = 0.01
"""Of all rows or images. More is not an accident of a download: the form is misunderstood."""
N_NAMED = 10
"""Bad rows or images that are named, the first ones."""

_SPLIT_OF_NAME = {
    name: split
    for split, names in {
        TRAIN: ("train", "training"),
        VALIDATION: ("val", "valid", "validate", "validation", "dev", "eval", "publictest"),
        TEST: ("test", "testing", "privatetest"),
    }.items()
    for name in names
}

Images = np.ndarray[Any, np.dtype[np.uint8]]
Integers = np.ndarray[Any, np.dtype[np.int64]]
Names = np.ndarray[Any, np.dtype[np.str_]]
Mask = np.ndarray[Any, np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something in a data set was not taken as a face; as text, a sentence."""

    place: str
    """The line of a table, or the path of an image inside the data set."""
    fault: str
    """Begins with a verb."""

    def __str__(self) -> str:
        return f"{self.place} {self.fault}"


@dataclass(frozen=True, eq=False)
class Faces:
    """Labelled 48x48 gray faces; every array has one entry per face."""

    images: Images
    """Gray, uint8, shape ``(n, 48, 48)``."""
    labels: Integers
    """Index into ``emotions``, shape ``(n,)``."""
    split: Names
    """``train``, ``validation`` or ``test``, shape ``(n,)``."""
    places: Names
    """The line of a table, or the path of an image inside the data set, shape ``(n,)``."""
    votes: Integers | None = None
    """FER+ votes in the order of ``FERPLUS_VOTES``, shape ``(n, 10)``; None without FER+."""
    emotions: tuple[str, ...] = EMOTIONS
    """What can be told apart; a set of ``labels.EMOTION_SETS``."""
    source: Path = Path("the faces")
    """Where they were read; errors name it."""
    problems: tuple[Problem, ...] = ()
    """Rows and images that should have been faces and could not be read."""
    left_out: tuple[Problem, ...] = ()
    """Files that are not part of the data set, and what shows an emotion not in ``emotions``."""
    held_out: tuple[str, ...] = ()
    """Splits that the source does not have: shares of its other images."""
    n_stretched: int = 0
    """Images that were not square, as whole photographs seldom are."""

    def __len__(self) -> int:
        return len(self.images)

    def where(self, chosen: Mask) -> "Faces":
        """Keep the faces for which ``chosen``, bool ``(n,)``, is true."""
        return replace(
            self,
            images=self.images[chosen],
            labels=self.labels[chosen],
            split=self.split[chosen],
            places=self.places[chosen],
            votes=None if self.votes is None else self.votes[chosen],
        )

    def part(self, split: str) -> "Faces":
        """Keep the faces of one split."""
        return self.where(self.split == split)

    def require(self, *splits: str) -> None:
        """Make sure that no split of these is empty, and that from training one can learn.

        Training shows an emotion by a label or by the majority of the FER+ voters of a face.

        Raises:
            DataError: A split is empty; or training is among them and shows one emotion only,
                lacks one that another split shows by a label, or lacks contempt although it is
                among ``emotions``.
        """
        for split in splits:
            if not (self.split == split).any():
                raise DataError(self.source, f"its {split} split is empty")
        if TRAIN in splits:
            self._require_emotions_to_learn()

    def _require_emotions_to_learn(self) -> None:
        learned = self._emotions_shown_in_training()
        labelled = {self.emotions[label] for label in np.unique(self.labels)}
        # one of the seven may be missing everywhere; contempt was asked for
        absent = [
            emotion
            for emotion in self.emotions
            if emotion not in learned and (emotion in labelled or emotion not in EMOTIONS)
        ]
        if absent:
            reason = f"its train split has no {', '.join(absent)}"
            raise DataError(self.source, reason + _way_without(absent))
        if len(learned) == 1:
            (only,) = learned
            raise DataError(self.source, f"its only emotion is {only}")

    def _emotions_shown_in_training(self) -> set[str]:
        training = self.split == TRAIN
        shown = set(self.labels[training].tolist())
        if self.votes is not None:
            shown |= set(ferplus_majority(self.votes[training], self.emotions).tolist())
        return {self.emotions[label] for label in shown if label >= 0}


def _way_without(absent: Sequence[str]) -> str:
    """Give the remedy for emotions that cannot be learned, if there is a set without them."""
    counts = [n for n, emotions in EMOTION_SETS.items() if set(emotions).isdisjoint(absent)]
    return f": use --emotions {max(counts)}" if counts else ""


def not_among(emotion: str, emotions: Sequence[str]) -> str:
    """Say, as the fault of a ``Problem``, why a face is left out that shows an emotion."""
    return f"shows {emotion}, which is not among the {len(emotions)} emotions"


def split_named(name: str) -> str | None:
    """Find the split that a data set means by a name.

    >>> split_named("Training"), split_named("PublicTest"), split_named("drafts")
    ('train', 'validation', None)
    """
    return _SPLIT_OF_NAME.get(plain(name))


def require_few(source: Path, problems: Sequence[Problem], n_read: int) -> None:
    """Make sure that of all that should have been faces, at most ``MAX_BAD_SHARE`` is bad.

    Args:
        source: What the error names.
        problems: What is bad.
        n_read: How many are good.

    Raises:
        DataError: More is bad; the first ones are named.
    """
    n_all = n_read + len(problems)
    if len(problems) <= MAX_BAD_SHARE * n_all:
        return
    named = "; ".join(map(str, problems[:N_NAMED]))
    more = f"; and {len(problems) - N_NAMED:,} more" if len(problems) > N_NAMED else ""
    share = f"more than {100 * MAX_BAD_SHARE:g} % of it is bad ({len(problems):,} of {n_all:,})"
    raise DataError(source, f"{share}: {named}{more}")


def first_alike(images: Images) -> Integers:
    """Give for each image the position of the first one with exactly its pixels, ``(n,)``."""
    first: dict[bytes, int] = {}
    # digests, since the pixels of a large data set would be kept a second time
    digests = (hashlib.sha256(image.tobytes()).digest() for image in images)
    return np.array([first.setdefault(key, n) for n, key in enumerate(digests)], np.int64)


def is_copy_of(faces: Faces, others: Faces) -> Mask:
    """Mark the faces whose pixels are exactly those of one of the others; bool ``(n,)``."""
    known = {image.tobytes() for image in others.images}
    return np.array([image.tobytes() in known for image in faces.images], dtype=bool)


def is_blank(faces: Faces) -> Mask:
    """Mark the faces that are one flat gray; bool ``(n,)``."""
    return np.asarray(faces.images.min(axis=(1, 2)) == faces.images.max(axis=(1, 2)))


def ferplus_distribution(
    votes: Integers, emotions: Sequence[str] = EMOTIONS
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Share of each emotion in the votes for one of them.

    Args:
        votes: Shape ``(n, 10)`` in the order of ``FERPLUS_VOTES``.
        emotions: What can be told apart; other votes do not count.

    Returns:
        float32 ``(n, len(emotions))``; rows sum to 1, but one without any such vote is all zero.
    """
    counted = votes[:, _columns_of(emotions)].astype(np.float32)
    shares: np.ndarray[Any, np.dtype[np.float32]] = counted / np.maximum(
        counted.sum(axis=1, keepdims=True), 1
    )
    return shares


def ferplus_majority(votes: Integers, emotions: Sequence[str] = EMOTIONS) -> Integers:
    """The emotion that most FER+ voters saw, or -1 where there is none of these.

    Single votes are removed as outliers; the top vote must then hold more than half of the
    rest, of all ten columns, and be for one of the emotions.

    Args:
        votes: Shape ``(n, 10)`` in the order of ``FERPLUS_VOTES``.
        emotions: What can be told apart.

    Returns:
        Index into ``emotions`` or -1, shape ``(n,)``.

    Source:
        Barsoum et al., ICMI 2016, section 4.1 ("majority voting"), and its reference code.
    """
    kept = np.where(votes > 1, votes, 0)
    top = kept.argmax(axis=1)
    has_majority = kept.max(axis=1) > 0.5 * kept.sum(axis=1)
    emotion_of_column = np.full(len(FERPLUS_VOTES), -1)
    emotion_of_column[_columns_of(emotions)] = range(len(emotions))
    return np.where(has_majority, emotion_of_column[top], -1)


def _columns_of(emotions: Sequence[str]) -> list[int]:
    return [FERPLUS_VOTES.index(FERPLUS_COLUMN_OF[emotion]) for emotion in emotions]
