"""Every training that led to the shipped models, and the tables that compare them.

python benchmarks/experiments.py note FOLDER WHY fer2013.csv fer2013new.csv  # keep what came out
python benchmarks/experiments.py table                                      # into the page

FOLDER is a model folder that ``fer-video train`` wrote; its name becomes the experiment's, WHY is
one line on what it tries. Accuracy is that of the exported weights on PublicTest, the validation
split, which may be looked at as often as one likes; PrivateTest is not read here.
"""

import json
import shlex
import sys
from dataclasses import fields
from pathlib import Path

import page
from machine import table as markdown

from fer_video import weights
from fer_video.classify import Classifier, classifier_of
from fer_video.labels import EMOTIONS
from fer_video.learn.command import words_of
from fer_video.learn.dataset import VALIDATION, Faces, ferplus_majority, read_faces
from fer_video.options import TrainOptions

NOTES = Path(__file__).parent / "experiments"
NAME, PAGE = "benchmarks/experiments.py", page.DOCS / "experiments.md"

_COLUMNS = ("experiment", "what it tries", "net", "multiply-adds", "ms per crop",
            "options of `train`", "seed", "epochs", "FER+", "FER2013")  # fmt: skip


def note(folder: Path, why: str, data: Path, ferplus: Path) -> None:
    """Keep how a model was trained, and how good it is on PublicTest."""
    spec = weights.find(str(folder))
    classifier = classifier_of(spec, TrainOptions.batch_size, "cpu")
    content = {
        "why": why,
        "net": spec.net,
        "options": spec.training["options"],
        "start": (spec.training["start"] or {}).get("name"),
        "multiply_adds": spec.multiply_adds,
        "ms_per_crop": round(1000 * spec.metrics["seconds_per_crop"], 2),
        "teachers": [teacher["name"] for teacher in spec.training.get("teachers", ())],
        **accuracies(classifier, public_test(data, ferplus)),
    }
    path = NOTES / f"{folder.name}.json"
    path.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def public_test(data: Path, ferplus: Path) -> Faces:
    """Read the validation split."""
    return read_faces(data, ferplus, TrainOptions.val_share, EMOTIONS).part(VALIDATION)


def accuracies(classifier: Classifier, public: Faces) -> dict[str, float]:
    """Judge a model by both truths."""
    found = classifier(public.images).argmax(axis=1)
    majority = ferplus_majority(public.votes, public.emotions)
    return {
        "ferplus": float((found == majority)[majority >= 0].mean()),
        "label": float((found == public.labels).mean()),
    }


def table() -> str:
    """Write the notes as Markdown, the best on the FER+ majority of PublicTest first."""
    notes = {path.stem: json.loads(path.read_text("utf-8")) for path in NOTES.glob("*.json")}
    best_first = sorted(notes.items(), key=lambda item: -item[1]["ferplus"])
    return markdown(_COLUMNS, (_row(name, content) for name, content in best_first))


def _row(name: str, content: dict) -> list[str]:
    options = content["options"]
    return [
        name,
        content["why"],
        f"`{content['net']}`",
        f"{content['multiply_adds'] / 1e6:.1f} M",
        "" if content["ms_per_crop"] is None else f"{content['ms_per_crop']:.2f}",
        f"`{_words(content)}`",
        str(options["seed"]),
        str(options["epochs"]),
        *(f"{content[truth]:.1%}".replace("%", " %") for truth in ("ferplus", "label")),
    ]


def _words(content: dict) -> str:
    """Say what has no column of its own, as ``train`` takes it."""
    known = {field.name for field in fields(TrainOptions)} - {"net", "seed", "epochs"}
    chosen = {name: value for name, value in content["options"].items() if name in known}
    chosen |= {"start_from": content["start"] or "", "teachers": tuple(content["teachers"])}
    return shlex.join(words_of(TrainOptions(**chosen)))


def write_page() -> None:
    """Put the table between its marks in docs/experiments.md."""
    page.replace_table(PAGE, NAME, table())


if __name__ == "__main__":
    if sys.argv[1:] == ["table"]:
        write_page()
    elif len(sys.argv) == 6 and sys.argv[1] == "note":
        folder, why, data, ferplus = sys.argv[2:]
        note(Path(folder), why, Path(data), Path(ferplus))
    else:
        sys.exit(__doc__)
