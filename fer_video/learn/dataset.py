"""Labelled faces from the forms in which people download them: CSV files and image folders."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from fer_video.errors import DataError
from fer_video.files import sha256_of
from fer_video.labels import EMOTIONS, FERPLUS_COLUMN_OF, FERPLUS_VOTES

TRAIN, VALIDATION, TEST = "train", "validation", "test"

SIZE_PX = 48

_SPLIT_OF_USAGE = {"Training": TRAIN, "PublicTest": VALIDATION, "PrivateTest": TEST}
_SPLIT_OF_FOLDER = {"train": TRAIN, "val": VALIDATION, "validation": VALIDATION, "test": TEST}
_EMOTION_OF_FOLDER = {name: name for name in EMOTIONS} | {
    "anger": "angry",
    "disgusted": "disgust",
    "fearful": "fear",
    "happiness": "happy",
    "sadness": "sad",
    "surprised": "surprise",
}
_HELD_OUT_EVERY = 10
"""Of the training images of a folder without a validation split, in the order of their paths."""
_IMAGE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp"}
_CHUNK_ROWS = 4096
"""Rows of a pixel CSV parsed at a time: 4096 rows of text are about 35 MB."""


@dataclass(frozen=True, eq=False)
class Faces:
    """Labelled 48x48 gray faces; every array has one entry per face."""

    images: np.ndarray[Any, np.dtype[np.uint8]]
    """Gray, uint8, shape ``(n, 48, 48)``."""
    labels: np.ndarray[Any, np.dtype[np.int64]]
    """Index into ``EMOTIONS``, shape ``(n,)``."""
    split: np.ndarray[Any, np.dtype[np.str_]]
    """``train``, ``validation`` or ``test``, shape ``(n,)``."""
    votes: np.ndarray[Any, np.dtype[np.int64]] | None = None
    """FER+ votes in the order of ``FERPLUS_VOTES``, shape ``(n, 10)``; None without FER+."""
    source: Path = Path("the faces")
    """Where they were read; errors name it."""

    def __len__(self) -> int:
        return len(self.images)

    def where(self, chosen: np.ndarray[Any, np.dtype[np.bool_]]) -> "Faces":
        """Keep the faces for which ``chosen``, bool ``(n,)``, is true."""
        return replace(
            self,
            images=self.images[chosen],
            labels=self.labels[chosen],
            split=self.split[chosen],
            votes=None if self.votes is None else self.votes[chosen],
        )

    def part(self, split: str) -> "Faces":
        """Keep the faces of one split."""
        return self.where(self.split == split)

    def require(self, *splits: str) -> None:
        """Make sure that no split of these is empty.

        Raises:
            DataError: One is.
        """
        for split in splits:
            if not (self.split == split).any():
                raise DataError(self.source, f"its {split} split is empty")


def read_faces(path: Path, ferplus: Path | None = None) -> Faces:
    """Read FER2013 as a CSV file, or any folder ``<split>/<emotion>/*`` of images.

    Images of a folder become gray and 48x48. Where it has ``train`` and ``test`` only, every
    tenth training image, in the order of the paths, becomes validation; so it has a tenth of
    each emotion, the same on every machine and with every seed.

    Args:
        path: ``fer2013.csv``, ``icml_face_data.csv`` or a folder with ``train`` and ``test``.
        ferplus: ``fer2013new.csv``, whose rows are those of the CSV file.

    Raises:
        DataError: The data is missing, of another form, or has a row that cannot be read.
    """
    if not path.exists():
        raise DataError(path, "no such file or folder")
    if path.is_dir():
        if ferplus is not None:
            raise DataError(
                ferplus, "FER+ votes belong to the rows of fer2013.csv, not to a folder"
            )
        return _read_folder(path)
    faces = _read_csv(path)
    return faces if ferplus is None else replace(faces, votes=_read_votes(ferplus, faces.split))


def sha256_of_data(path: Path) -> str:
    """SHA-256 in hexadecimal of a data file, or of a folder's image paths and contents.

    Raises:
        DataError: The folder has an unknown emotion.
    """
    if path.is_file():
        return sha256_of(path)
    digest = hashlib.sha256()
    for file, _, _ in sorted(_labelled_files(path)):
        digest.update(f"{file.relative_to(path).as_posix()} {sha256_of(file)}\n".encode())
    return digest.hexdigest()


def is_copy_of(faces: Faces, others: Faces) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Mark the faces whose pixels are exactly those of one of the others; bool ``(n,)``."""
    known = {image.tobytes() for image in others.images}
    return np.array([image.tobytes() in known for image in faces.images], dtype=bool)


def ferplus_distribution(
    votes: np.ndarray[Any, np.dtype[np.int64]],
) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Share of the votes for each of the seven emotions.

    Args:
        votes: Shape ``(n, 10)`` in the order of ``FERPLUS_VOTES``.

    Returns:
        float32 ``(n, 7)`` in the order of ``EMOTIONS``; a row without any such vote is all zero.
    """
    columns = [FERPLUS_VOTES.index(FERPLUS_COLUMN_OF[emotion]) for emotion in EMOTIONS]
    seven = votes[:, columns].astype(np.float32)
    shares: np.ndarray[Any, np.dtype[np.float32]] = seven / np.maximum(
        seven.sum(axis=1, keepdims=True), 1
    )
    return shares


def ferplus_majority(
    votes: np.ndarray[Any, np.dtype[np.int64]],
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The emotion that most FER+ voters saw, or -1 where there is none of the seven.

    Single votes are removed as outliers; the top vote must then hold more than half of the
    rest, and be neither contempt, unknown nor not-a-face.

    Args:
        votes: Shape ``(n, 10)`` in the order of ``FERPLUS_VOTES``.

    Returns:
        Index into ``EMOTIONS`` or -1, shape ``(n,)``.

    Source:
        Barsoum et al., ICMI 2016, section 4.1 ("majority voting"), and its reference code.
    """
    kept = np.where(votes > 1, votes, 0)
    top = kept.argmax(axis=1)
    has_majority = kept.max(axis=1) > 0.5 * kept.sum(axis=1)
    emotion_of_column = np.full(len(FERPLUS_VOTES), -1)
    for index, emotion in enumerate(EMOTIONS):
        emotion_of_column[FERPLUS_VOTES.index(FERPLUS_COLUMN_OF[emotion])] = index
    return np.where(has_majority, emotion_of_column[top], -1)


def _read_csv(path: Path) -> Faces:
    parts = [_parse_rows(path, rows) for rows in _chunks(path)]
    images, labels, split = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    if not len(images):
        raise DataError(path, "it has no rows")
    return Faces(images, labels, split, source=path)


def _chunks(path: Path) -> Iterator[pd.DataFrame]:
    """Text, some thousand rows at a time; at least one chunk, perhaps without rows."""
    try:
        with pd.read_csv(path, chunksize=_CHUNK_ROWS, dtype=str, keep_default_na=False) as chunks:
            for rows in chunks:
                # icml_face_data.csv has a space before its column names
                yield rows.rename(columns=str.strip).fillna("")
    except FileNotFoundError as error:
        raise DataError(path, "no such file") from error
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(path, f"not a CSV file ({error})") from error


def _require_columns(path: Path, rows: pd.DataFrame, columns: set[str], file: str) -> None:
    missing = columns - set(rows.columns)
    if missing:
        raise DataError(path, f"no column {', '.join(sorted(missing))}; is it {file}?")


def _parse_rows(path: Path, rows: pd.DataFrame) -> tuple[Any, Any, Any]:
    _require_columns(path, rows, {"emotion", "pixels", "Usage"}, "fer2013.csv")
    images = np.empty((len(rows), SIZE_PX, SIZE_PX), np.uint8)
    for position, text in enumerate(rows["pixels"]):
        try:
            # bytes refuses what is not 0 to 255, where an array would wrap it around
            pixels = np.frombuffer(bytes(map(int, text.split())), np.uint8)
            images[position] = pixels.reshape(SIZE_PX, SIZE_PX)
        except ValueError as error:
            reason = f"{_line(rows, position)} does not hold {SIZE_PX**2} gray levels of 0 to 255"
            raise DataError(path, reason) from error
    numbers = [str(number) for number in range(len(EMOTIONS))]
    labels = rows["emotion"].str.strip()
    _require_rows(path, rows, labels.isin(numbers), "an emotion that is not 0 to 6")
    return images, labels.to_numpy(np.int64), _splits(path, rows)


def _splits(path: Path, rows: pd.DataFrame) -> np.ndarray[Any, np.dtype[np.str_]]:
    usage = rows["Usage"].str.strip()
    _require_rows(path, rows, usage.isin(list(_SPLIT_OF_USAGE)), "an unknown Usage")
    return np.array([_SPLIT_OF_USAGE[name] for name in usage], dtype=str)


def _require_rows(path: Path, rows: pd.DataFrame, good: "pd.Series[bool]", fault: str) -> None:
    if not good.all():
        raise DataError(path, f"{_line(rows, int(good.to_numpy().argmin()))} has {fault}")


def _line(rows: pd.DataFrame, position: int) -> str:
    # rows count from 0 after the header, which is line 1
    return f"line {rows.index[position] + 2}"


def _read_votes(
    path: Path, split: np.ndarray[Any, np.dtype[np.str_]]
) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Read the votes for the faces whose splits these are, in the same order."""
    rows = pd.concat(_chunks(path))
    _require_columns(path, rows, {"Usage", *FERPLUS_VOTES}, "fer2013new.csv")
    if len(rows) != len(split):
        raise DataError(path, f"it has {len(rows)} rows of votes for {len(split)} faces")
    same = pd.Series(_splits(path, rows) == split)
    _require_rows(path, rows, same, "another Usage than that row of the faces: not their votes")
    for column in FERPLUS_VOTES:
        _require_rows(path, rows, rows[column].str.isdecimal(), f"no number of votes in {column}")
    return rows[list(FERPLUS_VOTES)].to_numpy(np.int64)


def _read_folder(path: Path) -> Faces:
    files = sorted(_labelled_files(path))
    if not files:
        raise DataError(path, "no images in folders like train/happy and test/happy")
    images = np.stack([_read_image(file) for file, _, _ in files])
    labels = np.array([EMOTIONS.index(emotion) for _, emotion, _ in files])
    split = np.array([split for _, _, split in files], dtype=f"<U{len(VALIDATION)}")
    if VALIDATION not in split:
        split[np.flatnonzero(split == TRAIN)[::_HELD_OUT_EVERY]] = VALIDATION
    return Faces(images, labels, split, source=path)


def _labelled_files(path: Path) -> Iterator[tuple[Path, str, str]]:
    for file in path.glob("*/*/*"):
        split = _SPLIT_OF_FOLDER.get(file.parent.parent.name.lower())
        if split is None or file.suffix.lower() not in _IMAGE_SUFFIXES:
            continue
        emotion = _EMOTION_OF_FOLDER.get(file.parent.name.lower())
        if emotion is None:
            raise DataError(file.parent, f"unknown emotion; use {', '.join(EMOTIONS)}")
        yield file, emotion, split


def _read_image(file: Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    try:
        with Image.open(file) as image:
            if image.mode[0] in "IF":  # Pillow would cut these off at 255
                raise DataError(file, "its pixels have more than 8 bits per channel")
            gray = image.convert("L")
    except (OSError, SyntaxError) as error:  # Pillow's word for a broken PNG is SyntaxError
        raise DataError(file, f"not an image ({error})") from error
    if gray.size != (SIZE_PX, SIZE_PX):
        gray = gray.resize((SIZE_PX, SIZE_PX), Image.Resampling.BOX)
    return np.asarray(gray)
