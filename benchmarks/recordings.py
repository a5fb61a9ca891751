"""How models do on real recordings: measure them, and write the tables of docs/accuracy.md.

python benchmarks/recordings.py measure FOLDER --model default   # some minutes per model
python benchmarks/recordings.py table                            # from the stored figures

FOLDER holds recordings. Each model's figures go to ``benchmarks/recordings/<model>.json``. What is
measured, and how, stands in ``benchmarks/disturbances.py``. Everything runs on the CPU.
"""

import argparse
import itertools
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from disturbances import (
    HOLD_S,
    counts_of_faces,
    disturbed_crops,
    flips_per_s,
    halved,
    matches,
    mean_change,
    seconds_in_view,
    share_of_same_top,
    turns,
)
from page import ACCURACY, replace_table
from recordings_table import tables

from fer_video import (
    AnalysisOptions,
    ClassifyOptions,
    DetectOptions,
    SampleOptions,
    __version__,
    analyze,
    smooth,
)
from fer_video.classify import NetClassifier, classify, cut_crops, load_classifier
from fer_video.detect import Detector, detect, load_detector, picture_side_px
from fer_video.errors import VideoError
from fer_video.track import track
from fer_video.types import DetectedFrame, Moment
from fer_video.video import open_recording

FLIPS = ("conversation_200s.mp4", "webcam_vfr_vp8.webm")
"""Recordings of which every frame is analyzed, to count how often the top emotion changes."""
TURNS = ("neutral_to_smile.mp4", "emotion_change.mp4")
"""Recordings in which it changes for good."""
SMOOTHED_S = (0.0, 0.5, 1.0)
"""Widths of ``--smooth`` in seconds; 0 is the timeline as stored."""
DETECTORS = ("yunet", "mtcnn", "haar")
SAMPLES_PER_S = 4.0
"""Of each recording, for what is measured on all of them. A detector looks at every sample."""
SEED = 0

FIGURES = Path(__file__).parent / "recordings"
NAME = "benchmarks/recordings.py"
NOT_RECORDINGS = (".md", ".json")


def measure(folder: Path, model: str) -> dict[str, object]:
    """Measure one model on a folder of recordings; what is absent is left out, and named."""
    classify_options = ClassifyOptions(model=model, device="cpu")
    classifier = load_classifier(classify_options)
    detectors = {name: load_detector(DetectOptions(detector=name)) for name in DETECTORS}
    wanted = dict.fromkeys([*FLIPS, *TURNS])
    report: dict[str, object] = {
        "model": classifier.spec.name,
        "sha256": classifier.spec.sha256,
        "fer_video": __version__,
        "samples_per_s": SAMPLES_PER_S,
        "absent": [name for name in wanted if not (folder / name).is_file()],
        "unreadable": [],
        "faceless": [],
        "flips": {},
        "turns": {},
        "changes": {},
        "agreement": {},
    }
    options = AnalysisOptions(classify=classify_options)
    for name in wanted:
        if name not in report["absent"]:
            table = analyze(folder / name, options)
            if name in FLIPS:
                report["flips"][name] = flips(table)
            if name in TURNS:
                report["turns"][name] = turns(table, HOLD_S)
    for path in sorted(folder.iterdir()):
        if path.suffix not in NOT_RECORDINGS:
            print(path.name, file=sys.stderr)
            _measure_recording(path, detectors, classifier, report)
    return report


def _measure_recording(
    path: Path, detectors: dict[str, Detector], classifier: NetClassifier, report: dict
) -> None:
    try:
        seen = {name: look(path, name, one, classifier) for name, one in detectors.items()}
    except VideoError:
        report["unreadable"].append(path.name)
        return
    if not any(moment.observations for found in seen.values() for moment in found):
        report["faceless"].append(path.name)
        return
    report["agreement"][path.name] = agreement(seen)
    sides_px = _sides_px(seen["yunet"])
    if sides_px:
        half = look(path, "yunet", detectors["yunet"], classifier, half=True)
        report["changes"][path.name] = {
            "faces": len(sides_px),
            "median_side_px": float(np.median(sides_px)),
            "ways": changes(path, detectors["yunet"], classifier)
            | {"half size": change_by_half(seen["yunet"], half)},
        }


def _sides_px(moments: list[Moment]) -> list[float]:
    """Shorter side of the box of each face."""
    boxes = [seen.face.box for moment in moments for seen in moment.observations]
    return [min(box.width, box.height) for box in boxes]


def flips(table: pd.DataFrame) -> dict[str, object]:
    """Count the flips of a timeline as stored, and smoothed for a view."""
    by_width = {f"{width:g}": flips_per_s(smooth(table, width)) for width in SMOOTHED_S}
    return {"seconds_in_view": seconds_in_view(table), "flips_per_s": by_width}


def tracked_frames(
    path: Path, name: str, detector: Detector, half: bool = False
) -> Iterator[DetectedFrame]:
    """Follow the faces of a recording, as it is or as if it had been filmed at half its size.

    The frames are halved once they are decoded, so nothing is lost to another encoder.
    """
    options = DetectOptions(detector=name)
    with open_recording(path) as recording:
        side_px = picture_side_px(recording.info.side_px // (2 if half else 1), options)
        frames = recording.frames(SampleOptions(fps=SAMPLES_PER_S), 0, side_px)
        looked_at = detect(map(halved, frames) if half else frames, detector, options)
        yield from track(looked_at, AnalysisOptions().track, options.min_score)


def look(
    path: Path, name: str, detector: Detector, classifier: NetClassifier, half: bool = False
) -> list[Moment]:
    """Analyze the sampled frames with a detector."""
    frames = tracked_frames(path, name, detector, half)
    cropped = cut_crops(frames, classifier.spec.crop)
    return list(classify(cropped, classifier, ClassifyOptions().batch_size))


def changes(path: Path, detector: Detector, classifier: NetClassifier) -> dict[str, dict]:
    """Disturb every face of the sampled frames in each way, and see what the answers do."""
    rng, spec = np.random.default_rng(SEED), classifier.spec.crop
    faces = [
        crops
        for item in tracked_frames(path, "yunet", detector)
        for crops in disturbed_crops(item, spec, rng)
    ]
    answers = {way: classifier(np.stack([crops[way] for crops in faces])) for way in faces[0]}
    before = answers.pop("as it is")
    return {way: _change(before, after) for way, after in answers.items()}


def change_by_half(full: list[Moment], half: list[Moment]) -> dict[str, object]:
    """Compare the faces that are found at full size and again at half of it."""
    pairs = matches(full, half, scale=2.0)
    if pairs.empty:
        return {"faces": 0}
    return _change(np.stack(pairs["before"]), np.stack(pairs["after"]))


def _change(before: np.ndarray, after: np.ndarray) -> dict[str, object]:
    return {
        "faces": len(before),
        "mean_change": mean_change(before, after),
        "same_top": share_of_same_top(before, after),
    }


def agreement(seen: dict[str, list[Moment]]) -> dict[str, dict]:
    """Compare each two detectors on the same frames."""
    return {
        f"{one}, {other}": _agreement(seen[one], seen[other])
        for one, other in itertools.combinations(seen, 2)
    }


def _agreement(first: list[Moment], second: list[Moment]) -> dict[str, object]:
    counts, pairs = counts_of_faces(first, second), matches(first, second)
    found: dict[str, object] = {
        "frames": len(counts),
        "same_count": int((counts["first"] == counts["second"]).sum()),
        "faces": len(pairs),
    }
    if pairs.empty:
        return found
    changed = _change(np.stack(pairs["before"]), np.stack(pairs["after"]))
    return found | {"mean_iou": float(pairs["iou"].mean())} | changed


def reports() -> list[dict]:
    """Read the stored figures, ``default`` first."""
    found = [json.loads(path.read_text("utf-8")) for path in sorted(FIGURES.glob("*.json"))]
    return sorted(found, key=lambda report: report["model"] != "default")


def main() -> None:
    """Measure, or write the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    measuring = commands.add_parser("measure", help="Measure models, and store the figures.")
    measuring.add_argument("folder", type=Path, help="Of recordings.")
    measuring.add_argument("--model", action="append", help="Name or folder; can be repeated.")
    measuring.add_argument("--out", type=Path, default=FIGURES, help="Folder for the figures.")
    commands.add_parser("table", help="Write the tables of docs/accuracy.md.")
    wanted = parser.parse_args()
    if wanted.command == "table":
        replace_table(ACCURACY, NAME, tables(reports()))
        return
    if not wanted.folder.is_dir():
        parser.error(f"{wanted.folder} is no folder of recordings")
    wanted.out.mkdir(parents=True, exist_ok=True)
    for model in wanted.model or ["default"]:
        report = measure(wanted.folder, model)
        path = wanted.out / f"{report['model']}.json"
        path.write_text(json.dumps(report, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
