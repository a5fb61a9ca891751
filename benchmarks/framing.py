"""Does a detector's crop look like FER2013's framing, and is another framing better?

python benchmarks/framing.py landmarks fer2013.csv    # the template in fer_video/crop.py
python benchmarks/framing.py study fer2013.csv fer2013new.csv RECORDINGS --model default
python benchmarks/framing.py table                    # docs/accuracy.md, from the stored figures
python benchmarks/framing.py picture                  # docs/images/framing.png, likewise
python benchmarks/framing.py grid fer2013.csv RECORDINGS OUT.png

``study`` stores its figures in ``benchmarks/framing.json``. ``grid`` shows people: keep it to
yourself.
"""

import argparse
import itertools
import json
from pathlib import Path

import cv2
import numpy as np
from disturbances import JITTERS, jittered, mean_change
from framing_picture import draw_grid, draw_picture
from framing_table import table
from page import ACCURACY, DOCS, replace_table
from recordings import DETECTORS, NOT_RECORDINGS, SAMPLES_PER_S, SEED, tracked_frames

from fer_video.classify import Classifier, load_classifier
from fer_video.crop import crop_face
from fer_video.detect import load_detector
from fer_video.errors import VideoError
from fer_video.learn.dataset import TRAIN, VALIDATION, Faces, ferplus_majority, read_faces
from fer_video.options import ClassifyOptions, DetectOptions, DetectorName
from fer_video.types import LANDMARKS, CropSpec, Face, Floats, Frame, Image

ENLARGED = 4
"""FER2013's 48 px are few for a detector."""
BORDER_PX = 48
"""Around the enlarged image, repeating its edge: a detector wants a little room."""
COUNT = 2500

SPECS = (
    *((CropSpec(margin=margin), 0.0) for margin in (-0.1, -0.05, 0.0, 0.05, 0.1, 0.2)),
    *((CropSpec(), lower) for lower in (-0.06, -0.03, 0.03, 0.06)),
    (CropSpec(align=False), 0.0),
)
"""Framings to compare: each with how much lower the crop lies, as a share of its side."""
_EYES_APART = 0.3766
"""Distance of the eyes in FER2013, as a share of the side; see ``crop._TEMPLATE``."""

FIGURES = Path(__file__).parent / "framing.json"
PICTURE = DOCS / "images" / "framing.png"
NAME = "benchmarks/framing.py"

Seen = tuple[Frame, Face]
"""A face and the frame it is in."""


def print_landmarks(data: Path) -> None:
    """Print the median landmarks, as shares of the side, averaged with their mirror image."""
    images = _training_images(data)
    found = judged(images)
    median = np.median(found, axis=0)
    mirrored = median[[1, 0, 2, 4, 3]] * (-1, 1) + (1, 0)
    print(f"found a face in {len(found)} of {len(images)} images")
    for name, (x, y) in zip(LANDMARKS, (median + mirrored) / 2, strict=True):
        print(f"{name:<12} {x:.4f} {y:.4f}")


def study(data: Path, ferplus: Path, folder: Path, model: str) -> dict[str, object]:
    """Compare framings: where the landmarks lie, how accurate and how steady the answers are."""
    classifier = load_classifier(ClassifyOptions(model=model, device="cpu"))
    validation = read_faces(data, ferplus, emotions=classifier.spec.labels).part(VALIDATION)
    fer2013 = judged(_training_images(data))
    by_detector = {name: faces_of(folder, name) for name in DETECTORS}
    cut = {name: cut_all(seen, CropSpec()) for name, seen in by_detector.items()}
    found = {name: surest_faces(name, validation.images) for name in DETECTORS}
    return {
        "model": classifier.spec.name,
        "sha256": classifier.spec.sha256,
        "landmarks": {"FER2013": _spread(fer2013)}
        | {name: _spread(judged(crops)) for name, crops in cut.items()},
        "detectors": {
            name: accuracies(validation, faces, CropSpec(), 0.0, classifier)
            for name, faces in found.items()
        },
        "framings": [
            {"margin": spec.margin, "lower": lower, "align": spec.align}
            | accuracies(validation, found["yunet"], spec, lower, classifier)
            | on_recordings(by_detector["yunet"], spec, lower, classifier, fer2013)
            for spec, lower in SPECS
        ],
    }


def faces_of(folder: Path, detector: str) -> list[Seen]:
    """Find the faces of one frame per second of every recording of a folder."""
    loaded = load_detector(DetectOptions(detector=detector))
    found: list[Seen] = []
    for path in sorted(folder.iterdir()):
        if path.suffix in NOT_RECORDINGS:
            continue
        try:
            for item in itertools.islice(
                tracked_frames(path, detector, loaded), 0, None, round(SAMPLES_PER_S)
            ):
                found += [(item.frame, face) for face in item.faces or ()]
        except VideoError:
            continue  # some recordings of the folder are damaged on purpose
    return found


def cut_all(seen: list[Seen], spec: CropSpec, lower: float = 0.0) -> Image:
    """Cut every face, ``(n, 48, 48)``."""
    return np.stack(
        [
            crop_face(frame.gray, lowered(face.landmarks, lower), spec, frame.full_range)
            for frame, face in seen
        ]
    )


def lowered(landmarks: Floats, share: float) -> Floats:
    """Landmarks that put the crop lower on the face, by a share of its side.

    >>> lowered(np.array([[0, 0], [3.766, 0], [2, 2], [1, 4], [3, 4]], np.float32), 0.1)[0]
    array([0., 1.], dtype=float32)
    """
    x, y = landmarks[1] - landmarks[0]
    return np.asarray(landmarks + share / _EYES_APART * np.array([-y, x]), np.float32)


def accuracies(
    faces: Faces, found: list[Face | None], spec: CropSpec, lower: float, classifier: Classifier
) -> dict[str, object]:
    """Compare the accuracy on images as given with that on what a detector cuts out of them.

    Of the images in which a face was found; ``ferplus`` of those that have a majority.
    """
    has_face = np.array([face is not None for face in found])
    images = faces.images[has_face]
    crops = np.stack(
        [
            crop_face(enlarged(image), lowered(face.landmarks, lower), spec)
            for image, face in zip(faces.images, found, strict=True)
            if face is not None
        ]
    )
    majority = ferplus_majority(faces.votes, faces.emotions)[has_face]
    label = faces.labels[has_face]

    def accuracy(shown: Image) -> dict[str, float]:
        answers = classifier(shown).argmax(axis=1)
        known = majority >= 0
        return {
            "ferplus": float((answers == majority)[known].mean()),
            "label": float((answers == label).mean()),
        }

    return {
        "images": len(found),
        "found": int(has_face.sum()),
        "as_given": accuracy(images),
        "as_cut": accuracy(crops),
    }


def on_recordings(
    seen: list[Seen], spec: CropSpec, lower: float, classifier: Classifier, fer2013: Floats
) -> dict[str, float]:
    """Say how far from FER2013's the landmarks of crops lie, and how steady the answers are."""
    crops = cut_all(seen, spec, lower)
    rng = np.random.default_rng(SEED)
    moved = [(frame, _moved(face, rng)) for frame, face in seen]
    apart = np.median(judged(crops), axis=0) - np.median(fer2013, axis=0)
    before = classifier(crops)
    return {
        "distance": float(np.hypot(*apart.T).mean()),
        "change_by_jitter": mean_change(before, classifier(cut_all(moved, spec, lower))),
        "confidence": float(before.max(axis=1).mean()),
    }


def _moved(face: Face, rng: np.random.Generator) -> Face:
    return Face(face.box, face.score, jittered(face, max(JITTERS), rng))


def judged(images: Image) -> Floats:
    """Where YuNet sees the landmarks in crops, as shares of the side, ``(n_found, 5, 2)``.

    The same judge looks at FER2013's images and at our crops, whoever cut them.
    """
    side_px = images.shape[1] * ENLARGED
    faces = surest_faces("yunet", images)
    return np.stack([(face.landmarks - BORDER_PX) / side_px for face in faces if face is not None])


def enlarged(image: Image) -> Image:
    """Enlarge a FER2013 image, and give it a border that repeats its edge."""
    side_px = image.shape[0] * ENLARGED
    large = cv2.resize(image, (side_px, side_px), interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.copyMakeBorder(large, *[BORDER_PX] * 4, cv2.BORDER_REPLICATE), np.uint8)


def surest_faces(detector: DetectorName, images: Image) -> list[Face | None]:
    """Find in each enlarged image the face that the detector is surest of."""
    loaded = load_detector(DetectOptions(detector=detector))
    pictures = (cv2.cvtColor(enlarged(image), cv2.COLOR_GRAY2RGB) for image in images)
    return [max(loaded([rgb])[0], key=lambda face: face.score, default=None) for rgb in pictures]


def _training_images(data: Path) -> Image:
    images = read_faces(data).part(TRAIN).images
    return images[np.random.default_rng(0).permutation(len(images))[:COUNT]]


def _spread(points: Floats) -> dict[str, object]:
    """Means and covariances of the landmarks, as shares of the side."""
    by_landmark = points.transpose(1, 2, 0)
    return {
        "faces": len(points),
        "mean": points.mean(axis=0).tolist(),
        "covariance": [np.cov(axes).tolist() for axes in by_landmark],
    }


def make_grid(data: Path, folder: Path, out: Path) -> None:
    """Show FER2013's images beside what each detector cuts out of recordings. It shows people."""
    rows = {"FER2013": _training_images(data)}
    rows |= {name: cut_all(faces_of(folder, name), CropSpec()) for name in DETECTORS}
    draw_grid(rows, out)


def main() -> None:
    """Measure, or show what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    of_data = argparse.ArgumentParser(add_help=False)
    of_data.add_argument("data", type=Path, help="fer2013.csv")
    commands.add_parser("landmarks", parents=[of_data], help="Print the template of the crop.")
    studying = commands.add_parser("study", parents=[of_data], help="Measure; store the figures.")
    studying.add_argument("ferplus", type=Path, help="fer2013new.csv")
    studying.add_argument("folder", type=Path, help="Of recordings.")
    studying.add_argument("--model", default="default")
    commands.add_parser("table", help="Write the tables of docs/accuracy.md.")
    commands.add_parser("picture", help="Draw docs/images/framing.png.")
    showing = commands.add_parser("grid", parents=[of_data], help="Show crops side by side.")
    showing.add_argument("folder", type=Path, help="Of recordings.")
    showing.add_argument("out", type=Path, help="A PNG file; it shows people.")
    wanted = parser.parse_args()
    if wanted.command == "landmarks":
        print_landmarks(wanted.data)
    elif wanted.command == "study":
        report = study(wanted.data, wanted.ferplus, wanted.folder, wanted.model)
        FIGURES.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    elif wanted.command == "table":
        replace_table(ACCURACY, NAME, table(json.loads(FIGURES.read_text("utf-8"))))
    elif wanted.command == "picture":
        draw_picture(json.loads(FIGURES.read_text("utf-8"))["landmarks"], PICTURE)
    else:
        make_grid(wanted.data, wanted.folder, wanted.out)


if __name__ == "__main__":
    main()
