"""How long does a command take from the shell to its end, and what does it load?

    python benchmarks/startup.py RECORDING [--json benchmarks/results/startup.json]

A short recording shows most: there, starting is most of the work. Whole processes are timed, all
in turn, and medians are shown. What is loaded is counted on a run of its own, since Python takes
longer when it notes each import.
"""

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from machine import ROOT, Figures, machine, middle, show, table

RUNS = 7
SHOWN_PACKAGES = 5
"""The slowest to import, by command."""
COMMAND = ["-m", "fer_video"]

_IMPORT = re.compile(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\w+)")
"""Microseconds of a module itself, without what it imports, and its package."""


def main() -> None:
    """Measure, print Markdown, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recording", type=Path)
    parser.add_argument("--runs", type=int, default=RUNS, help="Of which the median is taken.")
    parser.add_argument("--json", type=Path, help="Write the figures here, too.")
    wanted = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        words = cases(wanted.recording, Path(folder))
        seconds: dict[str, list[float]] = {case: [] for case in words}
        for _ in range(wanted.runs):
            for case in words:
                seconds[case].append(whole_process_s(words[case]))
        figures: Figures = {
            "machine": machine(),
            "seconds": seconds,
            "imports_ms": {case: imports_ms(words[case]) for case in words},
        }
    show(figures, markdown(figures), wanted.json)


def cases(recording: Path, folder: Path) -> dict[str, list[str]]:
    """Name what is timed, and give the arguments of Python for each."""
    out = ["--out", str(folder / "timeline.parquet"), "--force", "--quiet"]
    return {
        "python, nothing else": ["-c", "pass"],
        "import fer_video": ["-c", "import fer_video"],
        "fer-video --version": [*COMMAND, "--version"],
        "fer-video --help": [*COMMAND, "--help"],
        "fer-video analyze --help": [*COMMAND, "analyze", "--help"],
        f"fer-video analyze {recording.name}": [*COMMAND, "analyze", str(recording), *out],
    }


def whole_process_s(words: list[str]) -> float:
    """Time a process from its start to its end."""
    started_s = time.perf_counter()
    _run(words)
    return time.perf_counter() - started_s


def imports_ms(words: list[str]) -> dict[str, float]:
    """Milliseconds that importing each top-level package takes, the slowest first."""
    spent_us: Counter[str] = Counter()
    for line in _run(["-X", "importtime", *words]).splitlines():
        if found := _IMPORT.match(line):
            spent_us[found[2]] += int(found[1])
    return {package: us / 1000 for package, us in spent_us.most_common(SHOWN_PACKAGES)}


def markdown(figures: Figures) -> str:
    """Write the table of whole processes."""
    rows = [
        [f"`{case}`", f"{middle(seconds):.2f} s", _packages(figures["imports_ms"][case])]
        for case, seconds in figures["seconds"].items()
    ]
    return table(["whole process", "median", "slowest to import, ms"], rows)


def _packages(spent_ms: dict[str, float]) -> str:
    return ", ".join(f"{package} {ms:.0f}" for package, ms in spent_ms.items() if ms >= 1)


def _run(words: list[str]) -> str:
    """Run Python on this checkout; what it says on stderr."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *words], check=True, env=environment, capture_output=True, text=True
    ).stderr


if __name__ == "__main__":
    main()
