import json
from dataclasses import replace

import numpy as np
import pytest

from fer_video import weights
from fer_video.classify import NetClassifier, classifier_of, temper
from fer_video.errors import DataError
from fer_video.labels import EMOTIONS
from fer_video.learn.dataset import TEST, Faces
from fer_video.learn.evaluate import (
    EvaluationSet,
    Report,
    evaluate,
    evaluation_set_of,
    headline_of,
    judge,
)
from fer_video.learn.measures import Metrics
from tests.learn.faces import numbered, some_faces, sure_of, votes

SOURCES = {"data": "fer2013.csv", "data_sha256": "ab", "ferplus": None, "ferplus_sha256": None}


def stripe(crops: np.ndarray) -> np.ndarray:
    """Name the emotion whose stripe is the brightest: a classifier for drawn faces."""
    heights = [crops[:, 6 * label + 2 : 6 * label + 7].mean(axis=(1, 2)) for label in range(7)]
    return sure_of(np.argmax(heights, axis=0).tolist(), 0.9, 7)


def always_happy(crops: np.ndarray) -> np.ndarray:
    return sure_of([EMOTIONS.index("happy")] * len(crops), 0.9, 7)


def judged(classifier, faces: Faces) -> dict[str, Metrics]:
    images = evaluation_set_of(faces)
    answers = classifier(images.crops)
    return evaluate(answers, answers, images)


def report_of(classifier: NetClassifier, images: EvaluationSet, mirrored: bool = False) -> Report:
    return judge(classifier, images, SOURCES, mirrored).report


def with_copies() -> Faces:
    """Seven test faces, of which the first two (angry, disgust) stand in the training split."""
    faces = some_faces(train=7, test=7)
    faces.images[7:9] = faces.images[0:2]
    return faces


def test_the_test_split_alone_is_measured_with_and_without_known_images() -> None:
    found = judged(stripe, with_copies())
    assert list(found) == ["label", "label_without_copies"]
    assert [found[test]["n"] for test in found] == [7, 5]
    assert [found[test]["accuracy"] for test in found] == [1, 1]
    assert np.array(found["label_without_copies"]["confusion"]).diagonal().tolist() == (
        [0, 0, 1, 1, 1, 1, 1]
    )


def test_with_votes_the_majority_is_measured_too_where_there_is_one() -> None:
    faces = with_copies()
    seen = [votes(happiness=10)] * 3 + [votes(sadness=10)] * 3 + [votes(fear=5, anger=5)]
    with_votes = replace(faces, votes=np.array(seen * 2))
    found = judged(always_happy, with_votes)
    assert {test: (row["n"], row["accuracy"]) for test, row in found.items()} == {
        "label": (7, pytest.approx(1 / 7)),
        "label_without_copies": (5, pytest.approx(1 / 5)),
        "ferplus": (6, pytest.approx(3 / 6)),
        "ferplus_without_copies": (4, pytest.approx(1 / 4)),
    }


def test_a_test_without_images_is_left_out() -> None:
    faces = some_faces(train=7, test=7)
    faces.images[7:] = faces.images[:7]
    assert list(judged(stripe, faces)) == ["label"]


def test_an_empty_test_split_is_refused() -> None:
    with pytest.raises(DataError, match="its test split is empty"):
        judged(stripe, some_faces(train=3))
    assert len(judged(stripe, some_faces(test=3).part(TEST))) == 2


def test_pictures_without_a_face_are_not_measured_and_count_as_wrong_beside() -> None:
    images = EvaluationSet(
        crops=np.zeros((3, 48, 48), np.uint8),
        has_face=np.array([True, False, True, False, True]),
        truths={"label": np.array([3, 0, 0, 3, 3])},
        is_copy=np.array([True, True, False, False, False]),
        places=numbered(5),
        emotions=EMOTIONS,
        detected=True,
    )
    answers = always_happy(images.crops)
    found = evaluate(answers, answers, images)
    shown = {name: (row["n"], row["accuracy"], row["accuracy_of_all"])
             for name, row in found.items()}  # fmt: skip
    assert shown == {
        "label": (3, pytest.approx(2 / 3), pytest.approx(2 / 5)),
        "label_without_copies": (2, 1 / 2, pytest.approx(1 / 3)),
    }
    assert found["label"]["per_emotion"]["happy"]["sensitivity"] == 1


@pytest.fixture(scope="module")
def classifier() -> NetClassifier:
    return classifier_of(weights.find("default"), 64, "cpu")


def test_a_report_tells_the_model_the_data_and_every_test(classifier) -> None:
    seen = [votes(happiness=8, neutral=2)] * 14
    faces = replace(some_faces(test=14), votes=np.array(seen))
    report = report_of(classifier, evaluation_set_of(faces))
    spec = classifier.spec
    assert report.items() >= SOURCES.items()
    assert (report["model"], report["sha256"]) == ("default", spec.sha256)
    assert (report["main_test"], list(report["tests"])) == (
        "ferplus", ["label", "label_without_copies", "ferplus", "ferplus_without_copies"],
    )  # fmt: skip
    assert 0 < report["seconds_per_crop"] < 1
    assert list(report["runtime"]) == ["ai-edge-litert"]  # as recordings are classified
    assert "mirrored" not in report
    json.dumps(report, allow_nan=False)
    headline = headline_of(report)
    assert set(headline["ferplus"]) == {
        "n", "accuracy", "accuracy_interval", "macro_f1", "calibration_error",
    }  # fmt: skip
    assert headline["seconds_per_crop"] == report["seconds_per_crop"]


def test_the_mirrored_answer_is_the_mean_over_a_crop_and_its_mirror_image(classifier) -> None:
    images = evaluation_set_of(some_faces(test=70))
    report = report_of(classifier, images, mirrored=True)
    both = classifier(images.crops), classifier(np.flip(images.crops, axis=2))
    cold = [temper(one, 1 / classifier.spec.temperature) for one in both]
    expected = evaluate(np.mean(both, axis=0), np.mean(cold, axis=0), images)
    for test, measures in expected.items():
        for name in ("accuracy", "negative_log_likelihood", "calibration_error_untempered"):
            assert report["mirrored"][test][name] == pytest.approx(measures[name], abs=1e-6)
    assert report["mirrored"] != report["tests"]


def test_undoing_the_temperature_gives_what_the_net_says(classifier) -> None:
    crops = some_faces(test=20).images
    raw = classifier_of(replace(classifier.spec, temperature=1.0), 64, "cpu")(crops)
    undone = temper(classifier(crops), 1 / classifier.spec.temperature)
    assert undone == pytest.approx(raw, abs=1e-4)
