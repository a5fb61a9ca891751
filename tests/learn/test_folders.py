import unicodedata
import warnings
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from fer_video.errors import DataError
from fer_video.labels import EMOTION_SETS, EMOTIONS, emotion_named
from fer_video.learn.dataset import (
    SPLITS,
    TEST,
    TRAIN,
    VALIDATION,
    is_copy_of,
    read_faces,
    sha256_of_data,
)
from tests.learn.faces import assert_same, draw, save


def test_a_folder_of_png_and_jpg_gives_labelled_faces(tmp_path) -> None:
    save(tmp_path / "train" / "happy" / "b.png", draw(3, 0))
    save(tmp_path / "train" / "Anger" / "a.JPG", draw(0, 1))
    save(tmp_path / "validation" / "sad" / "a.bmp", draw(4, 2))
    save(tmp_path / "test" / "neutral" / "a.png", draw(6, 3))
    (tmp_path / "train" / "happy" / "notes.txt").touch()
    save(tmp_path / "drafts" / "happy" / "a.png", draw(3, 4))
    found = read_faces(tmp_path)
    by_emotion = {EMOTIONS[label]: n for n, label in enumerate(found.labels)}
    assert sorted(by_emotion) == ["angry", "happy", "neutral", "sad"]
    assert (found.images[by_emotion["happy"]] == draw(3, 0)).all()
    assert (found.images[by_emotion["neutral"]] == draw(6, 3)).all()
    assert found.split[by_emotion["sad"]] == VALIDATION
    assert sorted(found.split) == [TEST, TRAIN, TRAIN, VALIDATION]


def test_images_of_a_folder_become_gray_and_48_px(tmp_path) -> None:
    green = np.zeros((96, 120, 3), np.uint8)
    green[..., 1] = 255
    save(tmp_path / "train" / "happy" / "large.png", green)
    save(tmp_path / "test" / "happy" / "small.jpg", np.full((20, 30), 77, np.uint8))
    found = read_faces(tmp_path)
    levels = dict(zip(found.split.tolist(), found.images, strict=True))
    assert found.images.shape == (2, 48, 48)
    assert set(levels[TEST].ravel()) == {77}
    # the weight of green in ITU-R BT.601 luma is 0.587
    assert set(levels[VALIDATION].ravel()) == {150}
    assert found.n_stretched == 2
    save(tmp_path / "train" / "happy" / "square.png", draw(3, 0))
    assert read_faces(tmp_path).n_stretched == 2


def test_a_folder_without_validation_holds_out_every_tenth_training_image(tmp_path) -> None:
    for number in range(40):
        save(
            tmp_path / "train" / ("fear", "sad")[number % 2] / f"{number:03d}.png", draw(2, number)
        )
    save(tmp_path / "test" / "sad" / "0.png", draw(4, 99))
    found = read_faces(tmp_path)
    held_out = found.part(VALIDATION)
    assert [len(found.part(split)) for split in (TRAIN, VALIDATION, TEST)] == [36, 4, 1]
    assert held_out.labels.tolist() == [2, 2, 4, 4]
    assert (held_out.images == [draw(2, number) for number in (0, 20, 1, 21)]).all()
    assert not is_copy_of(held_out, found.part(TRAIN)).any()
    assert_same(read_faces(tmp_path), found)


def test_a_folder_with_validation_lends_nothing_to_it(tmp_path) -> None:
    for number in range(20):
        save(tmp_path / "train" / "fear" / f"{number}.png", draw(2, number))
    save(tmp_path / "val" / "sad" / "0.png", draw(4, 99))
    assert len(read_faces(tmp_path).part(TRAIN)) == 20


def test_a_folder_without_images_is_refused(tmp_path) -> None:
    (tmp_path / "train" / "happy").mkdir(parents=True)
    with pytest.raises(DataError, match="no images in folders like train/happy and test/happy"):
        read_faces(tmp_path)


def test_an_unknown_emotion_is_refused_with_the_known_ones(tmp_path) -> None:
    save(tmp_path / "train" / "boredom" / "a.png", draw(0, 0))
    for emotions in EMOTION_SETS.values():
        with pytest.raises(DataError) as caught:
            read_faces(tmp_path, emotions=emotions)
        assert caught.value.reason.endswith(
            f"train/boredom/a.png has an unknown emotion; use {', '.join(emotions)}"
        )


def test_votes_for_a_folder_are_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="not to images"):
        read_faces(tmp_path, tmp_path / "fer2013new.csv")


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("kept", [0.01, 0.6])
def test_a_truncated_image_is_named(tmp_path, suffix, kept) -> None:
    path = save(tmp_path / "train" / "happy" / f"half{suffix}", draw(3, 0))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(DataError, match=rf"train/happy/half\{suffix} is (not an|a damaged) image"):
        read_faces(tmp_path)


def test_an_image_of_more_than_8_bits_is_refused_and_not_cut_off(tmp_path) -> None:
    save(tmp_path / "train" / "happy" / "deep.png", draw(3, 0).astype(np.uint16) * 256)
    with pytest.raises(DataError, match=r"deep\.png has more than 8 bits per channel"):
        read_faces(tmp_path)


def test_the_checksum_of_a_folder_follows_names_and_contents(tmp_path) -> None:
    path = save(tmp_path / "train" / "happy" / "a.png", draw(3, 0))
    first = sha256_of_data(tmp_path)
    assert sha256_of_data(tmp_path) == first
    save(path, draw(3, 1))
    second = sha256_of_data(tmp_path)
    path.rename(path.with_name("b.png"))
    assert len({first, second, sha256_of_data(tmp_path)}) == 3


def test_links_to_folders_are_followed_but_not_in_circles(tmp_path) -> None:
    save(tmp_path / "elsewhere" / "a.png", draw(3, 0))
    data = tmp_path / "data"
    save(data / "train" / "sad" / "b.png", draw(4, 0))
    (data / "train" / "happy").symlink_to(tmp_path / "elsewhere")
    (data / "train" / "sad" / "around").symlink_to(data)
    found = read_faces(data)
    assert [found.emotions[label] for label in found.labels] == ["happy", "sad"]
    first = sha256_of_data(data)
    save(tmp_path / "elsewhere" / "a.png", draw(3, 1))
    assert sha256_of_data(data) != first


# names


@pytest.mark.parametrize(
    ("emotion", "names"),
    [
        ("angry", ["anger", "Angry", "colère", "colere", "COLÈRE", "en_colère"]),
        ("disgust", ["disgusted", "dégoût", "degout", "Dégoûté"]),
        ("fear", ["peur", "afraid", "fearful"]),
        ("happy", ["happiness", "joie", "Joy"]),
        ("sad", ["sadness", "tristesse"]),
        ("surprise", ["surprised", "surpris"]),
        ("neutral", ["neutre", "NEUTRAL"]),
        ("contempt", ["Contemptuous", "mépris", "mepris", "MÉPRISANT"]),
    ],
)
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_emotions_go_by_their_names_in_english_and_french(emotion, names, form) -> None:
    assert {emotion_named(unicodedata.normalize(form, name)) for name in names} == {emotion}


@pytest.mark.parametrize("name", ["", "0", "7", "boredom", "angryish", "-", "surprisé e"])
def test_other_names_are_no_emotion(name) -> None:
    assert emotion_named(name) is None


@pytest.mark.parametrize(
    "names",
    [
        ("train", "val", "test"),
        ("Training", "validation", "Testing"),
        ("TRAIN", "valid", "TEST"),
        ("Training", "PublicTest", "PrivateTest"),
        ("training", "Public_Test", "private-test"),
    ],
)
def test_splits_go_by_their_usual_names(tmp_path, names) -> None:
    for number, name in enumerate(names):
        save(tmp_path / name / "joie" / "a.png", draw(3, number))
    found = read_faces(tmp_path)
    by_split = dict(zip(found.split.tolist(), found.images, strict=True))
    for number, split in enumerate(SPLITS):
        assert (by_split[split] == draw(3, number)).all()
    assert found.held_out == ()


def test_a_folder_name_with_decomposed_accents_is_understood(tmp_path) -> None:
    save(tmp_path / "train" / unicodedata.normalize("NFD", "dégoût") / "a.png", draw(1, 0))
    save(tmp_path / "train" / unicodedata.normalize("NFC", "dégoût") / "b.png", draw(1, 1))
    assert read_faces(tmp_path).labels.tolist() == [1, 1]


def test_folders_around_the_splits_say_nothing(tmp_path) -> None:
    save(tmp_path / "fer" / "images" / "train" / "happy" / "a.png", draw(3, 0))
    save(tmp_path / "fer" / "images" / "test" / "sad" / "a.png", draw(4, 1))
    found = read_faces(tmp_path)
    assert sorted(found.labels.tolist()) == [3, 4]
    assert found.left_out == ()


def test_what_lies_elsewhere_is_left_out_and_told(tmp_path) -> None:
    save(tmp_path / "train" / "happy" / "a.png", draw(3, 0))
    for stray in ("drafts/happy/b.png", "train/c.png", "train/happy/anna/d.png"):
        save(tmp_path / stray, draw(3, 1))
    save(tmp_path / "train" / "happy" / ".e.png", draw(3, 2))
    (tmp_path / "notes.txt").touch()
    found = read_faces(tmp_path)
    assert len(found) == 1
    assert sorted(str(one) for one in found.left_out) == [
        "drafts/happy/b.png is not in a folder <split>/<emotion>",
        "notes.txt is not named like an image",
        "train/c.png is not in a folder <split>/<emotion>",
        "train/happy/.e.png is hidden",
        "train/happy/anna/d.png is not in a folder <split>/<emotion>",
    ]


# splits that are held out


def one_folder(folder, count_by_emotion: dict[str, int]):
    for emotion, count in count_by_emotion.items():
        for number in range(count):
            image = draw(EMOTIONS.index(emotion), number)
            save(folder / emotion / f"{number:03d}.png", image)
    return folder


def test_one_folder_of_emotions_gives_the_same_share_of_each_for_validation_and_test(
    tmp_path,
) -> None:
    found = read_faces(one_folder(tmp_path, {"fear": 20, "sad": 40}), val_share=0.15)
    counts = Counter(zip(found.split.tolist(), found.labels.tolist(), strict=True))
    assert counts == {
        (TRAIN, 2): 14, (VALIDATION, 2): 3, (TEST, 2): 3,
        (TRAIN, 4): 28, (VALIDATION, 4): 6, (TEST, 4): 6,
    }  # fmt: skip
    assert found.held_out == (VALIDATION, TEST)
    assert_same(read_faces(tmp_path, val_share=0.15), found)


def test_a_share_is_taken_exactly_as_it_is_written(tmp_path) -> None:
    # the eleventh begins anew, although the number 0.3 is a little less than three tenths
    found = read_faces(one_folder(tmp_path, {"fear": 11, "sad": 10}), val_share=0.3)
    assert found.split[:11][[0, 4, 7, 10]].tolist() == [VALIDATION] * 4
    assert Counter(found.split[:11].tolist()) == {TRAIN: 4, VALIDATION: 4, TEST: 3}


def test_three_images_of_an_emotion_are_enough_for_all_splits(tmp_path) -> None:
    found = read_faces(one_folder(tmp_path, {"fear": 3, "sad": 30}))
    assert sorted(found.split[found.labels == 2]) == [TEST, TRAIN, VALIDATION]
    found.require(*SPLITS)


def test_exact_copies_are_never_torn_apart_not_even_under_two_emotions(tmp_path) -> None:
    one_folder(tmp_path, {"fear": 30, "sad": 30})
    for number in range(30):
        save(tmp_path / ("fear", "sad")[number % 2] / f"copy{number}.png", draw(2, number))
    found = read_faces(tmp_path, val_share=0.2)
    assert len(found) == 90
    for split in SPLITS:
        part = found.part(split)
        assert len(part) > 10
        assert not is_copy_of(part, found.where(found.split != split)).any()


# images


def test_up_to_one_image_in_a_hundred_may_be_bad_and_is_named(tmp_path) -> None:
    one_folder(tmp_path / "train", {"fear": 50, "sad": 49})
    bad = tmp_path / "train" / "sad" / "broken.png"
    bad.write_bytes(b"dear diary")
    found = read_faces(tmp_path)
    assert len(found) == 99
    assert [str(one) for one in found.problems] == ["train/sad/broken.png is not an image"]
    (tmp_path / "train" / "sad" / "000.png").unlink()
    with pytest.raises(
        DataError, match=r"more than 1 % of it is bad \(1 of 99\): train/sad/broken"
    ):
        read_faces(tmp_path)


def test_a_photograph_that_lies_on_its_side_is_set_upright(tmp_path) -> None:
    save(tmp_path / "train" / "happy" / "upright.png", draw(3, 0))
    save(tmp_path / "val" / "happy" / "0.png", draw(3, 1))
    exif = Image.Exif()
    exif[0x0112] = 6  # the top row of the file is the right side of the scene
    lying = Image.fromarray(np.rot90(draw(3, 0)).copy())
    lying.save(tmp_path / "train" / "happy" / "lying.png", exif=exif)
    one, other = read_faces(tmp_path).part(TRAIN).images
    assert (one == other).all()


def test_an_image_with_more_pixels_than_a_photograph_is_bad(tmp_path, monkeypatch) -> None:
    save(tmp_path / "train" / "happy" / "vast.png", np.zeros((100, 100), np.uint8))
    warnings.simplefilter("default")
    for most in (6000, 3000):  # Pillow warns above this number, and refuses twice of it
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", most)
        with pytest.raises(DataError, match=r"vast\.png has more pixels than a photograph"):
            read_faces(tmp_path)


def test_a_file_too_large_to_be_a_photograph_is_not_even_opened(tmp_path, monkeypatch) -> None:
    path = save(tmp_path / "train" / "happy" / "large.png", draw(3, 0))
    monkeypatch.setattr("fer_video.learn.folders.MAX_IMAGE_BYTES", path.stat().st_size - 1)
    with pytest.raises(DataError, match=r"large\.png is larger than"):
        read_faces(tmp_path)


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
def test_a_program_that_is_called_an_image_is_not_run(tmp_path, monkeypatch, suffix) -> None:
    # Pillow would give PostScript to the program gs
    mark = tmp_path / "ran"
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "gs").write_text(f"#!/bin/sh\ntouch '{mark}'\n")
    (tools / "gs").chmod(0o755)
    monkeypatch.setenv("PATH", str(tools), prepend=":")
    for number in range(100):
        save(tmp_path / "data" / "train" / "happy" / f"{number}.png", draw(3, number))
    program = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 48 48\n%%EndComments\nshowpage\n"
    (tmp_path / "data" / "train" / "happy" / f"x{suffix}").write_bytes(program)
    found = read_faces(tmp_path / "data")
    assert [str(one) for one in found.problems] == [f"train/happy/x{suffix} is not an image"]
    assert not mark.exists()
