"""From a trained net to a model folder: weights, spec, calibration, measures and card."""

import json
import platform
import shutil
import sys
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from fer_video import __version__, nets
from fer_video.backend import has_gpu, keras
from fer_video.classify import NetClassifier, classifier_of
from fer_video.errors import ModelError
from fer_video.files import sha256_of
from fer_video.learn.card import model_card, saw_fer2013
from fer_video.learn.charts import plot_report
from fer_video.learn.command import record_of
from fer_video.learn.convert import convert
from fer_video.learn.dataset import VALIDATION, Faces, ferplus_majority
from fer_video.learn.evaluate import Report, evaluation_set_of, headline_of, judge
from fer_video.learn.measures import fit_temperature
from fer_video.learn.sources import sources
from fer_video.options import ClassifyOptions, TrainOptions
from fer_video.types import CropSpec
from fer_video.weights import CARD_FILE, REPORT_FILE, SPEC_FILE, WEIGHTS_FILE, ModelSpec, find

_COMPARED_CROPS = 256
"""Validation images on which LiteRT has to agree with Keras, and which give it ranges."""


def provenance(data: Path, ferplus: Path | None, options: TrainOptions) -> dict[str, Any]:
    """Describe everything that decides the weights, as ``model.json`` records it.

    Models count by name and SHA-256: where they lie on this machine is nobody's business.
    """
    start = _start(options.start_from)
    teachers = [
        {"name": spec.name, "sha256": spec.sha256, "saw_fer2013": saw_fer2013(spec.training)}
        for spec in map(find, options.teachers)
    ]
    named = {
        "start_from": start["name"] if start else "",
        "teachers": [teacher["name"] for teacher in teachers],
    }
    return {
        "options": record_of(options) | named,
        **sources(data, ferplus),
        "backend": keras.backend.backend(),  # each normalizes and rounds in a way of its own
        "start": start,
        "teachers": teachers,
    }


def _start(name: str) -> dict[str, Any] | None:
    """Describe the model that a training goes on from, and how that was made."""
    if not name:
        return None
    spec = find(name)
    return {"name": spec.name, "sha256": spec.sha256, "training": spec.training}


def export(
    net: keras.Model, faces: Faces, name: str, folder: Path, decided_by: dict[str, Any]
) -> ModelSpec:
    """Write a model folder; calibrate on validation, measure on test, as the model will be run.

    A net that LiteRT cannot run is exported without that file, and Keras runs it: hours of
    training are not lost. ``training["not_converted"]`` of the spec tells why.

    Args:
        net: Trained; uncompiled, so that the weights file holds no optimizer.
        faces: All splits.
        name: Of the model.
        folder: Where to write; replaced if it exists.
        decided_by: What ``provenance`` tells.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    net.save_weights(folder / WEIGHTS_FILE)
    spec = ModelSpec(
        name=name,
        net=net.name,
        sha256=sha256_of(folder / WEIGHTS_FILE),
        labels=faces.emotions,
        crop=CropSpec(),
        parameters=net.count_params(),
        multiply_adds=nets.multiply_adds(net),
        training=decided_by
        | {
            "fer_video": __version__,
            "keras": keras.__version__,
            "backend_version": sys.modules[decided_by["backend"]].__version__,
            "python": platform.python_version(),
            "computed_on": "a GPU" if has_gpu() else "a CPU",
        },
        folder=folder,
    )
    spec = _converted(spec, net, faces.part(VALIDATION))
    spec = replace(spec, temperature=_calibrated(spec, faces.part(VALIDATION)))
    source = {key: decided_by[key] for key in ("data", "data_sha256", "ferplus", "ferplus_sha256")}
    report = judge(_on_cpu(spec), evaluation_set_of(faces), source).report
    spec = replace(spec, metrics=headline_of(report))
    describe(spec, report)
    return spec


def describe(spec: ModelSpec, report: Report) -> None:
    """Write what a model folder says of its weights: spec, report, pictures and card."""
    content = {key: value for key, value in asdict(spec).items() if key != "folder"}
    for name, written in ((SPEC_FILE, content), (REPORT_FILE, report)):
        text = json.dumps(written, indent=2) + "\n"
        (spec.folder / name).write_text(text, encoding="utf-8")
    plot_report(report["tests"][report["main_test"]], spec.labels, spec.folder)
    (spec.folder / CARD_FILE).write_text(model_card(spec, report), encoding="utf-8")


def _converted(spec: ModelSpec, net: keras.Model, validation: Faces) -> ModelSpec:
    """Add the file for LiteRT, or the reason why there is none."""
    reason = ""
    # evenly along the data set, where images may be sorted by emotion
    chosen = np.linspace(0, len(validation) - 1, min(_COMPARED_CROPS, len(validation)), dtype=int)
    try:
        spec = convert(spec, net, validation.images[chosen])
    except ModelError as error:
        reason = str(error)
    return replace(spec, training=spec.training | {"not_converted": reason})


def _calibrated(spec: ModelSpec, validation: Faces) -> float:
    """The temperature that fits what people saw, or the labels where nobody was asked."""
    truth = validation.labels
    if validation.votes is not None:
        truth = ferplus_majority(validation.votes, validation.emotions)
    known = truth >= 0
    return fit_temperature(_on_cpu(spec)(validation.images[known]), truth[known])


def _on_cpu(spec: ModelSpec) -> NetClassifier:
    return classifier_of(spec, ClassifyOptions.batch_size, "cpu")
