"""Whole photographs, through the detector and crop that ship: to judge by, or to learn from."""

import hashlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import PIL.Image

from fer_video.crop import crop_face
from fer_video.detect import Detector, detect, picture_side_px
from fer_video.errors import DataError, OutputError
from fer_video.events import PhotographDone
from fer_video.files import whole_folder
from fer_video.labels import EMOTION_SETS
from fer_video.learn.archive import DAMAGED, Entry, entries_below, entries_inside
from fer_video.learn.evaluate import EvaluationSet
from fer_video.learn.faces import TEST, TRAIN, Images, Problem, require_few
from fer_video.learn.folders import MAX_IMAGE_BYTES, Labelled, arrange, read_photograph
from fer_video.learn.sources import require_photographs
from fer_video.options import DetectOptions
from fer_video.types import CropSpec, Face, Frame, Image

_NO_FACE = "shows no face"


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """What was made of a photograph."""

    place: str
    label: int
    is_copy: bool
    crops: dict[CropSpec, Image] | None
    """None where no face was found."""


def read_photographs(
    path: Path,
    emotions: tuple[str, ...],
    framings: Collection[CropSpec],
    detector: Detector,
    options: DetectOptions,
    split: str = TEST,
) -> dict[CropSpec, EvaluationSet]:
    """Find the largest face in each photograph of a split, and cut it as each model wants it.

    A face counts where it would start a track in a recording. A copy is a photograph whose file
    has exactly the content of a training one. Emotions that the model does not know are left out.

    Args:
        path: A folder or zip of photographs, in folders ``<split>/<emotion>/*``.
        emotions: The models' labels, in order.
        framings: How to cut.
        detector: Finds the faces.
        options: Of the detector.
        split: To read.

    Raises:
        DataError: The split has no photographs, more than 1 % of them cannot be read, or no
            face is found in any.
    """
    problems: list[Problem] = []
    seen: list[_Seen] = []
    with _entries_of(path) as entries:
        found, _ = arrange(entries)
        _require_emotions(path, [one for one in found if one.split == split], emotions)
        known = {_content(one) for one in found if one.split == TRAIN}
        for one in found:
            if one.split != split or (one.emotion and one.emotion not in emotions):
                continue
            rgb = read_photograph(one, emotions)
            if isinstance(rgb, Problem):
                problems.append(rgb)
                continue
            label = emotions.index(str(one.emotion))
            crops = _crops(rgb, framings, detector, options)
            seen.append(_Seen(str(one.entry.name), label, _content(one) in known, crops))
    require_few(path, problems, len(seen))
    return _evaluation_sets(path, seen, emotions, framings, split)


def cut_photographs(
    path: Path, out: Path, framing: CropSpec, detector: Detector, options: DetectOptions
) -> Iterator[PhotographDone]:
    """Cut the largest face out of each photograph, as analysis would, to learn from it.

    Args:
        path: A folder or zip of photographs, in folders ``<split>/<emotion>`` or ``<emotion>``.
        out: Folder to write, which is there once all photographs are done with: gray PNG files,
            at the path of their photograph, whose name they keep.
        framing: How to cut.
        detector: Finds the faces.
        options: Of the detector.

    Yields:
        Each photograph, in the order of their paths.

    Raises:
        DataError: There are no photographs, more than 1 % of them cannot be read, or no face is
            found in any.
        OutputError: ``out`` exists, lies among the photographs, or cannot be written.
    """
    if out.resolve().is_relative_to(path.resolve()):
        raise OutputError(out, "it lies among the photographs; name a folder elsewhere")
    with _entries_of(path) as entries:
        found, _ = arrange(entries)
        if not found:
            raise DataError(path, "no photographs in folders like train/happy, or happy")
        _require_emotions(path, found, EMOTION_SETS[8])
        bad: list[Problem] = []
        n_cut = 0
        with whole_folder(out) as folder:
            for number, one in enumerate(found, 1):
                problem = _cut(one, folder, framing, detector, options)
                if problem is None:
                    n_cut += 1
                elif problem.fault != _NO_FACE:
                    bad.append(problem)
                yield PhotographDone(number, len(found), "" if problem is None else str(problem))
            require_few(path, bad, len(found) - len(bad))
            if not n_cut:
                raise DataError(path, f"no face was found in any of its {len(found)} photographs")


def _cut(
    one: Labelled, folder: Path, framing: CropSpec, detector: Detector, options: DetectOptions
) -> Problem | None:
    """Write the crop of a photograph, or say why there is none."""
    rgb = read_photograph(one, EMOTION_SETS[8])
    if isinstance(rgb, Problem):
        return rgb
    crops = _crops(rgb, {framing}, detector, options)
    if crops is None:
        return Problem(str(one.entry.name), _NO_FACE)
    path = folder / f"{one.entry.name}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(crops[framing]).save(path)
    return None


def _evaluation_sets(
    path: Path,
    seen: list[_Seen],
    emotions: tuple[str, ...],
    framings: Collection[CropSpec],
    split: str,
) -> dict[CropSpec, EvaluationSet]:
    if not seen:
        raise DataError(path, f"no photographs in folders like {split}/happy")
    has_face = np.array([one.crops is not None for one in seen])
    if not has_face.any():
        raise DataError(path, f"no face was found in any of its {len(seen)} {split} photographs")
    return {
        crop: EvaluationSet(
            crops=np.stack([one.crops[crop] for one in seen if one.crops is not None]),
            has_face=has_face,
            truths={"label": np.array([one.label for one in seen], np.int64)},
            is_copy=np.array([one.is_copy for one in seen]),
            places=np.array([one.place for one in seen]),
            emotions=emotions,
            split=split,
            detected=True,
        )
        for crop in framings
    }


def _require_emotions(path: Path, found: Collection[Labelled], emotions: Sequence[str]) -> None:
    """Refuse at the start what folders are called, which else would be refused at the end."""
    unknown = [one for one in found if one.emotion is None]
    problems = [read_photograph(one, emotions) for one in unknown]  # each says what is wrong
    named = [problem for problem in problems if isinstance(problem, Problem)]
    require_few(path, named, len(found) - len(named))


@contextmanager
def _entries_of(path: Path) -> Iterator[list[Entry]]:
    require_photographs(path)
    if path.is_dir():
        yield list(entries_below(path))
        return
    with entries_inside(path) as entries:
        yield entries


def _content(one: Labelled) -> bytes | None:
    """Tell the content of a file from others; None where it cannot be read as a picture."""
    if one.entry.n_bytes > MAX_IMAGE_BYTES:
        return None
    try:
        with one.entry.open() as file:
            return hashlib.sha256(file.read()).digest()
    except (OSError, *DAMAGED):
        return None


def _crops(
    rgb: Images, framings: Collection[CropSpec], detector: Detector, options: DetectOptions
) -> dict[CropSpec, Image] | None:
    gray = np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY), np.uint8)
    face = _largest_face(gray, rgb, detector, options)
    if face is None:
        return None
    return {crop: crop_face(gray, face.landmarks, crop) for crop in framings}


def _largest_face(
    gray: Image, rgb: Image, detector: Detector, options: DetectOptions
) -> Face | None:
    """Look at a photograph as at a key frame of a recording."""
    frame = Frame(index=0, pts=0, time_s=0.0, gray=gray, full_range=True, rgb=_small(rgb, options))
    (looked_at,) = detect([frame], detector, options)
    strong = [face for face in looked_at.faces or () if face.score >= options.min_score]
    return max(strong, key=lambda face: face.box.width * face.box.height, default=None)


def _small(rgb: Image, options: DetectOptions) -> Image:
    height_px, width_px = rgb.shape[:2]
    scale = picture_side_px(max(height_px, width_px), options) / max(height_px, width_px)
    if scale >= 1:
        return rgb
    size_px = max(1, round(width_px * scale)), max(1, round(height_px * scale))
    return np.asarray(cv2.resize(rgb, size_px, interpolation=cv2.INTER_AREA), np.uint8)
