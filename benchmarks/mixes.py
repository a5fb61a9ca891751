"""What a net gains on one set of labels and loses on the other: the trade-off curve.

python benchmarks/mixes.py train MODEL fer2013.csv fer2013new.csv FOLDER  # goes on where it was
python benchmarks/mixes.py table                                          # and picture, from notes

Each mix goes on from MODEL for eight epochs, with another weight of the FER+ votes beside FER2013's
label and nothing else changed. Accuracy is on PublicTest; the notes lie in benchmarks/experiments.
"""

import json
import subprocess
import sys
from pathlib import Path

from experiments import NOTES, note
from matplotlib.figure import Figure
from page import ACCURACY, DOCS, replace_table

from fer_video import weights
from fer_video.colors import EMOTION_COLORS
from fer_video.figures import QUIET, plain_axes, save

NAME = "benchmarks/mixes.py"
PICTURE = DOCS / "images" / "mixes.png"
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Weights of the votes."""
_EPOCHS, _LEARNING_RATE = 8, 0.001
_SHIPPED = "default"


def train(model: str, data: str, ferplus: str, folder: Path) -> None:
    """Train every mix that has no model folder yet, and note what came out."""
    net = weights.find(model).net
    for share in SHARES:
        out = folder / _name(share)
        if not out.exists():
            words = ["--data", data, "--ferplus", ferplus, "--out", out, "--net", net]
            words += ["--from", model, "--epochs", _EPOCHS, "--learning-rate", _LEARNING_RATE]
            words += ["--ferplus-share", share, "--precision", "bfloat16", "--seed", 1]
            command = [sys.executable, "-m", "fer_video", "train", *map(str, words)]
            subprocess.run(command, check=True)
        note(out, f"{share:.0%} of the weight on the votes", Path(data), Path(ferplus))


def table() -> str:
    """Write the mixes as Markdown, from FER2013's label alone to the votes alone."""
    head = "| weight of the votes | FER+ majority | FER2013 |\n|---|---|---|\n"
    rows = (f"| {name} | {_percent(ferplus)} | {_percent(label)} |\n"
            for name, label, ferplus in _points())  # fmt: skip
    return head + "".join(rows)


def draw() -> None:
    """Draw one accuracy against the other."""
    *mixes, shipped = _points()
    figure = Figure((6.0, 3.8), layout="constrained")
    axes = figure.subplots()
    _, label, ferplus = zip(*mixes, strict=True)
    axes.plot(label, ferplus, "o-", color=EMOTION_COLORS["sad"], markersize=5, linewidth=1.5)
    axes.plot(*shipped[1:], "D", color=EMOTION_COLORS["angry"], markersize=6)
    for name, x, y in (*mixes, shipped):
        axes.annotate(name, (x, y), (6, 4), textcoords="offset points", fontsize=8, color=QUIET)
    axes.set_xlabel("FER2013's label, accuracy on PublicTest", fontsize=9)
    axes.set_ylabel("FER+ majority, accuracy on PublicTest", fontsize=9)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    axes.margins(0.12)
    plain_axes(axes)
    save(figure, PICTURE)


def _points() -> list[tuple[str, float, float]]:
    """Name, accuracy on FER2013's label and on the FER+ majority; the shipped model last."""
    names = {_name(share): f"{share:.0%}".replace("%", " %") for share in SHARES}
    points = []
    for stem, shown in (names | {_SHIPPED: f"{_SHIPPED}"}).items():
        content = json.loads((NOTES / f"{stem}.json").read_text("utf-8"))
        points.append((shown, content["label"], content["ferplus"]))
    return points


def _name(share: float) -> str:
    return f"mix_{round(100 * share)}"


def _percent(share: float) -> str:
    return f"{share:.1%}".replace("%", " %")


if __name__ == "__main__":
    if sys.argv[1:] == ["table"]:
        replace_table(ACCURACY, NAME, table())
        draw()
    elif len(sys.argv) == 6 and sys.argv[1] == "train":
        train(*sys.argv[2:5], Path(sys.argv[5]))
    else:
        sys.exit(__doc__)
