from dataclasses import replace

import numpy as np

from fer_video.labels import EMOTION_SETS, EMOTIONS
from fer_video.learn.dataset import TEST, TRAIN, VALIDATION, Faces
from fer_video.learn.faces import Problem
from fer_video.learn.report import (
    as_text,
    remarks_on,
    remarks_on_split,
    report_of,
    samples_of,
    totals_of,
)
from tests.learn.faces import draw, numbered, some_faces, votes

A, B, C, BLANK = draw(3, 0), draw(3, 1), draw(4, 2), np.full((48, 48), 9, np.uint8)


def faces_with_copies() -> Faces:
    seen = [
        (A, 3, TRAIN), (A, 3, TRAIN), (A, 4, TRAIN), (B, 3, TRAIN), (BLANK, 6, TRAIN),
        (B, 3, VALIDATION), (BLANK, 6, VALIDATION), (C, 4, VALIDATION),
        (A, 3, TEST), (A, 3, TEST), (C, 4, TEST),
    ]  # fmt: skip
    images, labels, split = zip(*seen, strict=True)
    return Faces(np.stack(images), np.array(labels), np.array(split), numbered(len(seen)))


def test_counts_are_those_counted_by_hand() -> None:
    report = report_of(faces_with_copies())
    assert dict(zip(EMOTIONS, report.emotions.tolist(), strict=True)) == {
        "angry": [0, 0, 0], "disgust": [0, 0, 0], "fear": [0, 0, 0],
        "happy": [3, 1, 2], "sad": [1, 1, 1], "surprise": [0, 0, 0], "neutral": [1, 1, 0],
    }  # fmt: skip
    assert report.blank.tolist() == [1, 1, 0]
    assert report.copies.tolist() == [
        [2, 2, 2],  # of training: two more of A; B and the blank one; twice A
        [2, 0, 1],  # of validation: B and the blank one; none; C
        [3, 1, 1],  # of test: thrice A; C; one more of A
    ]
    assert report.majority is None


def test_what_must_be_known_before_a_number_is_believed_is_said() -> None:
    assert remarks_on(faces_with_copies()) == []
    faces = replace(faces_with_copies(), n_stretched=4, held_out=(VALIDATION, TEST),
                    left_out=(Problem("a.txt", "is not named like an image"),))  # fmt: skip
    counts, stretched, judged = remarks_on_split(faces, TEST)
    assert counts == "left out 1, bad 0: `fer-video dataset` names them"
    assert "not square: 4 images; out of whole photographs, `fer-video faces` cuts" in stretched
    assert judged.startswith("3 of 11 images are judged: ")
    assert remarks_on(faces) == remarks_on_split(faces, TRAIN) == [counts, stretched]
    of_validation = remarks_on_split(faces, VALIDATION)[-1]
    assert "a folder validation/<emotion> is judged whole" in of_validation
    assert "stretched, since they were not square: 4 images" in as_text(faces)


def test_the_report_as_text() -> None:
    seen = np.array([votes(happiness=10)] * 9 + [votes(contempt=9), votes(fear=5, sadness=5)])
    faces = replace(
        faces_with_copies(),
        votes=seen,
        problems=tuple(Problem(f"line {n}", "has an unknown Usage") for n in range(2, 14)),
        left_out=(
            Problem("a.txt", "is no image"),
            Problem("b", "is lost"),
            Problem("c", "is lost"),
        ),
        held_out=(VALIDATION, TEST),
    )
    assert as_text(faces).splitlines() == [
        "                                  train validation       test        all",
        "angry                                 0          0          0          0",
        "disgust                               0          0          0          0",
        "fear                                  0          0          0          0",
        "happy                                 3          1          2          6",
        "sad                                   1          1          1          3",
        "surprise                              0          0          0          0",
        "neutral                               1          1          0          2",
        "all                                   5          3          3         11",
        "",
        "blank                                 1          1          0          2",
        "copies of one in train                2          2          2",
        "copies of one in validation           2          0          1",
        "copies of one in test                 3          1          1",
        "with a FER+ majority                  5          3          1          9",
        "",
        "held out of the other images: validation and test",
        "",
        "left out: 3",
        "  a.txt is no image",
        "  b is lost, and 1 like it",
        "bad: 12 of 23 (52 %)",
        *(f"  line {number} has an unknown Usage" for number in range(2, 12)),
        "  and 2 more",
    ]


def test_the_report_follows_the_emotions_and_tells_what_only_votes_show() -> None:
    faces = replace(
        faces_with_copies(),
        emotions=EMOTION_SETS[8],
        votes=np.array([votes(happiness=10)] * 8 + [votes(contempt=10)] * 2 + [votes()]),
    )
    lines = as_text(faces).splitlines()
    assert [line.split()[0] for line in lines[1:10]] == [*EMOTION_SETS[8], "all"]
    assert lines[8:10] == [
        "contempt                              0          0          0          0",
        "all                                   5          3          3         11",
    ]
    assert lines[15:18] == [
        "with a FER+ majority                  5          3          2         10",
        "  contempt, by votes alone            0          0          2          2",
        "",
    ]
    assert list(samples_of(faces)) == [*EMOTION_SETS[8]] == list(totals_of(faces))
    assert totals_of(faces)["contempt"] == len(samples_of(faces)["contempt"]) == 0
    six = some_faces(EMOTION_SETS[6], train=12)
    assert report_of(six).emotions.tolist() == [[2, 0, 0]] * 6
    assert totals_of(six) == dict.fromkeys(EMOTION_SETS[6], 2)


def test_samples_are_twelve_of_each_emotion_drawn_by_lot_and_the_same_each_time() -> None:
    faces = some_faces(train=7 * 20)
    faces = faces.where((faces.labels != 1) | (np.arange(140) < 21))
    samples = samples_of(faces)
    assert list(samples) == list(EMOTIONS)
    assert [len(images) for images in samples.values()] == [12, 3, *[12] * 5]
    of_emotion = {image.tobytes() for image in faces.images[faces.labels == 4]}
    drawn = [image.tobytes() for image in samples["sad"]]
    assert len(set(drawn) & of_emotion) == 12
    assert drawn != [image.tobytes() for image in faces.images[faces.labels == 4][:12]]
    assert drawn == [image.tobytes() for image in samples_of(faces)["sad"]]
    assert drawn != [image.tobytes() for image in samples_of(faces, seed=1)["sad"]]
