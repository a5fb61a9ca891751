"""What does an archive take: core-hours and money, network, storage?

    python benchmarks/sizing.py RECORDING [RECORDING ...]     # measure timelines, too
    python benchmarks/sizing.py                               # only write docs/cluster.md anew

Speed is that of benchmarks/results/speed.json: one recording at a time on all cores of the machine
named there, so that a core counts also while it waits. The size of timelines is measured here, and
kept in benchmarks/results/sizing.json. Nothing of it was measured on a GPU.
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

from machine import RESULTS, Figures, machine, middle, sentence, stored, table
from page import DOCS, replace_table
from work import measure

from fer_video.timeline import read_provenance

PAGE = DOCS / "cluster.md"
ARCHIVE_HOURS = 10_000
PRICE = 0.05
"""Of a core-hour, as an example, in whatever currency."""
FRAMES_PER_S = 25.0
"""Of a recording; the hours of one that has more are as many times longer to analyze."""
BIT_RATES = {"640x360": 1.0, "1280x720": 2.5, "1920x1080": 8.0}
"""Usual ones of recordings in H.264 by their picture, in Mbit/s."""
GB_PER_HOUR = 3600 / 8 / 1000
"""At 1 Mbit/s."""
CHOICES: dict[str, tuple[str, Figures]] = {
    "every frame": ("analyze", {}),
    "`--fps 5`": ("analyze_sampled", {"sample": {"fps": 5}}),
}
"""How densely a recording is sampled: its key in speed.json, and its options."""


def main() -> None:
    """Measure what is named, and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recordings", type=Path, nargs="*")
    wanted = parser.parse_args()
    if wanted.recordings:
        figures = {"machine": machine(), "timelines": list(map(timelines_of, wanted.recordings))}
        (RESULTS / "sizing.json").write_text(json.dumps(figures, indent=1) + "\n", "utf-8")
    for name, text in tables().items():
        replace_table(PAGE, name, text)
        print(text)


def timelines_of(recording: Path) -> Figures:
    """Measure how much longer the second half of a recording makes its timeline, by density."""
    return {
        "recording": recording.name,
        "bytes_per_hour": {
            choice: _bytes_per_hour(recording, options) for choice, (_, options) in CHOICES.items()
        },
    }


def _bytes_per_hour(recording: Path, options: Figures) -> float:
    with tempfile.TemporaryDirectory() as folder:
        whole, half = Path(folder, "whole.parquet"), Path(folder, "half.parquet")
        measure("analyze", recording, out=str(whole), options=options)
        half_s = read_provenance(whole)["seen"]["analyzed_s"] / 2
        sample = {**options.get("sample", {}), "end_s": half_s}
        measure("analyze", recording, out=str(half), options={"sample": sample})
        # what a timeline has once, whatever its length, is in both
        return (whole.stat().st_size - half.stat().st_size) / half_s * 3600


def tables() -> dict[str, str]:
    """Write what belongs between each pair of marks, by the name that stands in them."""
    speed = stored("speed")
    return {
        "sizing.py, machine": f"{sentence(speed['machine'])}\n",
        "sizing.py, work": work_table(speed),
        "sizing.py, network": network_table(speed),
        "sizing.py, storage": storage_table(stored("sizing")),
    }


def work_table(speed: Figures) -> str:
    """Write the hours of recording per core-hour, and what an archive of them takes."""
    head = ["recording", "frames", "hours per core-hour", "hours per GPU-hour",
            f"core-hours for {ARCHIVE_HOURS:,} h", f"price at {PRICE:g} per core-hour"]  # fmt: skip
    return table(head, _work_rows(speed))


def _work_rows(speed: Figures) -> Iterator[list[str]]:
    for found in speed["recordings"]:
        faces = "1 face" if found["most_faces"] == 1 else f"{found['most_faces']} faces"
        for choice, (key, _) in CHOICES.items():
            hours = hours_per_core_hour(found, key, speed["machine"]["cores"])
            core_hours = ARCHIVE_HOURS / hours
            yield [
                f"{found['picture']}, {faces}", choice, f"{hours:.1f}", "not measured",
                f"{core_hours:,.0f}", f"{core_hours * PRICE:,.0f}",
            ]  # fmt: skip


def hours_per_core_hour(found: Figures, key: str, cores: int) -> float:
    """Hours of recordings like this one that a core analyzes in an hour.

    >>> found = {"frames": 1000, "seconds": {"analyze": [2.0, 2.5, 9.0]}}
    >>> hours_per_core_hour(found, "analyze", cores=2)
    8.0
    """
    return found["frames"] / FRAMES_PER_S / middle(found["seconds"][key]) / cores


def network_table(speed: Figures) -> str:
    """Write how many bytes recordings have, and how fast they must come to keep a core busy."""
    head = ["recordings", "bit rate", "per hour of recording", f"{ARCHIVE_HOURS:,} h",
            "read by one core, every frame"]  # fmt: skip
    rows = []
    for found in sorted(speed["recordings"], key=lambda found: BIT_RATES[found["picture"]]):
        rate = BIT_RATES[found["picture"]]
        hours = hours_per_core_hour(found, "analyze", speed["machine"]["cores"])
        total_tb = rate * GB_PER_HOUR * ARCHIVE_HOURS / 1e3
        rows.append([found["picture"], f"{rate:g} Mbit/s", f"{rate * GB_PER_HOUR:.2f} GB",
                     f"{total_tb:,.1f} TB", f"{rate * hours:,.0f} Mbit/s"])  # fmt: skip
    return table(head, rows)


def storage_table(sizing: Figures) -> str:
    """Write how large the timeline of an hour is."""
    head = ["recording", *(f"timeline per hour, {choice}" for choice in CHOICES),
            f"{ARCHIVE_HOURS:,} h, every frame"]  # fmt: skip
    rows = []
    for found in sizing["timelines"]:
        sizes_mb = [found["bytes_per_hour"][choice] / 1e6 for choice in CHOICES]
        total_gb = sizes_mb[0] * ARCHIVE_HOURS / 1e3
        rows.append([f"`{found['recording']}`", *(f"{one:.1f} MB" for one in sizes_mb),
                     f"{total_gb:,.0f} GB"])  # fmt: skip
    return table(head, rows)


if __name__ == "__main__":
    main()
