"""What does each option that trades accuracy for time cost and gain?

    python benchmarks/choices.py RECORDING [--json benchmarks/results/choices.json]

Each choice is timed as in benchmarks/speed.py. Its timeline is then held beside that of the
defaults: how many of their faces it has at the moments that both sampled, how well the boxes lie on
one another, and by how much the probabilities differ. ``float32`` is the default model without its
file for LiteRT: Keras runs it, with weights of 32 bits instead of eight.
"""

import argparse
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from machine import Figures, machine, middle, show, table
from matching import pairs
from work import measure

from fer_video import weights
from fer_video.timeline import emotions_of, read_timeline
from fer_video.types import Box

CHOICES: dict[str, dict[str, dict[str, Any]]] = {
    "defaults": {},
    "--fps 10": {"sample": {"fps": 10}},
    "--fps 5": {"sample": {"fps": 5}},
    "--fps 1": {"sample": {"fps": 1}},
    "--detect-every 0": {"detect": {"detect_every_s": 0.0}},
    "--detect-every 0.5": {"detect": {"detect_every_s": 0.5}},
    "--detect-every 1": {"detect": {"detect_every_s": 1.0}},
    "--detector mtcnn": {"detect": {"detector": "mtcnn"}},
    "--detector haar": {"detect": {"detector": "haar"}},
    "--detect-side 320": {"detect": {"detect_side_px": 320}},
    "--min-face 48": {"detect": {"min_face_px": 48}},
    "--min-face 96": {"detect": {"min_face_px": 96}},
    "--model accurate": {"classify": {"model": "accurate"}},
    "--model float32": {"classify": {"model": "float32"}},
}
"""What a user writes, and the options of ``AnalysisOptions`` that it sets."""

_BOX = ["left", "top", "right", "bottom"]


def main() -> None:
    """Measure, print Markdown, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recording", type=Path)
    parser.add_argument("--runs", type=int, default=3, help="Of which the median is taken.")
    parser.add_argument("--json", type=Path, help="Write the figures here, too.")
    wanted = parser.parse_args()
    figures: Figures = {"machine": machine(), "recording": wanted.recording.name}
    figures["choices"] = try_all(wanted.recording, wanted.runs)
    figures["frames"] = measure("decode", wanted.recording, threads="AUTO")["frames"]
    show(figures, markdown(figures), wanted.json)


def try_all(recording: Path, runs: int) -> list[Figures]:
    """Analyze with each choice, all in turn."""
    seconds: dict[str, list[float]] = {choice: [] for choice in CHOICES}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["FER_VIDEO_MODELS"] = folder
        write_float32(Path(folder) / "float32")
        outs = {choice: Path(folder) / f"{at}.parquet" for at, choice in enumerate(CHOICES)}
        for _ in range(runs):
            for choice, options in CHOICES.items():
                run = measure("analyze", recording, options=options, out=str(outs[choice]))
                seconds[choice].append(run["seconds"])
        tables = {choice: read_timeline(out) for choice, out in outs.items()}
    return [
        {"choice": choice, "seconds": seconds[choice], **agreement(tables["defaults"], found)}
        for choice, found in tables.items()
    ]


def write_float32(folder: Path) -> None:
    """Copy the default model without its file for LiteRT."""
    shipped = weights.find("default")
    folder.mkdir()
    shutil.copy(shipped.weights, folder)
    content = json.loads((shipped.folder / weights.SPEC_FILE).read_text("utf-8"))
    spec = json.dumps(content | {"name": folder.name, "lite_sha256": ""})
    (folder / weights.SPEC_FILE).write_text(spec, "utf-8")


def agreement(reference: pd.DataFrame, found: pd.DataFrame) -> Figures:
    """Compare the faces of two timelines of one recording, at the moments that both have.

    Returns:
        ``faces_kept`` and ``faces_added`` as shares of the reference's faces, ``iou`` the median
        over pairs, ``difference`` the mean absolute difference of their probabilities.
    """
    shared = set(reference["pts"]) & set(found["pts"])
    expected, given = (
        {pts: rows for pts, rows in table[table["track"].notna()].groupby("pts") if pts in shared}
        for table in (reference, found)
    )
    columns = [f"p_{emotion}" for emotion in emotions_of(reference)]
    n_expected, n_given = (sum(map(len, faces.values())) for faces in (expected, given))
    ious, differences = [], []
    for pts in expected.keys() & given.keys():
        mine, theirs = expected[pts], given[pts]
        for row, other, iou in pairs(_boxes(mine), _boxes(theirs)):
            ious.append(iou)
            gap = mine[columns].iloc[row] - theirs[columns].iloc[other]
            differences.append(np.abs(gap).mean())
    return {
        "faces_kept": len(ious) / max(1, n_expected),
        "faces_added": (n_given - len(ious)) / max(1, n_expected),
        "iou": float(np.median(ious)) if ious else None,
        "difference": float(np.mean(differences)) if ious else None,
    }


def _boxes(rows: pd.DataFrame) -> list[Box]:
    return [Box(*edges) for edges in rows[_BOX].to_numpy()]


def markdown(figures: Figures) -> str:
    """Write what each choice costs and gains."""
    head = ["choice", "frames/s", "times as fast", "faces kept", "faces added", "median overlap",
            "difference of probabilities"]  # fmt: skip
    default_s = middle(figures["choices"][0]["seconds"])
    return table(head, (_row(one, figures["frames"], default_s) for one in figures["choices"]))


def _row(found: Figures, frames: int, default_s: float) -> list[str]:
    seconds = middle(found["seconds"])
    cells = [f"`{found['choice']}`", f"{frames / seconds:.0f}", f"{default_s / seconds:.2f}"]
    if found["iou"] is None:
        return [*cells, "0.0 %", f"{found['faces_added']:.1%}".replace("%", " %"), "", ""]
    shares = (f"{found[name]:.1%}".replace("%", " %") for name in ("faces_kept", "faces_added"))
    return [*cells, *shares, f"{found['iou']:.3f}", f"{found['difference']:.4f}"]


if __name__ == "__main__":
    main()
