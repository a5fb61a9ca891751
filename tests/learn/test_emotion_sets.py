"""Six, seven or eight emotions: what a data set then is, and what can be learned from it."""

from dataclasses import replace

import numpy as np
import pytest

from fer_video.errors import DataError
from fer_video.labels import EMOTION_SETS, EMOTIONS, FERPLUS_VOTES
from fer_video.learn.dataset import (
    TEST,
    TRAIN,
    VALIDATION,
    Faces,
    ferplus_distribution,
    ferplus_majority,
    read_faces,
)
from tests.learn.faces import (
    assert_same,
    csv_rows,
    draw,
    save,
    some_faces,
    votes,
    votes_rows,
    write_csv,
)

# CSV


def test_with_six_emotions_the_rows_of_disgust_are_left_out_with_their_votes(tmp_path) -> None:
    faces = some_faces(train=298, validation=7, test=7)
    rows = csv_rows(faces)
    rows[3]["pixels"] = "1 2 3"
    rows[8]["pixels"] = "1 2 3"  # of disgust: what cannot be read is bad, whatever it shows
    seen = [votes(happiness=number) for number in range(312)]
    found = read_faces(
        write_csv(tmp_path / "fer2013.csv", rows),
        write_csv(tmp_path / "fer2013new.csv", votes_rows(faces, seen)),
        emotions=EMOTION_SETS[6],
    )
    kept = faces.where((faces.labels != 1) & (np.arange(312) != 3))
    assert (found.images == kept.images).all()
    assert found.split.tolist() == kept.split.tolist()
    assert [found.emotions[n] for n in found.labels] == [EMOTIONS[n] for n in kept.labels]
    assert found.votes.shape == (len(kept), 10)
    assert found.votes[:, FERPLUS_VOTES.index("happiness")].tolist() == [
        number for number in range(312) if number % 7 != 1 and number != 3
    ]
    assert [one.place for one in found.problems] == ["line 5", "line 10"]
    assert [str(one) for one in found.left_out[:2]] == [
        "line 3 shows disgust, which is not among the 6 emotions",
        "line 17 shows disgust, which is not among the 6 emotions",
    ]
    assert len(found.left_out) == (faces.labels == 1).sum() - 1


def test_with_eight_emotions_the_labels_of_a_csv_mean_what_they_did(tmp_path) -> None:
    faces = some_faces(train=5, validation=2, test=3)
    path = write_csv(tmp_path / "fer2013.csv", csv_rows(faces))
    found = read_faces(path, emotions=EMOTION_SETS[8])
    assert_same(found, faces)
    assert (found.emotions, found.left_out) == (EMOTION_SETS[8], ())
    rows = csv_rows(faces)
    rows[1]["emotion"] = 7
    with pytest.raises(DataError, match="line 3 has an emotion that is not 0 to 6"):
        read_faces(write_csv(path, rows), emotions=EMOTION_SETS[8])


def test_a_csv_that_shows_none_of_the_chosen_emotions_is_refused(tmp_path) -> None:
    faces = some_faces(train=7)
    disgust = faces.where(faces.labels == EMOTIONS.index("disgust"))
    path = write_csv(tmp_path / "fer2013.csv", csv_rows(disgust))
    with pytest.raises(DataError, match=r"it shows none of angry, fear, .*, neutral$"):
        read_faces(path, emotions=EMOTION_SETS[6])


# folders


@pytest.mark.parametrize(("count", "others"), [(6, [1, 7]), (7, [7]), (8, [])])
def test_images_of_an_emotion_that_is_known_but_not_chosen_are_left_out_and_told(
    tmp_path, count, others
) -> None:
    for label, emotion in enumerate(EMOTION_SETS[8]):
        save(tmp_path / "train" / emotion / "a.png", draw(label, 0))
        save(tmp_path / "val" / emotion / "a.png", draw(label, 1))
    found = read_faces(tmp_path, emotions=EMOTION_SETS[count])
    assert found.emotions == EMOTION_SETS[count]
    assert found.problems == ()
    assert len(found) == 2 * count
    for image, label, split in zip(found.images, found.labels, found.split, strict=True):
        drawn = EMOTION_SETS[8].index(found.emotions[label])
        assert (image == draw(drawn, 0 if split == TRAIN else 1)).all()
    assert sorted(str(one) for one in found.left_out) == sorted(
        f"{split}/{EMOTION_SETS[8][label]}/a.png shows {EMOTION_SETS[8][label]}, "
        f"which is not among the {count} emotions"
        for split in ("train", "val")
        for label in others
    )


def test_an_image_that_is_not_chosen_is_not_even_opened(tmp_path) -> None:
    save(tmp_path / "train" / "happy" / "a.png", draw(3, 0))
    save(tmp_path / "val" / "happy" / "a.png", draw(3, 1))
    (tmp_path / "train" / "mépris").mkdir()
    (tmp_path / "train" / "mépris" / "broken.png").write_bytes(b"dear diary")
    assert len(read_faces(tmp_path)) == 2
    with pytest.raises(DataError, match=r"broken\.png is not an image"):
        read_faces(tmp_path, emotions=EMOTION_SETS[8])


def test_a_folder_that_shows_none_of_the_chosen_emotions_is_refused(tmp_path) -> None:
    save(tmp_path / "train" / "contempt" / "a.png", draw(7, 0))
    with pytest.raises(DataError, match=r"it shows none of angry, disgust, .*, neutral$"):
        read_faces(tmp_path)


# what can be learned


def with_votes(faces: Faces, **votes_by_split: list[int]) -> Faces:
    return replace(faces, votes=np.array([votes_by_split[split] for split in faces.split]))


def test_contempt_can_be_learned_from_votes_alone() -> None:
    faces = replace(some_faces(train=14, test=7), emotions=EMOTION_SETS[8])
    happy, contempt = votes(happiness=10), votes(contempt=6, happiness=4)
    undecided = votes(contempt=5, happiness=5)
    with_votes(faces, train=contempt, test=happy).require(TRAIN, TEST)
    for unlearned in (
        faces,
        with_votes(faces, train=happy, test=contempt),
        with_votes(faces, train=undecided, test=contempt),
    ):
        unlearned.require(TEST)
        with pytest.raises(DataError, match=r"has no contempt: use --emotions 7$"):
            unlearned.require(TRAIN, TEST)


def test_contempt_can_be_learned_from_labels_alone() -> None:
    some_faces(EMOTION_SETS[8], train=16, test=8).require(TRAIN, TEST)


def test_what_only_votes_of_training_show_counts_as_learned() -> None:
    faces = some_faces(train=14, test=7)
    without = faces.where((faces.labels != 1) | (faces.split == TEST))
    with_votes(without, train=votes(disgust=10), test=votes()).require(TRAIN, TEST)
    # but votes in another split demand nothing: its labels can be judged without them
    nowhere = faces.where(faces.labels != 1)
    with_votes(nowhere, train=votes(), test=votes(disgust=10)).require(TRAIN, TEST)


@pytest.mark.parametrize(
    ("count", "absent", "message"),
    [
        (8, {1}, "its train split has no disgust: use --emotions 6"),
        (8, {1, 7}, "its train split has no disgust, contempt: use --emotions 6"),
        (8, {7}, "its train split has no contempt: use --emotions 7"),
        (8, {2, 7}, "its train split has no fear, contempt"),
        (7, {1}, "its train split has no disgust: use --emotions 6"),
        (6, {1}, "its train split has no fear"),
    ],
)
def test_the_remedy_for_absent_emotions_is_a_set_without_them(count, absent, message) -> None:
    faces = some_faces(EMOTION_SETS[count], train=3 * count, test=count)
    kept = faces.where(~np.isin(faces.labels, list(absent)) | (faces.split == TEST))
    with pytest.raises(DataError) as caught:
        kept.require(TRAIN, TEST)
    assert caught.value.reason == message


# FER+


@pytest.mark.parametrize(
    ("row", "names"),
    [
        (votes(contempt=8, neutral=2), {6: None, 7: None, 8: "contempt"}),
        (votes(disgust=8, anger=2), {6: None, 7: "disgust", 8: "disgust"}),
        (votes(neutral=8, disgust=2), {6: "neutral", 7: "neutral", 8: "neutral"}),
        # votes for another emotion count against a majority all the same
        (votes(anger=5, disgust=5), {6: None, 7: None, 8: None}),
        (votes(unknown=9), {6: None, 7: None, 8: None}),
    ],
)
def test_a_majority_for_another_emotion_is_none(row, names) -> None:
    for count, name in names.items():
        emotions = EMOTION_SETS[count]
        (index,) = ferplus_majority(np.array([row]), emotions)
        assert (None if index < 0 else emotions[index]) == name


def test_vote_shares_are_of_the_chosen_emotions_in_their_order() -> None:
    given = np.array([votes(contempt=2, anger=3, disgust=3, NF=2), votes(disgust=10)])
    assert ferplus_distribution(given, EMOTION_SETS[8]).tolist() == [
        [0.375, 0.375, 0, 0, 0, 0, 0, 0.25],
        [0, 1, 0, 0, 0, 0, 0, 0],
    ]
    assert ferplus_distribution(given, EMOTION_SETS[6]).tolist() == [[1, 0, 0, 0, 0, 0], [0] * 6]


# the real data, where it is


@pytest.mark.parametrize(
    ("count", "with_majority"), [(7, [24_940, 3_186, 3_136]), (8, [25_059, 3_199, 3_152])]
)
def test_fer2013_has_as_many_majorities_as_ferplus_says(fer2013, count, with_majority) -> None:
    majority = ferplus_majority(fer2013.votes, EMOTION_SETS[count])
    in_splits = [majority[fer2013.split == split] for split in (TRAIN, VALIDATION, TEST)]
    assert [int((part >= 0).sum()) for part in in_splits] == with_majority


def test_on_fer2013_contempt_can_be_learned_with_its_votes_only(fer2013) -> None:
    eight = replace(fer2013, emotions=EMOTION_SETS[8])
    eight.require(TRAIN, VALIDATION, TEST)
    with pytest.raises(DataError, match="no contempt"):
        replace(eight, votes=None).require(TRAIN, VALIDATION, TEST)
