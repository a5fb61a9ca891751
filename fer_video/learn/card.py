"""The model card: what a person must know before trusting a model."""

import shlex
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from fer_video.learn.command import words_of
from fer_video.options import TrainOptions
from fer_video.weights import ModelSpec

_TESTS = {
    "ferplus": "FER+ majority of the voters",
    "ferplus_without_copies": "the same, without copies of training images",
    "label": "label of the data set",
    "label_without_copies": "the same, without copies of training images",
}

_TEMPLATE = """\
# {name}

The network of fer-video that names the expression a face shows. It does not know what a person
feels.

| | |
|---|---|
| net | `{net}`, {parameters:,} parameters, {multiply_adds:.1f} M multiply-adds per crop |
| input | one face, gray, {size_px}x{size_px}, framed as in `fer_video/crop.py` |
| output | probabilities of {labels} |
| speed | {ms_per_crop:.2f} ms per crop on the CPU of the machine that trained it, {runs_on} |
| temperature | {temperature:.3f}, fitted on the validation split |
| weights | SHA-256 `{sha256}` |
| licence | {licence} |

## How it was made

{made} All options and the checksums of the data are in `model.json`, every epoch in `history.csv`.

```
{commands}
```

Exact copies of validation and test images were kept out of training, and so were blank images
and those that most FER+ voters call no face. {kept} The temperature was fitted on the validation
split; the test split was read at the end, for the table below. Every training reads it so: if this
one was planned or chosen after others had been measured there, its figures may flatter it a little.
(In FER2013 the two are PublicTest and PrivateTest.)

![Loss, accuracy and other figures by epoch](curves.png)

## How good it is

On the test split, one crop per image, no test-time averaging. In brackets: the 95 % interval of
the accuracy (bootstrap), for images drawn like these. `report.json` has every measure.

| against | images | accuracy | macro-F1 | calibration error (15 bins) |
|---|---|---|---|---|
{results}
{disagreement}
By emotion, against the {main_test}:

{by_emotion}

Confusion, against the same (rows: truth, columns: answer):

{confusion}

![The same as a picture, counts and shares](confusion.png)

How often a confidence is right, and how often each emotion is told from the others:

![Confidence against accuracy](reliability.png)

![ROC curve of each emotion](roc.png)

## Known failures

{failures}

## Uses to refuse

* Deciding about a person: hiring, grading, policing, diagnosis, credit.
* Inferring emotions of people at work or in education, which the EU forbids outside medical and
  safety purposes (Regulation 2024/1689, article 5(1)(f)).
* Claiming what someone feels. Write "showed an expression classified as sad".
"""

_DISAGREEMENT = """
Where people looked at FER2013 again, their majority (FER+) agrees with its label for only 67 % of
the images: no answer can score high on both. What people see counts more here.
"""


_NAMES_OF_FER2013 = ("fer2013", "icml_face_data")
"""How the files begin under which it is passed on."""

_RARE_SHARE = 0.05
"""Of the test images: below it, a few faces decide what a measure of an emotion is."""

_FAILURES_OF_FER2013 = """\
* Profile views, dark skin and children are under-represented in FER2013, which says nothing of who
  is shown: none of them was measured apart, nor were old age, masks, glasses, or any culture in
  particular. Expect it to be worse where it saw less.
* The faces are posed, acted or caught by a photographer; conversation is subtler."""

_FAILURES = """\
* The data does not say who is shown: nothing was measured apart by age, skin, sex, culture, profile
  views, masks or glasses. Expect it to be worse where it saw less."""


def model_card(spec: ModelSpec, report: Mapping[str, Any]) -> str:
    """Write the card of a trained model, in Markdown.

    Args:
        spec: What it is and how it was made.
        report: How good it is, as ``learn.evaluate.judge`` tells.
    """
    tests, main_test = report["tests"], report["main_test"]
    return _TEMPLATE.format(
        name=spec.name,
        net=spec.net,
        parameters=spec.parameters,
        multiply_adds=spec.multiply_adds / 1e6,
        size_px=spec.crop.size_px,
        labels=", ".join(spec.labels),
        ms_per_crop=report["seconds_per_crop"] * 1000,
        runs_on="through LiteRT on one thread" if spec.lite_sha256 else "through Keras",
        temperature=spec.temperature,
        sha256=spec.sha256,
        licence=_licence(spec),
        made=_made(spec.training),
        kept=_kept(spec.training),
        commands="\n".join(_commands(spec.training, spec.name)),
        results="\n".join(_result(test, tests[test]) for test in _TESTS if test in tests),
        disagreement=_DISAGREEMENT if main_test == "ferplus" else "",
        main_test=_TESTS[main_test],
        by_emotion=_by_emotion(tests[main_test]["per_emotion"]),
        confusion=_confusion(spec.labels, tests[main_test]["confusion"]),
        failures=_failures(spec, tests[main_test]["per_emotion"]),
    )


def _made(training: dict[str, Any]) -> str:
    """Describe a training in a paragraph, after those of the models that it went on from."""
    options, start = training["options"], training["start"]
    target = (
        f"{options['ferplus_share']:.0%} FER+ vote shares and the rest the label of the data set"
        if training["ferplus"]
        else "the label of the data set"
    )
    if teachers := training.get("teachers"):
        names = ", ".join(teacher["name"] for teacher in teachers)
        target = (
            f"{options['teacher_share']:.0%} the mean answer of trained models ({names}) to the "
            f"same disturbed crop, the rest {target}"
        )
    made = (
        f"{_epochs(training)} epochs in batches of {options['batch_size']}, computed in "
        f"{options['precision']}{_where(training)}, seed {options['seed']}. Target: {target}. "
        f"fer-video {training['fer_video']}, Keras {training['keras']}.{_images(training)}"
    )
    if start is None:
        return made
    return f"{_made(start['training'])}\n\nThen, from those weights: {made}"


def _images(training: dict[str, Any]) -> str:
    """Say of how many images; models of earlier versions do not tell."""
    if "images" not in training:
        return ""
    counts = ", ".join(f"{n:,} for {split}" for split, n in training["images"].items())
    held_out = " and ".join(training["data_held_out"])
    by_us = f"; {held_out} held out evenly along the paths, not by person" if held_out else ""
    return f" Images: {counts}{by_us}."


def _epochs(training: dict[str, Any]) -> str:
    """Say how many were done, and of how many if it was not all."""
    planned = training["options"]["epochs"]
    done = training.get("epochs_kept", planned)
    return f"{planned}" if done == planned else f"{done} of {planned}"


def _where(training: dict[str, Any]) -> str:
    """Say what a training ran on; models of earlier versions do not tell."""
    return f" on {training['computed_on']}" if "computed_on" in training else ""


def _kept(training: dict[str, Any]) -> str:
    """Say which weights these are."""
    options = training["options"]
    weights = "the moving average" if options.get("ema_share", 1) else "those"
    ended = f" Training ended early: {training['ended']}." if training.get("ended") else ""
    if options.get("keep") == "best":
        return (
            f"The weights are {weights} after epoch {training['epochs_kept']}, which had the "
            f"lowest loss on the validation split.{ended}"
        )
    return f"The weights are {weights} at the end of training. No epoch was chosen.{ended}"


def saw_fer2013(training: dict[str, Any]) -> bool:
    """Tell whether a training, one that it went on from, or a teacher's, was on FER2013.

    Args:
        training: As ``ModelSpec`` holds it: empty if nothing is known, and of teachers, older
            models do not tell.
    """
    start = training.get("start")
    return (
        training.get("data", "").lower().startswith(_NAMES_OF_FER2013)
        or training.get("ferplus") is not None  # votes on its images
        or any(teacher.get("saw_fer2013") for teacher in training.get("teachers", ()))
        or bool(start and saw_fer2013(start["training"]))
    )


def _licence(spec: ModelSpec) -> str:
    of_data = (
        "FER2013 itself is for research use"
        if saw_fer2013(spec.training)
        else "the data has a licence of its own"
    )
    return f"{spec.licence} (the weights; {of_data})" if spec.licence else f"none yet; {of_data}"


def _failures(spec: ModelSpec, by_emotion: Mapping[str, Mapping[str, Any]]) -> str:
    of_data = _FAILURES_OF_FER2013 if saw_fer2013(spec.training) else _FAILURES
    return _rare(by_emotion) + of_data


def _rare(by_emotion: Mapping[str, Mapping[str, Any]]) -> str:
    few = _RARE_SHARE * sum(row["n"] for row in by_emotion.values())
    names = [emotion for emotion, row in by_emotion.items() if row["n"] < few]
    if not names:
        return ""
    *most, last = names
    who, them = (f"{', '.join(most)} and {last} are", "them") if most else (f"{last} is", "it")
    return (
        f"* {who.capitalize()} rare in the data, and so in the test: read the rows above before "
        f"relying on {them}.\n"
    )


def _commands(training: dict[str, Any], name: str) -> list[str]:
    """Repeat how a model came about, the first training first."""
    start = training["start"]
    before = _commands(start["training"], start["name"]) if start else []
    files = ["--data", training["data"], "--out", f"models/{name}"]
    if training["ferplus"]:
        files += ["--ferplus", training["ferplus"]]
    words = ["fer-video", "train", *files, *words_of(_options(training))]
    return [*before, shlex.join(words)]


def _options(training: dict[str, Any]) -> TrainOptions:
    """Read recorded options; an older version may have had others."""
    known = {field.name for field in fields(TrainOptions)}
    recorded = {name: value for name, value in training["options"].items() if name in known}
    if training["start"]:
        recorded["start_from"] = f"models/{training['start']['name']}"
    recorded["teachers"] = tuple(
        f"models/{teacher['name']}" for teacher in training.get("teachers", ())
    )
    return TrainOptions(**recorded)


def _result(test: str, found: Mapping[str, Any]) -> str:
    low, high = found["accuracy_interval"]
    return (
        f"| {_TESTS[test]} | {found['n']:,} | {found['accuracy']:.1%} ({low:.1%} to {high:.1%}) "
        f"| {found['macro_f1']:.3f} | {found['calibration_error']:.3f} |"
    )


def _by_emotion(found: Mapping[str, Mapping[str, Any]]) -> str:
    measures = ("sensitivity", "specificity", "precision", "f1", "auc")
    lines = ["| | images | sensitivity (recall) | specificity | precision | F1 | AUC, one against "
             "the rest |", "|---" * (2 + len(measures)) + "|"]  # fmt: skip
    for emotion, row in found.items():
        cells = ("" if row[name] is None else f"{row[name]:.3f}" for name in measures)
        lines.append(f"| **{emotion}** | {row['n']:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _confusion(labels: tuple[str, ...], counts: list[list[int]]) -> str:
    lines = ["| | " + " | ".join(labels) + " |", "|---" * (len(labels) + 1) + "|"]
    for label, row in zip(labels, counts, strict=True):
        lines.append(f"| **{label}** | " + " | ".join(str(count) for count in row) + " |")
    return "\n".join(lines)
