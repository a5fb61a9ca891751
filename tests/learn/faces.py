"""A small vocabulary for the tests of learning: drawn faces, in memory and as people download them.

Each emotion is a bright stripe at a height of its own.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from fer_video.labels import EMOTIONS, FERPLUS_VOTES
from fer_video.learn.dataset import SIZE_PX, TEST, TRAIN, VALIDATION, Faces

FER2013 = Path(__file__).resolve().parents[3] / "shared" / "data" / "fer2013"
"""Where the real data is, if it is."""

USAGE = {TRAIN: "Training", VALIDATION: "PublicTest", TEST: "PrivateTest"}


def draw(label: int, number: int) -> np.ndarray:
    """Draw a face of an emotion; its number makes it unlike every other one."""
    noise = np.random.default_rng((label, number)).integers(0, 60, (SIZE_PX, SIZE_PX))
    noise[6 * label + 2 : 6 * label + 7] += 150
    return noise.astype(np.uint8)


def some_faces(emotions: tuple[str, ...] = EMOTIONS, **count_by_split: int) -> Faces:
    """Draw faces, the emotions in turn; no two are alike."""
    split = np.repeat(list(count_by_split), list(count_by_split.values()))
    labels = np.arange(len(split)) % len(emotions)
    images = [draw(label, number) for number, label in enumerate(labels.tolist())]
    return Faces(np.stack(images), labels, split, numbered(len(split)), emotions=emotions)


def numbered(n: int) -> np.ndarray:
    """Make places for faces that were drawn."""
    return np.arange(n).astype(str)


def votes(**count_by_column: int) -> list[int]:
    """Make the FER+ votes for one face."""
    return [count_by_column.get(column, 0) for column in FERPLUS_VOTES]


def sure_of(answers: Sequence[int], confidence: float, n_emotions: int = 3) -> np.ndarray:
    """Probabilities that give each answer the same confidence."""
    rest = (1 - confidence) / (n_emotions - 1)
    probabilities = np.full((len(answers), n_emotions), rest, np.float32)
    probabilities[np.arange(len(answers)), answers] = confidence
    return probabilities


def csv_rows(faces: Faces) -> list[dict[str, object]]:
    """Write faces as rows of ``fer2013.csv``."""
    return [
        {"emotion": label, "pixels": " ".join(map(str, image.ravel())), "Usage": USAGE[split]}
        for image, label, split in zip(faces.images, faces.labels, faces.split, strict=True)
    ]


def votes_rows(faces: Faces, votes_of_faces: Sequence[list[int]]) -> list[dict[str, object]]:
    """Write votes as rows of ``fer2013new.csv``."""
    return [
        {"Usage": USAGE[split], "Image name": f"fer{number:07d}.png"}
        | dict(zip(FERPLUS_VOTES, row, strict=True))
        for number, (split, row) in enumerate(zip(faces.split, votes_of_faces, strict=True))
    ]


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> Path:
    """Write rows under the keys of the first."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def save(path: Path, image: np.ndarray) -> Path:
    """Write a picture, gray or RGB; the format follows from the suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path)
    return path


def assert_same(found: Faces, expected: Faces) -> None:
    """Compare images, labels and splits."""
    assert found.images.dtype == np.uint8
    assert (found.images == expected.images).all()
    assert found.labels.tolist() == expected.labels.tolist()
    assert found.split.tolist() == expected.split.tolist()
