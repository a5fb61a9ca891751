"""Does `fer-video analyze` keep its promises about broken files, killed runs and long recordings?

    python benchmarks/robustness.py [--flips 2000] [--kills 50] [--hours 1] [--json FILE]
    python benchmarks/robustness.py --page  # benchmarks/results/robustness.json into the page

Thousands of broken recordings (``flips.py``); runs over a recording (``kills.py``) and over a
folder (``folder_kills.py``) that are killed at random moments and started again; a recording of
hours (``hours.py``). Half an hour on two cores; 0 leaves a part out.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import flips
import folder_kills
import hours
import kills
from machine import Figures, machine, show, stored
from page import DOCS, replace_table

PAGE, NAME = DOCS / "reliability.md", "robustness.py"
PARTS = {"flips": flips, "kills": kills, "folder_kills": folder_kills, "hours": hours}


def main() -> None:
    """Break, kill, wait; show what became of it. The exit code is 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flips", type=int, default=2000, help="Broken recordings.")
    parser.add_argument("--kills", type=int, default=50, help="Of runs over a recording; half as "
                        "many of runs over a folder.")  # fmt: skip
    parser.add_argument("--hours", type=float, default=1, help="Length of the long recording.")
    parser.add_argument("--recording", type=Path, help="Killed and made long; else one is drawn.")
    parser.add_argument("--seed", type=int, default=0, help="Number of the first broken one.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="Write the figures here, too.")
    parser.add_argument("--page", action="store_true", help="Only show the stored figures.")
    wanted = parser.parse_args()
    if wanted.page:
        replace_table(PAGE, NAME, markdown(stored("robustness")))
        return
    with tempfile.TemporaryDirectory() as folder:
        figures = {"machine": machine()} | measure(Path(folder), wanted)
    show(figures, markdown(figures), wanted.json)
    sys.exit(any(PARTS[name].is_broken(figures[name]) for name in PARTS if name in figures))


def measure(folder: Path, wanted: argparse.Namespace) -> Figures:
    """Try the parts that are wanted, one after the other."""
    figures: Figures = {}
    recording = wanted.recording or kills.drawn(folder)
    if wanted.flips:
        figures["flips"] = flips.run(folder, wanted.flips, wanted.seed)
    if wanted.kills:
        figures["kills"] = kills.run(folder, recording, wanted.kills, wanted.seed)
        figures["folder_kills"] = folder_kills.run(folder, (wanted.kills + 1) // 2, wanted.seed)
    if wanted.hours:
        figures["hours"] = hours.run(folder, recording, wanted.hours)
    return figures


def markdown(figures: Figures) -> str:
    """Write a table of each part that was tried."""
    return "\n".join(
        part.markdown(figures[name]) for name, part in PARTS.items() if name in figures
    )


if __name__ == "__main__":
    main()
