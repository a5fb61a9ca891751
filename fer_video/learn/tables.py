"""Labelled faces from CSV files of pixels, and FER+ votes joined to them by row."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np
import pandas as pd

from fer_video.errors import DataError
from fer_video.labels import EMOTIONS, FERPLUS_VOTES
from fer_video.learn.archive import DAMAGED
from fer_video.learn.faces import (
    SIZE_PX,
    Faces,
    Images,
    Integers,
    Mask,
    Names,
    Problem,
    not_among,
    require_few,
    split_named,
)

Open = Callable[[], IO[bytes]]

_CHUNK_ROWS = 4096
"""Rows of a pixel CSV parsed at a time: 4096 rows of text are about 35 MB."""
_BAD_PIXELS = f"does not hold {SIZE_PX**2} gray levels of 0 to 255"
_BAD_EMOTION = f"has an emotion that is not 0 to {len(EMOTIONS) - 1}"
_COUNT = r"[0-9]{1,9}"
_BAD_USAGE = "has an unknown Usage"
_NO_CSV = (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError)


def read_table(
    source: Path, open_table: Open, ferplus: Path | None, emotions: tuple[str, ...]
) -> Faces:
    """Read ``fer2013.csv`` or ``icml_face_data.csv``, perhaps with the votes for its rows.

    Args:
        source: The data set, for errors.
        open_table: Opens the CSV file.
        ferplus: ``fer2013new.csv``, or None.
        emotions: What to tell apart; rows labelled with another one are left out.

    Raises:
        DataError: A file is no such table, has too many bad rows, or the votes are not for
            these faces.
    """
    parts = [_parse_rows(source, rows) for rows in _chunks(source, open_table)]
    images, numbers, split, faults = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    if not len(images):
        raise DataError(source, "it has no rows")
    problems = _problems(faults)
    good = faults == ""
    require_few(source, problems, int(good.sum()))
    labels = _indices_into(emotions, numbers)
    places = np.array([_line(row) for row in range(len(images))])
    faces = Faces(images, labels, split, places, emotions=emotions, source=source)
    if ferplus is not None:
        votes, vote_faults = _read_votes(ferplus, split)
        faces = replace(faces, votes=votes)
        problems += _problems(np.where(good, vote_faults, ""), f"{ferplus.name} ")
        good &= vote_faults == ""
    left_out = [
        Problem(_line(row), not_among(EMOTIONS[numbers[row]], emotions))
        for row in np.flatnonzero(good & (labels < 0)).tolist()
    ]
    good &= labels >= 0
    # chosen only where something goes: it copies all images
    return replace(
        faces if good.all() else faces.where(good),
        problems=tuple(problems),
        left_out=tuple(left_out),
    )


def _chunks(source: Path, open_table: Open) -> Iterator[pd.DataFrame]:
    """Text, some thousand rows at a time; at least one chunk, perhaps without rows."""
    try:
        with (
            open_table() as file,
            pd.read_csv(file, chunksize=_CHUNK_ROWS, dtype=str, keep_default_na=False) as chunks,
        ):
            for rows in chunks:
                # icml_face_data.csv has a space before its column names
                yield rows.rename(columns=str.strip).fillna("")
    except FileNotFoundError as error:
        raise DataError(source, "no such file") from error
    except (*_NO_CSV, *DAMAGED) as error:
        raise DataError(source, f"not a CSV file ({error})") from error


def _indices_into(emotions: tuple[str, ...], numbers: Integers) -> Integers:
    """Turn label numbers of FER2013, or -1, into indices into ``emotions``, or -1."""
    index_of = [emotions.index(name) if name in emotions else -1 for name in EMOTIONS]
    return np.array([*index_of, -1])[numbers]  # the number -1 takes the last


def _require_columns(source: Path, rows: pd.DataFrame, columns: set[str], file: str) -> None:
    missing = columns - set(rows.columns)
    if missing:
        raise DataError(source, f"no column {', '.join(sorted(missing))}; is it {file}?")


def _parse_rows(source: Path, rows: pd.DataFrame) -> tuple[Images, Integers, Names, Names]:
    """Give images, label numbers, splits, and what is wrong with each row: "" where nothing is."""
    _require_columns(source, rows, {"emotion", "pixels", "Usage"}, "fer2013.csv")
    images = np.zeros((len(rows), SIZE_PX, SIZE_PX), np.uint8)
    readable = np.ones(len(rows), bool)
    for position, text in enumerate(rows["pixels"]):
        try:
            # bytes refuses what is not 0 to 255, where an array would wrap it around
            pixels = np.frombuffer(bytes(map(int, text.split())), np.uint8)
            images[position] = pixels.reshape(SIZE_PX, SIZE_PX)
        except ValueError:
            readable[position] = False
    number_of = {str(number): number for number in range(len(EMOTIONS))}
    numbers = np.array([number_of.get(text.strip(), -1) for text in rows["emotion"]], np.int64)
    split = _splits(rows)
    faults = np.select(
        [~readable, numbers < 0, split == ""], [_BAD_PIXELS, _BAD_EMOTION, _BAD_USAGE], ""
    )
    return images, numbers, split, faults


def _splits(rows: pd.DataFrame) -> Names:
    """Give the split of each row; "" where its name is unknown."""
    split_of = {name: split_named(name) or "" for name in rows["Usage"].unique()}
    return np.array([split_of[name] for name in rows["Usage"]], dtype=str)


def _problems(faults: Names, file: str = "") -> list[Problem]:
    bad = np.flatnonzero(faults).tolist()
    return [Problem(f"{file}{_line(row)}", str(faults[row])) for row in bad]


def _line(row: int) -> str:
    # rows count from 0 after the header, which is line 1
    return f"line {row + 2}"


def _read_votes(path: Path, split: Names) -> tuple[Integers, Names]:
    """Read the votes for the rows whose splits these are, and what is wrong with each."""
    rows = pd.concat(list(_chunks(path, lambda: path.open("rb"))))
    _require_columns(path, rows, {"Usage", *FERPLUS_VOTES}, "fer2013new.csv")
    if len(rows) != len(split):
        raise DataError(path, f"it has {len(rows)} rows of votes for {len(split)} faces")
    numbers = rows[list(FERPLUS_VOTES)]
    are_numbers = numbers.apply(lambda column: column.str.fullmatch(_COUNT)).to_numpy(bool)
    faults = _vote_faults(are_numbers)
    require_few(path, _problems(faults), int((faults == "").sum()))
    _require_same_rows(path, _splits(rows), split)
    return numbers.where(are_numbers, "0").to_numpy(np.int64), faults


def _vote_faults(are_numbers: Mask) -> Names:
    return np.select(
        list(~are_numbers.T), [f"has no number of votes in {name}" for name in FERPLUS_VOTES], ""
    )


def _require_same_rows(path: Path, found: Names, split: Names) -> None:
    """Refuse votes that are shifted against the faces, which shows where one split ends."""
    differs = np.flatnonzero((found != split) & (split != ""))
    # not one is tolerated: a shift by a single row spoils every vote
    if len(differs):
        reason = "has another Usage than that row of the faces: not their votes"
        raise DataError(path, f"{_line(int(differs[0]))} {reason}")
