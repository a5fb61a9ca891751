import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from fer_video.errors import DataError
from fer_video.labels import EMOTIONS
from fer_video.learn.dataset import (
    TEST,
    TRAIN,
    VALIDATION,
    Faces,
    ferplus_distribution,
    ferplus_majority,
    is_copy_of,
    read_faces,
    sha256_of_data,
)
from tests.learn.faces import csv_rows, draw, save, some_faces, votes, votes_rows, write_csv

FER2013 = Path(__file__).resolve().parents[3] / "shared" / "data" / "fer2013"


@pytest.fixture
def faces() -> Faces:
    return some_faces(train=5, validation=2, test=3)


def assert_same(found: Faces, expected: Faces) -> None:
    assert found.images.dtype == np.uint8
    assert (found.images == expected.images).all()
    assert found.labels.tolist() == expected.labels.tolist()
    assert found.split.tolist() == expected.split.tolist()


# CSV


def test_fer2013_csv_gives_its_images_labels_and_splits(faces, tmp_path) -> None:
    found = read_faces(write_csv(tmp_path / "fer2013.csv", csv_rows(faces)))
    assert_same(found, faces)
    assert found.votes is None


def test_icml_face_data_csv_has_spaces_in_its_header_and_another_order(faces, tmp_path) -> None:
    rows = [
        {"emotion": row["emotion"], " Usage": row["Usage"], " pixels": row["pixels"]}
        for row in csv_rows(faces)
    ]
    assert_same(read_faces(write_csv(tmp_path / "icml_face_data.csv", rows)), faces)


def test_a_csv_longer_than_one_chunk_keeps_every_row_in_order(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("fer_video.learn.dataset._CHUNK_ROWS", 4)
    faces = some_faces(train=6, validation=2, test=3)
    rows = csv_rows(faces)
    assert_same(read_faces(write_csv(tmp_path / "fer2013.csv", rows)), faces)
    rows[9]["pixels"] = "1 2 3"
    with pytest.raises(DataError, match="line 11 does not hold"):
        read_faces(write_csv(tmp_path / "fer2013.csv", rows))


def test_ferplus_votes_are_joined_row_by_row(faces, tmp_path) -> None:
    given = [votes(happiness=number, NF=10 - number) for number in range(10)]
    data = write_csv(tmp_path / "fer2013.csv", csv_rows(faces))
    ferplus = write_csv(tmp_path / "fer2013new.csv", votes_rows(faces, given))
    found = read_faces(data, ferplus)
    assert_same(found, faces)
    assert found.votes is not None
    assert found.votes.tolist() == given


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"pixels": "1 2 3"}, "line 3 does not hold 2304 gray levels of 0 to 255"),
        ({"pixels": " ".join(["0"] * 2305)}, "line 3 does not hold 2304 gray levels"),
        ({"pixels": " ".join(["0"] * 2303 + ["256"])}, "line 3 does not hold 2304 gray levels"),
        ({"pixels": " ".join(["0"] * 2303 + ["-1"])}, "line 3 does not hold 2304 gray levels"),
        ({"pixels": " ".join(["0"] * 2303 + ["1.5"])}, "line 3 does not hold 2304 gray levels"),
        ({"pixels": " ".join(["0"] * 2303 + ["dark"])}, "line 3 does not hold 2304 gray levels"),
        ({"pixels": ""}, "line 3 does not hold 2304 gray levels"),
        ({"emotion": 7}, "line 3 has an emotion that is not 0 to 6"),
        ({"emotion": -1}, "line 3 has an emotion that is not 0 to 6"),
        ({"emotion": "happy"}, "line 3 has an emotion that is not 0 to 6"),
        ({"emotion": ""}, "line 3 has an emotion that is not 0 to 6"),
        ({"Usage": "Practice"}, "line 3 has an unknown Usage"),
        ({"Usage": ""}, "line 3 has an unknown Usage"),
    ],
)
def test_a_row_that_cannot_be_read_is_refused_and_named(faces, tmp_path, changed, message) -> None:
    rows = csv_rows(faces)
    rows[1] |= changed
    path = write_csv(tmp_path / "fer2013.csv", rows)
    with pytest.raises(DataError, match=message) as caught:
        read_faces(path)
    assert caught.value.path == path


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a CSV file"),
        (b"\x89PNG\r\n\x1a\n\x00", "not a CSV file"),
        (b'emotion,pixels,Usage\n0,"', "not a CSV file"),
        (b"emotion,pixels,Usage\n", "it has no rows"),
        (b"emotion,pixels,Usage\n0\n", "line 2 does not hold"),
        (b"emotion,pixels\n0,1 2\n", "no column Usage; is it fer2013.csv?"),
        (b"one,two\n1,2\n", "no column Usage, emotion, pixels; is it fer2013.csv?"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path, content, message) -> None:
    path = tmp_path / "fer2013.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_faces(path)


def test_a_missing_file_is_named(faces, tmp_path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.csv: no such file or folder"):
        read_faces(tmp_path / "nowhere.csv")
    data = write_csv(tmp_path / "fer2013.csv", csv_rows(faces))
    with pytest.raises(DataError, match=r"nowhere\.csv: no such file"):
        read_faces(data, tmp_path / "nowhere.csv")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[:-1], "it has 9 rows of votes for 10 faces"),
        (lambda rows: [row | {"fear": "many"} for row in rows], "line 2 has no number .* in fear"),
        (lambda rows: [row | {"NF": -1} for row in rows], "line 2 has no number of votes in NF"),
        (lambda rows: rows[::-1], "line 2 has another Usage than that row of the faces"),
        (
            lambda rows: [{"Usage": row["Usage"], "happiness": 3} for row in rows],
            "no column NF, anger, .*; is it fer2013new.csv?",
        ),
    ],
)
def test_votes_that_do_not_belong_to_the_faces_are_refused(
    faces, tmp_path, change, message
) -> None:
    data = write_csv(tmp_path / "fer2013.csv", csv_rows(faces))
    rows = change(votes_rows(faces, [votes(happiness=10)] * 10))
    path = write_csv(tmp_path / "fer2013new.csv", rows)
    with pytest.raises(DataError, match=message) as caught:
        read_faces(data, path)
    assert caught.value.path == path


def test_a_split_that_is_needed_and_empty_is_named_with_the_data(tmp_path) -> None:
    path = write_csv(tmp_path / "fer2013.csv", csv_rows(some_faces(train=2, test=2)))
    faces = read_faces(path)
    faces.require(TRAIN, TEST)
    with pytest.raises(DataError, match=r"fer2013\.csv: its validation split is empty"):
        faces.require(TRAIN, VALIDATION)


# folders


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
    save(tmp_path / "train" / "contempt" / "a.png", draw(0, 0))
    with pytest.raises(DataError, match=r"contempt: unknown emotion; use angry, disgust, fear"):
        read_faces(tmp_path)


def test_votes_for_a_folder_are_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="not to a folder"):
        read_faces(tmp_path, tmp_path / "fer2013new.csv")


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("kept", [0.01, 0.6])
def test_a_truncated_image_is_named(tmp_path, suffix, kept) -> None:
    path = save(tmp_path / "train" / "happy" / f"half{suffix}", draw(3, 0))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(DataError, match=rf"half\{suffix}: not an image") as caught:
        read_faces(tmp_path)
    assert caught.value.path == path


def test_an_image_of_more_than_8_bits_is_refused_and_not_cut_off(tmp_path) -> None:
    save(tmp_path / "train" / "happy" / "deep.png", draw(3, 0).astype(np.uint16) * 256)
    with pytest.raises(DataError, match=r"deep\.png: its pixels have more than 8 bits"):
        read_faces(tmp_path)


def test_the_checksum_of_a_folder_follows_names_and_contents(tmp_path) -> None:
    path = save(tmp_path / "train" / "happy" / "a.png", draw(3, 0))
    first = sha256_of_data(tmp_path)
    assert sha256_of_data(tmp_path) == first
    save(path, draw(3, 1))
    second = sha256_of_data(tmp_path)
    path.rename(path.with_name("b.png"))
    assert len({first, second, sha256_of_data(tmp_path)}) == 3


# FER+


@pytest.mark.parametrize(
    ("row", "emotion"),
    [
        (votes(happiness=10), "happy"),
        (votes(anger=6, sadness=4), "angry"),
        (votes(surprise=5, fear=5), None),
        (votes(neutral=4, sadness=3, fear=3), None),
        # single votes are outliers: 5 of the 9 that are left
        (votes(disgust=5, anger=4, fear=1), "disgust"),
        (votes(neutral=3, anger=1, fear=1, sadness=1, happiness=1, unknown=1), "neutral"),
        # exactly half of what is left is no majority
        (votes(sadness=4, neutral=2, fear=2, anger=1, surprise=1), None),
        (votes(contempt=8, neutral=2), None),
        (votes(unknown=6, neutral=4), None),
        (votes(NF=10), None),
        (votes(anger=1, fear=1), None),
        (votes(), None),
    ],
)
def test_the_majority_is_more_than_half_of_the_votes_that_are_no_outliers(row, emotion) -> None:
    (index,) = ferplus_majority(np.array([row]))
    assert (None if index < 0 else EMOTIONS[index]) == emotion


def test_vote_shares_are_of_the_seven_emotions_in_their_order() -> None:
    given = np.array([votes(happiness=6, anger=2, NF=1, unknown=1), votes(contempt=10)])
    shares = ferplus_distribution(given)
    assert shares.dtype == np.float32
    assert shares.tolist() == [[0.25, 0, 0, 0.75, 0, 0, 0], [0] * 7]


# the real data, where it is


@pytest.fixture(scope="module")
def fer2013() -> Faces:
    if not FER2013.is_dir():
        pytest.skip("needs FER2013 in ../shared/data/fer2013")
    parts = [np.load(FER2013 / f"fer2013-{part}.npz") for part in (1, 2, 3, 4)]
    images, labels, usage, ferplus = (
        np.concatenate([part[name] for part in parts])
        for name in ("images", "labels", "usage", "ferplus")
    )
    ferplus = np.where(ferplus == 255, np.array(votes(NF=10)), ferplus).astype(np.int64)
    split = np.array([TRAIN, VALIDATION, TEST])[usage]
    return Faces(images, labels.astype(np.int64), split, ferplus)


def test_fer2013_gives_the_published_counts(fer2013) -> None:
    parts = [fer2013.part(split) for split in (TRAIN, VALIDATION, TEST)]
    assert [len(part) for part in parts] == [28_709, 3_589, 3_589]
    assert [int((ferplus_majority(part.votes) >= 0).sum()) for part in parts[1:]] == [3_186, 3_136]
    assert [int(is_copy_of(part, parts[0]).sum()) for part in parts[1:]] == [280, 288]


def test_fer2013_reads_as_unpacked_for_download(fer2013, tmp_path) -> None:
    unpack = _module(FER2013 / "unpack.py")
    every = np.flatnonzero(np.arange(len(fer2013)) % 300 == 0)
    table = {name: array[every] for name, array in unpack.load().items()}
    unpack.write_csv(table, tmp_path)
    expected = fer2013.where(np.isin(np.arange(len(fer2013)), every))
    found = read_faces(tmp_path / "fer2013.csv", tmp_path / "fer2013new.csv")
    assert_same(found, expected)
    assert found.votes.tolist() == expected.votes.tolist()


def _module(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
