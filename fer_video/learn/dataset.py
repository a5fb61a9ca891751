"""Labelled faces from the forms in which people download them: CSV files, image folders, zips.

The door to them: what trains and judges imports from here.
"""

import hashlib
from pathlib import Path

from fer_video.errors import DataError
from fer_video.files import sha256_of
from fer_video.labels import EMOTIONS
from fer_video.learn.archive import Entry, entries_below, entries_inside
from fer_video.learn.faces import (
    SIZE_PX,
    SPLITS,
    TEST,
    TRAIN,
    VALIDATION,
    Faces,
    ferplus_distribution,
    ferplus_majority,
    is_blank,
    is_copy_of,
)
from fer_video.learn.folders import arrange, read_images
from fer_video.learn.tables import read_table
from fer_video.options import TrainOptions

__all__ = [
    "SIZE_PX", "SPLITS", "TEST", "TRAIN", "VALIDATION", "Faces", "ferplus_distribution",
    "ferplus_majority", "is_blank", "is_copy_of", "read_faces", "sha256_of_data",
]  # fmt: skip

_TABLES = {"fer2013.csv", "icml_face_data.csv"}


def read_faces(
    path: Path,
    ferplus: Path | None = None,
    val_share: float = TrainOptions.val_share,
    emotions: tuple[str, ...] = EMOTIONS,
) -> Faces:
    """Read FER2013 as a CSV file, images in folders ``<split>/<emotion>``, or either in a zip.

    Splits and emotions go by their usual names, emotions in English or French. Images become
    gray and 48x48, stretched where they are not square. What cannot be read is left out and
    stands in ``problems``, up to 1 % of the whole.

    Where folders have no validation split, ``val_share`` of the training images becomes one; in
    one folder of emotions ``<emotion>/*`` as much again becomes test. The images are taken
    evenly along the sorted paths of each emotion: the same on every machine, with every seed. Exact
    copies stay together. But near copies, such as two pictures of one person, may fall apart:
    where that matters, make folders of splits.

    What shows an emotion that is known but not chosen stands in ``left_out``. The labels of FER2013
    know no contempt, but its FER+ votes do.

    Args:
        path: ``fer2013.csv``, ``icml_face_data.csv``, a folder of images, or a ``.zip``.
        ferplus: ``fer2013new.csv``, whose rows are those of the CSV file.
        val_share: Share of each emotion's images for each split that is missing.
        emotions: What to tell apart; a set of ``labels.EMOTION_SETS``.

    Raises:
        DataError: The data is missing, of another form, shows none of the emotions, or more than
            1 % of it is bad.
    """
    if not path.exists():
        raise DataError(path, "no such file or folder")
    faces = _read(path, ferplus, val_share, emotions)
    if not len(faces):
        raise DataError(path, f"it shows none of {', '.join(emotions)}")
    return faces


def _read(path: Path, ferplus: Path | None, val_share: float, emotions: tuple[str, ...]) -> Faces:
    if path.is_dir():
        _require_no_votes(ferplus)
        return read_images(path, entries_below(path), val_share, emotions)
    if path.suffix.lower() != ".zip":
        return read_table(path, lambda: path.open("rb"), ferplus, emotions)
    with entries_inside(path) as entries:
        table = _table_among(entries)
        if table is not None:
            return read_table(path, table.open, ferplus, emotions)
        _require_no_votes(ferplus)
        return read_images(path, entries, val_share, emotions)


def sha256_of_data(path: Path) -> str:
    """SHA-256 in hexadecimal of a data file, or of a folder's image paths and contents."""
    if path.is_file():
        return sha256_of(path)
    digest = hashlib.sha256()
    for image in arrange(entries_below(path))[0]:
        name = image.entry.name
        digest.update(f"{name} {sha256_of(path / name)}\n".encode())
    return digest.hexdigest()


def _table_among(entries: list[Entry]) -> Entry | None:
    return next((entry for entry in entries if entry.name.name.lower() in _TABLES), None)


def _require_no_votes(ferplus: Path | None) -> None:
    if ferplus is not None:
        raise DataError(ferplus, "FER+ votes belong to the rows of fer2013.csv, not to images")
