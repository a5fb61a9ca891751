"""Does `fer-video analyze` keep its promises about broken files, killed runs and long recordings?

    python benchmarks/robustness.py [--flips 2000] [--kills 50] [--hours 3] [--json FILE]

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
from machine import Figures, machine, show


def main() -> None:
    """Break, kill, wait; show what became of it. The exit code is 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--flips", type=int, default=2000, help="Broken recordings.")
    parser.add_argument("--kills", type=int, default=50, help="Of runs over a recording; half as "
                        "many of runs over a folder.")  # fmt: skip
    parser.add_argument("--hours", type=float, default=3, help="Length of the long recording.")
    parser.add_argument("--recording", type=Path, help="Killed and made long; else one is drawn.")
    parser.add_argument("--seed", type=int, default=0, help="Number of the first broken one.")
    parser.add_argument("--json", type=Path, metavar="FILE", help="Write the figures here, too.")
    wanted = parser.parse_args()
    figures: Figures = {"machine": machine()}
    parts, kept = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if wanted.flips:
            figures["flips"] = found = flips.run(folder, wanted.flips, wanted.seed)
            parts.append(flips.markdown(found))
            kept.append(not found["broken_promises"])
        recording = wanted.recording or kills.drawn(folder)
        if wanted.kills:
            runs = kills.killed_runs(recording, folder, wanted.kills, wanted.seed)
            figures["kills"] = found = kills.figures_of(list(runs))
            figures["folder_kills"] = many = folder_kills.run(
                folder, (wanted.kills + 1) // 2, wanted.seed
            )
            parts += [kills.markdown(found), folder_kills.markdown(many)]
            kept += [not found["different"], not many["different"]]
        if wanted.hours:
            figures["hours"] = found = hours.run(folder, recording, wanted.hours)
            parts.append(hours.markdown(found))
            kept.append(hours.is_whole(found))
    show(figures, "\n".join(parts), wanted.json)
    sys.exit(not all(kept))


if __name__ == "__main__":
    main()
