"""From whole photographs to what the classifier sees."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from fer_video.crop import crop_face
from fer_video.errors import DataError, OutputError
from fer_video.events import PhotographDone
from fer_video.labels import EMOTIONS
from fer_video.learn.dataset import read_faces
from fer_video.learn.evaluate import EvaluationSet
from fer_video.learn.photographs import cut_photographs, read_photographs
from fer_video.options import DetectOptions
from fer_video.types import CropSpec, Face, Image
from tests.learn.faces import save
from tests.scenes import Square, bright_square, picture

OPTIONS = DetectOptions(min_face_px=12)
CROP = CropSpec()


def shaded(*faces: Square, size_px: tuple[int, int] = (64, 48)) -> Image:
    """Draw a picture that gets brighter to the right, so that no two crops of it are alike."""
    drawn = picture(*faces, size_px=size_px)
    return drawn + np.linspace(0, 40, drawn.shape[1], dtype=np.uint8)[:, None]


def read(path: Path, *framings: CropSpec, options: DetectOptions = OPTIONS) -> list[EvaluationSet]:
    crops = framings or (CROP,)
    found = read_photographs(path, EMOTIONS, crops, bright_square, options)
    return [found[crop] for crop in crops]


def expected_crop(rgb: Image, position: int = 0) -> Image:
    gray = rgb[..., 0]
    return crop_face(gray, bright_square([rgb])[0][position].landmarks, CROP)


def photographs(folder: Path) -> Path:
    """Write four test photographs: two faces, the second unlike; none; and a copy of training."""
    save(folder / "test/happy/1.png", shaded(Square(4, 8), Square(30, 10, 20)))
    save(folder / "test/happy/2.png", shaded())
    save(folder / "test/sad/3.png", shaded(Square(20, 20, 22)))
    save(folder / "test/neutral/4.png", shaded(Square(10, 10)))
    (folder / "train/sad").mkdir(parents=True)
    shutil.copy(folder / "test/sad/3.png", folder / "train/sad/other name.png")
    return folder


def test_of_each_test_photograph_the_largest_face_is_cut_as_in_analysis(tmp_path: Path) -> None:
    (found,) = read(photographs(tmp_path))
    pictures = [
        shaded(Square(4, 8), Square(30, 10, 20)),
        shaded(Square(10, 10)),
        shaded(Square(20, 20, 22)),
    ]
    assert found.has_face.tolist() == [True, False, True, True]
    assert [EMOTIONS[label] for label in found.truths["label"]] == [
        "happy", "happy", "neutral", "sad",
    ]  # fmt: skip
    crops = [expected_crop(pictures[0], 1), expected_crop(pictures[1]), expected_crop(pictures[2])]
    # OpenCV's gray of equal red, green and blue may be a level off
    assert np.abs(found.crops.astype(int) - np.stack(crops)).max() <= 1
    assert found.detected


def test_a_photograph_that_stands_in_training_too_is_a_copy(tmp_path: Path) -> None:
    (found,) = read(photographs(tmp_path))
    assert found.is_copy.tolist() == [False, False, False, True]


def test_each_framing_gets_crops_of_its_own(tmp_path: Path) -> None:
    tight, wide = read(photographs(tmp_path), CROP, CropSpec(margin=0.3))
    assert tight.crops.shape == wide.crops.shape == (3, 48, 48)
    assert (tight.crops != wide.crops).any()


def test_faces_are_found_on_a_smaller_picture_and_cut_from_the_full_one(tmp_path: Path) -> None:
    large = shaded(Square(500, 300, 400), size_px=(1280, 960))
    save(tmp_path / "test/happy/1.png", large)
    seen: list[tuple[int, ...]] = []

    def noted(pictures):
        seen.extend(one.shape for one in pictures)
        return bright_square(pictures)

    found = read_photographs(tmp_path, EMOTIONS, {CROP}, noted, DetectOptions())[CROP]
    assert seen == [(480, 640, 3)]
    assert np.abs(found.crops[0].astype(int) - expected_crop(large)).mean() < 2


def test_a_face_too_doubtful_to_start_a_track_is_none(tmp_path: Path) -> None:
    (found,) = read(photographs(tmp_path), options=DetectOptions(min_face_px=12, min_score=0.9))
    assert found.has_face.sum() == 3
    strict = DetectOptions(min_face_px=12, min_score=0.91)
    with pytest.raises(DataError, match="no face was found in any of its 4 test photographs"):
        read(tmp_path, options=strict)


def test_a_face_too_small_to_count_is_none(tmp_path: Path) -> None:
    (found,) = read(photographs(tmp_path), options=DetectOptions(min_face_px=18))
    assert found.has_face.tolist() == [True, False, False, True]


def test_a_zip_holds_the_same_photographs_as_its_folder(tmp_path: Path) -> None:
    folder = photographs(tmp_path / "folder")
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", folder))
    (packed,), (lying,) = read(archive), read(folder)
    assert (packed.crops == lying.crops).all()
    assert packed.is_copy.tolist() == lying.is_copy.tolist()


def test_a_damaged_photograph_is_named(tmp_path: Path) -> None:
    (photographs(tmp_path) / "test/sad/5.png").write_text("dear diary")
    with pytest.raises(DataError, match=r"test/sad/5\.png is not an image"):
        read(tmp_path)


def test_an_emotion_that_is_none_is_named(tmp_path: Path) -> None:
    save(photographs(tmp_path) / "test/hungry/5.png", shaded(Square(10, 10)))
    with pytest.raises(DataError, match=r"test/hungry/5\.png has an unknown emotion"):
        read(tmp_path)


def test_emotions_that_the_model_does_not_know_are_left_out(tmp_path: Path) -> None:
    six = tuple(emotion for emotion in EMOTIONS if emotion != "neutral")
    found = read_photographs(photographs(tmp_path), six, {CROP}, bright_square, OPTIONS)[CROP]
    assert [six[label] for label in found.truths["label"]] == ["happy", "happy", "sad"]


def test_photographs_without_a_test_split_or_in_no_folder_are_refused(tmp_path: Path) -> None:
    save(tmp_path / "happy/1.png", shaded(Square(10, 10)))
    with pytest.raises(DataError, match="no photographs in folders like test/happy"):
        read(tmp_path)
    with pytest.raises(DataError, match="lie in a folder or a zip"):
        read(tmp_path / "happy/1.png")


def cut(path: Path, out: Path) -> list[PhotographDone]:
    return list(cut_photographs(path, out, CROP, bright_square, OPTIONS))


def test_faces_cut_out_to_learn_from_are_those_that_are_judged(tmp_path: Path) -> None:
    out = tmp_path / "made" / "faces"
    done = cut(photographs(tmp_path / "whole"), out)
    assert [(one.number, one.n_photographs) for one in done] == [(n, 5) for n in range(1, 6)]
    assert [one.problem for one in done if one.problem] == ["test/happy/2.png shows no face"]
    faces = read_faces(out)
    assert faces.places.tolist() == [
        "test/happy/1.png.png", "test/neutral/4.png.png", "test/sad/3.png.png",
        "train/sad/other name.png.png",
    ]  # fmt: skip
    (judged,) = read(tmp_path / "whole")
    assert (faces.part("test").images == judged.crops).all()


def test_photographs_without_splits_keep_their_folders(tmp_path: Path) -> None:
    save(tmp_path / "whole/joie/1.jpg", shaded(Square(10, 10)))
    cut(tmp_path / "whole", tmp_path / "faces")
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.glob("faces/*/*")] == [
        "faces/joie/1.jpg.png"
    ]


def test_what_was_begun_is_no_folder_of_faces(tmp_path: Path) -> None:
    whole, out = photographs(tmp_path / "whole"), tmp_path / "faces"
    steps = cut_photographs(whole, out, CROP, bright_square, OPTIONS)
    next(steps)
    steps.close()  # as Ctrl-C does
    assert list(tmp_path.iterdir()) == [whole]
    (whole / "test/sad/5.png").write_text("dear diary")
    with pytest.raises(DataError, match=r"test/sad/5\.png is not an image"):
        cut(whole, out)
    assert list(tmp_path.iterdir()) == [whole]


def test_folders_that_name_no_emotion_are_refused_before_any_photograph(tmp_path: Path) -> None:
    save(photographs(tmp_path / "whole") / "test/hungry/5.png", shaded(Square(10, 10)))

    def unasked(pictures: Sequence[Image]) -> list[tuple[Face, ...]]:
        raise AssertionError

    with pytest.raises(DataError, match=r"\(1 of 6\): test/hungry/5\.png has an unknown emotion"):
        list(cut_photographs(tmp_path / "whole", tmp_path / "faces", CROP, unasked, OPTIONS))
    with pytest.raises(DataError, match=r"\(1 of 5\): test/hungry/5\.png has an unknown emotion"):
        read_photographs(tmp_path / "whole", EMOTIONS, {CROP}, unasked, OPTIONS)


def test_faces_overwrite_nothing_and_do_not_lie_among_the_photographs(tmp_path: Path) -> None:
    whole = photographs(tmp_path / "whole")
    with pytest.raises(OutputError, match="it lies among the photographs"):
        cut(whole, whole / "faces")
    (tmp_path / "faces").mkdir()
    with pytest.raises(OutputError, match="it exists; name a new folder"):
        cut(whole, tmp_path / "faces")
    assert list((tmp_path / "faces").iterdir()) == []


def test_photographs_of_which_none_has_a_face_make_no_folder(tmp_path: Path) -> None:
    save(tmp_path / "whole/happy/1.png", shaded())
    with pytest.raises(DataError, match="no face was found in any of its 1 photographs"):
        cut(tmp_path / "whole", tmp_path / "faces")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no photographs in folders like train/happy, or happy"):
        cut(tmp_path / "empty", tmp_path / "faces")
    assert not (tmp_path / "faces").exists()
