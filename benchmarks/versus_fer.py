"""How fast is fer-video beside the package fer, on the same recording, every frame classified?

    python benchmarks/versus_fer.py RECORDING [--mtcnn] [--json benchmarks/results/versus_fer.json]

Needs the network once: fer gets an environment of its own, built with pip in a folder that is
kept. Both read the whole recording, in turn, each in a process of its own; imports, loading the
networks and their first call are not counted on either side. fer runs ``Video.analyze`` with its
Haar cascade and writes nothing; fer-video runs with its defaults and writes Parquet. With
``--mtcnn`` both run a second time, with MTCNN as their detector.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from machine import Figures, in_process, machine, middle, show, table

FER = "25.10.3"
REQUIREMENTS = (
    f"fer=={FER}",
    "facenet-pytorch==2.6.0",  # fer's MTCNN; with later torch, loading TensorFlow beside it crashes
    "opencv-contrib-python<5",  # 5 has no Haar cascade
    "setuptools<81",  # fer imports pkg_resources, which later ones do not have
    "tensorflow==2.21.0",  # runs fer's net
)
"""Of what fer leaves open, what lets it work."""
NEWEST_PYTHON = (3, 12)
"""No later one has the numpy below 2 that facenet-pytorch wants."""
ENVIRONMENT = Path.home() / ".cache" / "fer-video-benchmarks" / f"fer-{FER}"
LISTED = "requirements.txt"
"""In the environment, once it is finished."""
THEIR_PACKAGES = ("fer", "tensorflow", "opencv-contrib-python", "facenet-pytorch", "torch", "numpy")
DETECTORS = {"haar": {}, "mtcnn": {"detect": {"detector": "mtcnn"}}}
"""fer's detector, and the options of fer-video beside it."""


def main() -> None:
    """Measure, print Markdown, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recording", type=Path)
    parser.add_argument("--mtcnn", action="store_true", help="Compare with MTCNN, too.")
    parser.add_argument("--pairs", type=int, default=5, help="Of which the median is taken.")
    parser.add_argument("--environment", type=Path, default=ENVIRONMENT,
                        help="Where fer is, or shall be (default: %(default)s).")  # fmt: skip
    parser.add_argument("--json", type=Path, help="Write the figures here, too.")
    parser.add_argument("--fer", choices=DETECTORS, help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.fer:
        print(json.dumps(fer(wanted.recording, wanted.fer)))
        return
    python = build(wanted.environment)
    names = DETECTORS if wanted.mtcnn else ["haar"]
    figures: Figures = {
        "machine": machine(),
        "comparisons": [compare(wanted.recording, name, python, wanted.pairs) for name in names],
    }
    show(figures, markdown(figures), wanted.json)


def is_built(folder: Path) -> bool:
    """Whether a folder holds a finished environment with what is wanted now."""
    listed = folder / LISTED
    return listed.is_file() and listed.read_text("utf-8").split("\n") == [*REQUIREMENTS, ""]


def build(folder: Path) -> Path:
    """Make the environment of fer unless it is there; its interpreter."""
    python = folder / "bin" / "python"
    if is_built(folder):
        return python
    if sys.version_info[:2] > NEWEST_PYTHON:
        sys.exit(f"fer {FER} cannot be installed for Python {platform.python_version()}: "
                 "run this with 3.11 or 3.12")  # fmt: skip
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    install = [str(python), "-m", "pip", "install", "--quiet"]
    subprocess.run([*install, *REQUIREMENTS], check=True)
    (folder / LISTED).write_text("\n".join([*REQUIREMENTS, ""]), "utf-8")
    return python


def compare(recording: Path, detector: str, python: Path, pairs: int) -> Figures:
    """Run fer and fer-video in turn."""
    from work import measure  # not above: fer's environment has no fer-video

    theirs, ours = [], []
    for _ in range(pairs):
        their_run = in_process(Path(__file__), str(recording), "--fer", detector, python=python)
        our_run = measure("analyze", recording, options=DETECTORS[detector])
        theirs.append(their_run["seconds"])
        ours.append(our_run["seconds"])
    return {
        "recording": recording.name,
        "detector": detector,
        "theirs_s": theirs,
        "their_frames": their_run["frames"],
        "their_packages": their_run["packages"],
        "ours_s": ours,
        "our_frames": our_run["frames"],
    }


def fer(recording: Path, detector: str) -> Figures:
    """Do the work of fer, in its own environment."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
    import cv2
    from fer import classes
    from fer import fer as package

    loaded = package.FER(mtcnn=detector == "mtcnn")
    loaded.detect_emotions(cv2.VideoCapture(str(recording)).read()[1])
    with tempfile.TemporaryDirectory() as folder:
        video = classes.Video(str(recording), outdir=folder)
        started_s = time.perf_counter()
        video.analyze(
            loaded,
            output="pandas",
            save_frames=False,
            save_video=False,
            annotate_frames=False,
            zip_images=False,
        )
        seconds = time.perf_counter() - started_s
    packages = machine(THEIR_PACKAGES)["packages"]
    return {"seconds": seconds, "frames": video.frameCount, "packages": packages}


def markdown(figures: Figures) -> str:
    """Write the comparisons as a table; the ratio is the median of the pairs."""
    head = ["recording", "detector of fer", "frames", f"fer {FER}", "fer-video",
            "times as fast", "ratio of each pair"]  # fmt: skip
    packages = [
        ", ".join(f"{name} {number}" for name, number in found["their_packages"].items())
        for found in figures["comparisons"]
    ]
    return (
        f"{table(head, map(_row, figures['comparisons']))}\n"
        f"fer ran with {'; '.join(dict.fromkeys(packages))}.\n"
    )


def ratios(found: Figures) -> list[float]:
    """Times as fast, pair by pair."""
    return [theirs / ours for theirs, ours in zip(found["theirs_s"], found["ours_s"], strict=True)]


def _row(found: Figures) -> list[str]:
    frames = f"{found['their_frames']}, {found['our_frames']}"
    their_rate = found["their_frames"] / middle(found["theirs_s"])
    our_rate = found["our_frames"] / middle(found["ours_s"])
    return [
        f"`{found['recording']}`", found["detector"], frames, f"{their_rate:.1f} frames/s",
        f"{our_rate:.0f} frames/s", f"{middle(ratios(found)):.1f}",
        ", ".join(f"{ratio:.1f}" for ratio in ratios(found)),
    ]  # fmt: skip


if __name__ == "__main__":
    main()
