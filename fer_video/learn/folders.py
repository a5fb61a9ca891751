"""Labelled faces from images that lie in folders of their emotion, in a folder or a zip."""

import posixpath
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import takewhile
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from fer_video.errors import DataError
from fer_video.labels import emotion_named
from fer_video.learn.archive import DAMAGED, Entry
from fer_video.learn.faces import (
    SIZE_PX,
    TEST,
    TRAIN,
    VALIDATION,
    Faces,
    Images,
    Integers,
    Names,
    Problem,
    first_alike,
    not_among,
    require_few,
    split_named,
)

MAX_IMAGE_BYTES = 64 * 2**20
"""Of a file, which is read whole: no photograph of a face comes near it."""

T = TypeVar("T")

_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm"}
_FORMATS = ("PNG", "JPEG", "BMP", "TIFF", "WEBP", "PPM", "GIF")
"""By content: Pillow hands others, such as PostScript, to programs that run what is in them."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """An image, and what its folders say."""

    entry: Entry
    emotion: str | None
    """One of the eight; None where the folder has a name that is no emotion's."""
    split: str | None
    """None in a data set that is one folder of emotions."""


def arrange(entries: Iterable[Entry]) -> tuple[list[Labelled], list[Problem]]:
    """Read labels and splits from paths: ``<split>/<emotion>/*``, or ``<emotion>/*``.

    Folders around all of that, as archives often have one, say nothing and are passed over.

    Returns:
        The images in the order of their paths, and what is no part of the data set.
    """
    ordered = sorted(entries, key=lambda entry: entry.name)
    strays = [(entry, _why_no_image(entry.name)) for entry in ordered]
    images = [entry for entry, reason in strays if reason is None]
    left_out = [Problem(str(entry.name), reason) for entry, reason in strays if reason]
    n_around = _folders_around([entry.name for entry in images])
    paths = [entry.name.parts[n_around:] for entry in images]
    has_splits = any(len(path) == 3 and split_named(path[0]) for path in paths)
    found = []
    for entry, path in zip(images, paths, strict=True):
        split = split_named(path[0]) if has_splits else None
        if len(path) != 2 + has_splits or (has_splits and split is None):
            form = "<split>/<emotion>" if has_splits else "<emotion>"
            left_out.append(Problem(str(entry.name), f"is not in a folder {form}"))
        else:
            found.append(Labelled(entry, emotion_named(path[-2]), split))
    return found, left_out


def read_images(
    source: Path, entries: Iterable[Entry], val_share: float, emotions: tuple[str, ...]
) -> Faces:
    """Read images as gray faces of 48x48 pixels; see ``dataset.read_faces`` for the splits.

    Raises:
        DataError: No image lies in a folder of an emotion, or too many cannot be read.
    """
    found, left_out = arrange(entries)
    if not found:
        raise DataError(source, "no images in folders like train/happy and test/happy, or happy")
    chosen, of_others = _choose(found, emotions)
    images = np.empty((len(chosen), SIZE_PX, SIZE_PX), np.uint8)
    problems = []
    good: list[Labelled] = []
    n_stretched = 0
    for one in chosen:
        try:
            images[len(good)], is_square = _read(one, emotions, _to_face)
            good.append(one)
            n_stretched += not is_square
        except _BadImageError as fault:
            problems.append(Problem(str(one.entry.name), str(fault)))
    require_few(source, problems, len(good))
    images = images[: len(good)]
    labels = np.array([emotions.index(one.emotion) for one in good if one.emotion], np.int64)
    split, held_out = _splits([one.split for one in good], images, labels, val_share)
    places = np.array([str(one.entry.name) for one in good], dtype=str)
    return Faces(
        images, labels, split, places, emotions=emotions, source=source,
        problems=tuple(problems), left_out=(*left_out, *of_others), held_out=held_out,
        n_stretched=n_stretched,
    )  # fmt: skip


def _choose(
    found: Iterable[Labelled], emotions: Sequence[str]
) -> tuple[list[Labelled], list[Problem]]:
    """Part the images to read, unknown emotions included, from those of the other emotions."""
    chosen, of_others = [], []
    for one in found:
        if one.emotion is None or one.emotion in emotions:
            chosen.append(one)
        else:
            of_others.append(Problem(str(one.entry.name), not_among(one.emotion, emotions)))
    return chosen, of_others


def _why_no_image(name: PurePosixPath) -> str | None:
    # as is the ._a.png that macOS packs for each a.png
    if any(part.startswith(".") for part in name.parts):
        return "is hidden"
    return None if name.suffix.lower() in _SUFFIXES else "is not named like an image"


def _folders_around(names: list[PurePosixPath]) -> int:
    """Count the outer folders that all images share and that name no split and no emotion."""
    if not names:
        return 0
    shared = PurePosixPath(posixpath.commonpath([name.parent for name in names]))
    says_nothing = takewhile(lambda part: not split_named(part) and not emotion_named(part),
                             shared.parts)  # fmt: skip
    return len(list(says_nothing))


def read_photograph(one: Labelled, emotions: Sequence[str]) -> Images | Problem:
    """Read a whole picture upright, RGB uint8 ``(height, width, 3)``, or say why it cannot be."""
    try:
        return _read(one, emotions, lambda image: np.asarray(_upright(image).convert("RGB")))
    except _BadImageError as fault:
        return Problem(str(one.entry.name), str(fault))


class _BadImageError(Exception):
    """What is wrong with an image, as the fault of a ``Problem``."""


def _read(one: Labelled, emotions: Sequence[str], convert: Callable[[Image.Image], T]) -> T:
    if one.emotion is None:
        raise _BadImageError(f"has an unknown emotion; use {', '.join(emotions)}")
    if one.entry.n_bytes > MAX_IMAGE_BYTES:
        raise _BadImageError(f"is larger than {MAX_IMAGE_BYTES / 2**20:.0f} MiB")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with one.entry.open() as file, Image.open(file, formats=_FORMATS) as image:
                return convert(image)
    except UnidentifiedImageError as error:  # its text names an object in memory
        raise _BadImageError("is not an image") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _BadImageError("has more pixels than a photograph") from error
    # Pillow's words for a broken PNG and a broken TIFF are SyntaxError and ValueError
    except (OSError, SyntaxError, ValueError, *DAMAGED) as error:
        raise _BadImageError(f"is a damaged image ({error})") from error


def _upright(image: Image.Image) -> Image.Image:
    if image.mode[0] in "IF":  # Pillow would cut these off at 255
        raise _BadImageError("has more than 8 bits per channel")
    # phones store faces lying on their side, with a note on which way is up
    return ImageOps.exif_transpose(image)


def _to_face(image: Image.Image) -> tuple[Images, bool]:
    """Return 48x48 gray pixels, and whether the image was square."""
    gray = _upright(image).convert("L")
    is_square = gray.width == gray.height
    if gray.size != (SIZE_PX, SIZE_PX):
        gray = gray.resize((SIZE_PX, SIZE_PX), Image.Resampling.BOX)
    return np.asarray(gray), is_square


def _splits(
    given: list[str | None], images: Images, labels: Integers, val_share: float
) -> tuple[Names, tuple[str, ...]]:
    """Give the split of each image, and the splits that had to be held out."""
    split = np.array([name or TRAIN for name in given], dtype=f"<U{len(VALIDATION)}")
    if VALIDATION in split:
        return split, ()
    held_out = (VALIDATION,) if any(given) else (VALIDATION, TEST)
    free = split == TRAIN
    split[free] = _hold_out(images[free], labels[free], held_out, val_share)
    return split, held_out


def _hold_out(images: Images, labels: Integers, held_out: tuple[str, ...], share: float) -> Names:
    """Take the same share of each emotion for each held-out split, evenly along the paths.

    Images with the same pixels count as one, and stay together.
    """
    first = first_alike(images)
    exact = Fraction(str(share))  # a tenth of 10, 20, 30 ... is a whole number, unlike 0.1 of them
    split = np.full(len(images), TRAIN, dtype=f"<U{len(VALIDATION)}")
    for label in np.unique(labels):
        distinct = np.flatnonzero((first == np.arange(len(first))) & (labels == label))
        turn = np.arange(len(distinct)) * exact.numerator % exact.denominator
        for number, name in enumerate(held_out):
            split[distinct[turn // exact.numerator == number]] = name
    return split[first]
