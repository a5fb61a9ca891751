"""What width and depth are worth: accuracy against milliseconds per crop.

python benchmarks/shapes.py train fer2013.csv fer2013new.csv FOLDER  # goes on where it was
python benchmarks/shapes.py measure fer2013.csv fer2013new.csv FOLDER
python benchmarks/shapes.py table                                    # and picture, as stored

Each shape of ``fer_video.nets.resnet.se_resnet`` is trained for as many epochs, from scratch, with
the same seed and options. Accuracy is on PublicTest; milliseconds are those of LiteRT on one
thread, and want a quiet machine.
"""

import json
import sys
import timeit
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from experiments import accuracies, public_test
from machine import RESULTS, Figures, machine, sentence, stored, table
from matplotlib.figure import Figure
from page import DOCS, replace_table

from fer_video import nets, weights
from fer_video.classify import NetClassifier, classifier_of
from fer_video.colors import EMOTION_COLORS
from fer_video.figures import QUIET, plain_axes, save
from fer_video.learn.dataset import Faces
from fer_video.learn.train import train
from fer_video.nets.resnet import se_resnet
from fer_video.options import TrainOptions

NAME = "benchmarks/shapes.py"
PAGE = DOCS / "experiments.md"
PICTURE = DOCS / "images" / "shapes.png"
EPOCHS, FERPLUS_SHARE, SEED = 8, 0.65, 1
SHAPES = (
    (16, (16, 32, 64), (1, 2, 2)),
    (16, (24, 40, 80), (1, 2, 2)),
    (24, (32, 56, 112), (1, 1, 1)),
    (16, (24, 48, 144), (1, 2, 2)),
    (24, (32, 56, 112), (1, 2, 2)),
    (24, (32, 48, 96), (1, 3, 3)),
    (16, (24, 48, 128), (1, 2, 3)),
    (32, (40, 80, 160), (1, 2, 2)),
    (32, (48, 96, 192), (2, 2, 3)),
)
"""Filters of the stem, filters of each stage, blocks of each stage."""
KNOWN = {
    (24, (32, 56, 112), (1, 2, 2)): "slim_se_resnet",
    (32, (40, 80, 160), (1, 2, 2)): "compact_se_resnet",
    (32, (48, 96, 192), (2, 2, 3)): "deep_se_resnet",
}
"""Those that ``fer-video nets`` lists."""
_TIMED_CROPS = 1024


def name_of(stem: int, widths: tuple[int, ...], depths: tuple[int, ...]) -> str:
    """Name a shape.

    >>> name_of(24, (32, 56, 112), (1, 2, 2))
    'stem_24_widths_32_56_112_depths_1_2_2'
    """
    return "_".join(map(str, ("stem", stem, "widths", *widths, "depths", *depths)))


def train_all(data: Path, ferplus: Path, folder: Path) -> None:
    """Train every shape that has no model folder yet."""
    for stem, widths, depths in SHAPES:
        name = name_of(stem, widths, depths)
        if not (folder / name).exists():
            build = partial(se_resnet, stem=stem, widths=widths, depths=depths)
            nets.NETS[name] = partial(build, name)
            options = TrainOptions(net=name, epochs=EPOCHS, ferplus_share=FERPLUS_SHARE,
                                   precision="bfloat16", seed=SEED)  # fmt: skip
            train(data, ferplus, folder / name, options, partial(_tell, name))


def _tell(name: str, epoch: int, figures: dict[str, float]) -> None:
    accuracy = figures["val_ferplus_accuracy"]
    print(f"{name}: epoch {epoch + 1} of {EPOCHS}, FER+ {accuracy:.3f}", flush=True)


def measure_all(data: Path, ferplus: Path, folder: Path) -> Figures:
    """Judge and time every shape that is trained."""
    public = public_test(data, ferplus)
    trained = [shape for shape in SHAPES if (folder / name_of(*shape)).exists()]
    return {
        "machine": machine(),
        "shapes": [_measured(shape, folder / name_of(*shape), public) for shape in trained],
    }


def _measured(shape: tuple, model: Path, public: Faces) -> Figures:
    spec = weights.find(str(model))
    classifier = classifier_of(spec, TrainOptions.batch_size, "cpu")
    return {
        "shape": shape,
        "parameters": spec.parameters,
        "multiply_adds": spec.multiply_adds,
        "ms_per_crop": _ms_per_crop(classifier, public),
        **accuracies(classifier, public),
    }


def _ms_per_crop(classifier: NetClassifier, public: Faces) -> float:
    """Milliseconds of the fastest of five runs: what else goes on can only slow it down."""
    crops = np.ascontiguousarray(public.images[:_TIMED_CROPS])
    return 1000 * min(timeit.repeat(lambda: classifier(crops), number=1, repeat=5)) / len(crops)


def tables() -> str:
    """Write the shapes as Markdown, the cheapest first."""
    found = stored("shapes")
    head = ("stem", "widths", "blocks", "parameters", "multiply-adds", "ms per crop", "FER+",
            "FER2013")  # fmt: skip
    return table(head, map(_row, by_cost(found))) + f"\n{sentence(found['machine'])}\n"


def by_cost(found: Figures) -> list[Figures]:
    """Order the shapes by what they cost."""
    return sorted(found["shapes"], key=lambda shape: shape["multiply_adds"])


def _row(found: Figures) -> list[str]:
    stem, widths, depths = found["shape"]
    known = KNOWN.get((stem, tuple(widths), tuple(depths)))
    return [
        str(stem),
        ", ".join(map(str, widths)),
        ", ".join(map(str, depths)) + (f" (`{known}`)" if known else ""),
        f"{found['parameters']:,}",
        f"{found['multiply_adds'] / 1e6:.1f} M",
        f"{found['ms_per_crop']:.2f}",
        *(f"{found[truth]:.1%}".replace("%", " %") for truth in ("ferplus", "label")),
    ]


def draw() -> None:
    """Draw both accuracies against milliseconds per crop."""
    figure = Figure((8.0, 3.4), layout="constrained")
    titles = {"ferplus": "FER+ majority", "label": "FER2013's label"}
    for axes, (truth, title) in zip(figure.subplots(1, 2), titles.items(), strict=True):
        for known, ms, accuracy in _points(truth):
            color = EMOTION_COLORS["angry"] if known else EMOTION_COLORS["sad"]
            axes.plot(ms, accuracy, "o", color=color, markersize=6)
            axes.annotate(known, (ms, accuracy), (7, -3), textcoords="offset points", fontsize=8,
                          color=QUIET)  # fmt: skip
        axes.set_title(title, fontsize=9)
        axes.set_xlabel("ms per crop, one thread", fontsize=9)
        axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
        axes.margins(0.15)
        plain_axes(axes)
    save(figure, PICTURE)


def _points(truth: str) -> Iterator[tuple[str, float, float]]:
    for found in stored("shapes")["shapes"]:
        stem, widths, depths = found["shape"]
        known = KNOWN.get((stem, tuple(widths), tuple(depths)), "")
        yield known.removesuffix("_se_resnet"), found["ms_per_crop"], found[truth]


if __name__ == "__main__":
    if sys.argv[1:] == ["table"]:
        replace_table(PAGE, NAME, tables())
        draw()
    elif len(sys.argv) == 5 and sys.argv[1] == "train":
        train_all(*map(Path, sys.argv[2:]))
    elif len(sys.argv) == 5 and sys.argv[1] == "measure":
        measured = measure_all(*map(Path, sys.argv[2:]))
        RESULTS.joinpath("shapes.json").write_text(json.dumps(measured, indent=1) + "\n", "utf-8")
    else:
        sys.exit(__doc__)
