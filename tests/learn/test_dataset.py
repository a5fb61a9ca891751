import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from fer_video.errors import DataError
from fer_video.labels import EMOTIONS, FERPLUS_VOTES
from fer_video.learn.dataset import (
    TEST,
    TRAIN,
    VALIDATION,
    Faces,
    ferplus_distribution,
    ferplus_majority,
    is_copy_of,
    read_faces,
)
from tests.learn.faces import (
    FER2013,
    assert_same,
    csv_rows,
    some_faces,
    votes,
    votes_rows,
    write_csv,
)


@pytest.fixture
def faces() -> Faces:
    return some_faces(train=5, validation=2, test=3)


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
    monkeypatch.setattr("fer_video.learn.tables._CHUNK_ROWS", 4)
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
        (
            lambda rows: [row | {"NF": 10**19} for row in rows],
            "line 2 has no number of votes in NF",
        ),
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
    path = write_csv(tmp_path / "fer2013.csv", csv_rows(some_faces(train=7, test=2)))
    faces = read_faces(path)
    faces.require(TRAIN, TEST)
    with pytest.raises(DataError, match=r"fer2013\.csv: its validation split is empty"):
        faces.require(TRAIN, VALIDATION)


# the 1 % rule, and what one cannot learn from


def rows_of_which_bad(total: int, bad: int) -> list[dict[str, object]]:
    rows = csv_rows(some_faces(train=total - 4, validation=2, test=2))
    for number in range(bad):
        rows[5 * number + 3]["pixels"] = "1 2 3"
    return rows


def test_one_bad_row_in_a_hundred_is_left_out_and_named(tmp_path) -> None:
    rows = rows_of_which_bad(total=200, bad=2)
    found = read_faces(write_csv(tmp_path / "fer2013.csv", rows))
    assert [str(problem) for problem in found.problems] == [
        "line 5 does not hold 2304 gray levels of 0 to 255",
        "line 10 does not hold 2304 gray levels of 0 to 255",
    ]
    assert_same(
        found, read_faces(write_csv(tmp_path / "good.csv", rows[:3] + rows[4:8] + rows[9:]))
    )


def test_more_than_one_bad_row_in_a_hundred_is_refused(tmp_path) -> None:
    path = write_csv(tmp_path / "fer2013.csv", rows_of_which_bad(total=199, bad=2))
    with pytest.raises(DataError, match=r"more than 1 % of it is bad \(2 of 199\): line 5 does"):
        read_faces(path)


def test_of_many_bad_rows_the_first_ten_are_named(tmp_path) -> None:
    path = write_csv(tmp_path / "fer2013.csv", rows_of_which_bad(total=100, bad=12))
    with pytest.raises(DataError) as caught:
        read_faces(path)
    assert caught.value.reason.count("does not hold") == 10
    assert caught.value.reason.endswith(
        "line 50 does not hold 2304 gray levels of 0 to 255; and 2 more"
    )


def test_votes_stay_with_their_faces_where_a_row_is_bad(tmp_path) -> None:
    faces = some_faces(train=196, validation=2, test=2)
    rows = csv_rows(faces)
    rows[3]["emotion"] = 9
    rows[4]["Usage"] = "Practice"
    seen = votes_rows(faces, [votes(happiness=number) for number in range(200)])
    seen[6]["fear"] = "many"
    found = read_faces(
        write_csv(tmp_path / "fer2013.csv", rows), write_csv(tmp_path / "fer2013new.csv", seen)
    )
    assert found.votes[:, FERPLUS_VOTES.index("happiness")].tolist() == [
        number for number in range(200) if number not in (3, 4, 6)
    ]
    assert [str(problem) for problem in found.problems] == [
        "line 5 has an emotion that is not 0 to 6",
        "line 6 has an unknown Usage",
        "fer2013new.csv line 8 has no number of votes in fear",
    ]
    assert_same(found, faces.where(~np.isin(np.arange(200), (3, 4, 6))))


def test_votes_that_are_shifted_by_one_row_are_refused_however_many_fit(tmp_path) -> None:
    faces = some_faces(train=300, test=100)
    seen = votes_rows(faces, [votes(happiness=10)] * 400)
    data = write_csv(tmp_path / "fer2013.csv", csv_rows(faces))
    with pytest.raises(DataError, match="line 301 has another Usage than that row of the faces"):
        read_faces(data, write_csv(tmp_path / "fer2013new.csv", seen[1:] + seen[-1:]))


def test_an_emotion_that_training_lacks_and_another_split_shows_is_named(tmp_path) -> None:
    faces = some_faces(train=14, test=7)
    angry, disgust, fear = (faces.labels == label for label in (0, 1, 2))
    # fear is nowhere: that is a data set of six emotions
    kept = faces.where(~fear & ~((angry | disgust) & (faces.split == TRAIN)))
    found = read_faces(write_csv(tmp_path / "fer2013.csv", csv_rows(kept)))
    found.require(TEST)
    with pytest.raises(DataError, match=r"its train split has no angry, disgust$"):
        found.require(TRAIN, TEST)


def test_from_one_emotion_nothing_can_be_learned(tmp_path) -> None:
    faces = some_faces(train=14, test=7)
    happy = faces.where(faces.labels == EMOTIONS.index("happy"))
    found = read_faces(write_csv(tmp_path / "fer2013.csv", csv_rows(happy)))
    found.require(TEST)
    with pytest.raises(DataError, match=r"fer2013\.csv: its only emotion is happy"):
        found.require(TRAIN)


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


def test_fer2013_gives_the_published_counts(fer2013) -> None:
    parts = [fer2013.part(split) for split in (TRAIN, VALIDATION, TEST)]
    assert [len(part) for part in parts] == [28_709, 3_589, 3_589]
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
