"""Every architecture on one protocol: train them, and write the table of docs/accuracy.md.

python benchmarks/nets.py train fer2013.csv fer2013new.csv FOLDER   # hours; goes on where it was
python benchmarks/nets.py table                                    # from the stored reports

Training is that of ``fer-video train`` with its defaults, in bfloat16 and with seed 1: PublicTest
is watched, PrivateTest is read once at the end. The number of epochs is what fits about twenty
minutes of one CPU core, at least one, so large nets stop long before they are good.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import page

BUDGETS = {
    "simpler_cnn": 20,
    "simple_cnn": 10,
    "tiny_xception": 30,
    "mini_xception": 29,
    "big_xception": 13,
    "cnn4": 3,
    "vgg_small": 2,
    "vgg16": 2,
    "resnet18": 1,
    "resnet50": 4,
    "compact_se_resnet": 16,
    "slim_se_resnet": 24,
    "mobile_se_resnet": 7,
    "deep_se_resnet": 10,
}
"""Epochs by net."""
RATES = {"vgg16": "0.0002"}
"""Learning rates where the default does not suit: VGG-16 has no batch normalization."""

REPORTS = Path(__file__).parent / "nets"
NAME, PAGE = "benchmarks/nets.py", page.ACCURACY

_HEAD = """\
| net | parameters | multiply-adds | epochs | FER+ majority | FER2013 | calibration |
|---|---|---|---|---|---|---|
"""


def train(data: str, ferplus: str, folder: Path) -> None:
    """Train every net that has no model folder yet, and keep its report and history."""
    for net, epochs in BUDGETS.items():
        if not (folder / net).exists():
            words = ["--data", data, "--ferplus", ferplus, "--out", folder / net, "--net", net]
            words += ["--epochs", epochs, "--precision", "bfloat16", "--seed", 1]
            words += ["--learning-rate", RATES[net]] if net in RATES else []
            command = [sys.executable, "-m", "fer_video", "train", *map(str, words)]
            subprocess.run(command, check=True)
        (REPORTS / net).mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / net / "history.csv", REPORTS / net)
        report = json.loads((folder / net / "report.json").read_text("utf-8"))
        # on one line: it holds thousands of points, one a line elsewhere
        (REPORTS / net / "report.json").write_text(json.dumps(report) + "\n", "utf-8")


def table() -> str:
    """Write the stored reports as Markdown, the best on the FER+ majority first."""
    reports = [json.loads(path.read_text("utf-8")) for path in REPORTS.glob("*/report.json")]
    reports.sort(key=lambda report: -report["tests"]["ferplus"]["accuracy"])
    return _HEAD + "".join(map(_row, reports))


def _row(report: dict) -> str:
    ferplus, label = report["tests"]["ferplus"], report["tests"]["label"]
    cells = [
        f"`{report['net']}`",
        f"{report['parameters']:,}",
        f"{report['multiply_adds'] / 1e6:.1f} M",
        f"{_epochs(report['net'])}",
        f"{_percent(ferplus)} ({_interval(ferplus)})",
        f"{_percent(label)} ({_interval(label)})",
        f"{ferplus['calibration_error']:.3f}",
    ]
    return f"| {' | '.join(cells)} |\n"


def _epochs(net: str) -> int:
    return len((REPORTS / net / "history.csv").read_text("utf-8").splitlines()) - 1


def _percent(measures: dict) -> str:
    return f"{measures['accuracy']:.1%}".replace("%", " %")


def _interval(measures: dict) -> str:
    low, high = measures["accuracy_interval"]
    return f"{100 * low:.1f} to {100 * high:.1f}"


def write_page() -> None:
    """Put the table between its marks in docs/accuracy.md."""
    page.replace_table(PAGE, NAME, table())


if __name__ == "__main__":
    if sys.argv[1:] == ["table"]:
        write_page()
    elif len(sys.argv) == 5 and sys.argv[1] == "train":
        train(*sys.argv[2:4], Path(sys.argv[4]))
    else:
        sys.exit(__doc__)
