"""Does `fer-video analyze` keep its promises about broken files and killed runs?

    python benchmarks/robustness.py [--flips 2000] [--kills 50] [--json FILE]

Thousands of broken recordings (``flips.py``), then runs that are killed at random moments and
started again (``kills.py``). Half an hour on two cores; 0 leaves either of them out.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import flips
import kills
from machine import Figures, machine, show


def main() -> None:
    """Break, kill, show what became of it; the exit code is 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flips", type=int, default=2000, help="Broken recordings.")
    parser.add_argument("--kills", type=int, default=50, help="Of runs over a recording.")
    parser.add_argument("--recording", type=Path, help="Of the killed runs; else one is drawn.")
    parser.add_argument("--seed", type=int, default=0, help="Number of the first broken one.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="Write the figures here, too.")
    wanted = parser.parse_args()
    figures: Figures = {"machine": machine()}
    parts = []
    with tempfile.TemporaryDirectory() as folder:
        if wanted.flips:
            figures["flips"] = flips.run(Path(folder), wanted.flips, wanted.seed)
            parts.append(flips.markdown(figures["flips"]))
        if wanted.kills:
            recording = wanted.recording or kills.drawn(Path(folder))
            runs = kills.killed_runs(recording, Path(folder), wanted.kills, wanted.seed)
            figures["kills"] = kills.figures_of(list(runs))
            parts.append(kills.markdown(figures["kills"]))
    show(figures, "\n".join(parts), wanted.json)
    broken = bool(wanted.flips and figures["flips"]["broken_promises"])
    sys.exit(broken or bool(wanted.kills and figures["kills"]["different"]))


if __name__ == "__main__":
    main()
