"""Honest evaluation, through the classifier that ships."""

import timeit
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from fer_video.classify import NetClassifier, temper
from fer_video.learn.dataset import (
    TEST,
    TRAIN,
    Faces,
    ferplus_distribution,
    ferplus_majority,
    is_copy_of,
)
from fer_video.learn.faces import Images, Integers, Mask, Names
from fer_video.learn.measures import Metrics, measure
from fer_video.types import Floats

Report = dict[str, Any]
"""All that is known of how good one model is on one data set; ``judge`` makes it."""

_HEADLINE = ("n", "accuracy", "accuracy_interval", "macro_f1", "calibration_error")
_TIMED_CROPS = 320


@dataclass(frozen=True, eq=False)
class EvaluationSet:
    """Images to judge models on, and what is right for each."""

    crops: Images
    """What the classifier sees, uint8 ``(n_with_face, 48, 48)``: one for each True of
    ``has_face``, in that order."""
    has_face: Mask
    """Whether there is a face to classify, bool ``(n,)``; all True where crops were given."""
    truths: Mapping[str, Integers]
    """By test: index of the right emotion, -1 where it is unknown, ``(n,)``."""
    is_copy: Mask
    """Whether the image stands in the training split, too, bool ``(n,)``."""
    places: Names
    """As in ``Faces``, ``(n,)``."""
    emotions: tuple[str, ...]
    split: str = TEST
    votes: Floats | None = None
    """Shares of the FER+ voters by emotion, ``(n, n_emotions)``; None without FER+."""
    detected: bool = False
    """Whether a detector looked for the faces in whole photographs."""


@dataclass(frozen=True, slots=True, eq=False)
class Judgement:
    """What a model answered, and how good that is."""

    images: EvaluationSet
    answers: Floats
    """Probabilities for the crops, shape ``(n_with_face, n_emotions)``."""
    report: Report

    @property
    def right(self) -> Mask:
        """Whether each image of the main test that shows a face was answered rightly."""
        images = self.images
        truth = images.truths[self.report["main_test"]][images.has_face]
        return np.asarray((self.answers.argmax(axis=1) == truth)[truth >= 0])


def evaluation_set_of(faces: Faces, split: str = TEST) -> EvaluationSet:
    """Take a split; all splits are needed to know its copies of training images.

    Its tests are ``label`` (the data set's label) and, where there are votes, ``ferplus`` (the
    majority of the voters).

    Raises:
        DataError: The split is empty.
    """
    faces.require(split)
    test = faces.part(split)
    truths = {"label": test.labels}
    if test.votes is not None:
        truths["ferplus"] = ferplus_majority(test.votes, test.emotions)
    return EvaluationSet(
        crops=test.images,
        has_face=np.ones(len(test), bool),
        truths=truths,
        is_copy=is_copy_of(test, faces.part(TRAIN)),
        places=test.places,
        emotions=test.emotions,
        split=split,
        votes=None if test.votes is None else ferplus_distribution(test.votes, test.emotions),
    )


def judge(
    classifier: NetClassifier,
    images: EvaluationSet,
    source: Mapping[str, str | None],
    mirrored: bool = False,
) -> Judgement:
    """Evaluate a model.

    Args:
        classifier: What ships, temperature included.
        images: To judge it on.
        source: Where they come from, as ``learn.sources`` tells.
        mirrored: Whether to judge the mean over each crop and its mirror image, too.

    Returns:
        Its report says what the model is; ``seconds_per_crop`` on this machine, and the
        ``runtime`` that took them; what it was judged on; ``tests`` as ``evaluate`` returns
        them, of which ``main_test`` names the one to look at first; if ``mirrored``, the same
        tests of the means. For whole photographs, ``without_face`` counts those in which no face
        was found.
    """
    spec = classifier.spec
    answers = classifier(images.crops)
    untempered = temper(answers, 1 / spec.temperature)
    tests = evaluate(answers, untempered, images)
    report: Report = {
        "model": spec.name,
        "net": spec.net,
        "parameters": spec.parameters,
        "multiply_adds": spec.multiply_adds,
        "seconds_per_crop": _seconds_per_crop(classifier),
        "runtime": classifier.runtime,
        "sha256": spec.sha256,
        "temperature": spec.temperature,
        "emotions": list(spec.labels),
        **source,
        "split": images.split,
        "main_test": "ferplus" if "ferplus" in tests else "label",
        "tests": tests,
    }
    if images.detected:
        report["without_face"] = int((~images.has_face).sum())
    if mirrored:
        flipped = classifier(images.crops[:, :, ::-1])
        report["mirrored"] = evaluate(
            _mean_of(answers, flipped),
            _mean_of(untempered, temper(flipped, 1 / spec.temperature)),
            images,
        )
    return Judgement(images, answers, report)


def evaluate(answers: Floats, untempered: Floats, images: EvaluationSet) -> dict[str, Metrics]:
    """Judge answers against each truth, with and without known images.

    Args:
        answers: Probabilities for the crops, shape ``(n_with_face, n_emotions)``.
        untempered: The same at temperature 1.
        images: What they are for.

    Returns:
        Measures by test, each truth's own and ``_without_copies``: of the images that show a
        face and whose truth is known. A test for which none is left is absent. For whole
        photographs, ``accuracy_of_all`` counts those without a face as wrong.
    """
    results = {}
    position = np.cumsum(images.has_face) - 1
    for name, truth in images.truths.items():
        known = truth >= 0
        for suffix, wanted in (("", known), ("_without_copies", known & ~images.is_copy)):
            chosen = wanted & images.has_face
            if not chosen.any():
                continue
            found = measure(
                answers[position[chosen]],
                untempered[position[chosen]],
                truth[chosen],
                images.emotions,
                None if images.votes is None else images.votes[chosen],
            )
            if images.detected:
                found["accuracy_of_all"] = found["accuracy"] * found["n"] / int(wanted.sum())
            results[name + suffix] = found
    return results


def headline_of(report: Report) -> dict[str, Any]:
    """Choose the measures that ``model.json`` keeps: a few of each test, and the speed."""
    tests = {
        name: {measure: found[measure] for measure in _HEADLINE}
        for name, found in report["tests"].items()
    }
    return tests | {"seconds_per_crop": report["seconds_per_crop"]}


def _mean_of(one: Floats, other: Floats) -> Floats:
    return np.asarray((one + other) / 2, np.float32)


def _seconds_per_crop(classifier: NetClassifier) -> float:
    size_px = classifier.spec.crop.size_px
    crops = np.zeros((_TIMED_CROPS, size_px, size_px), np.uint8)
    # the fastest of three: what other programs do can only slow it down
    return min(timeit.repeat(lambda: classifier(crops), number=1, repeat=3)) / len(crops)
