"""Where do the landmarks lie in FER2013's faces? The source of the template in fer_video/crop.py.

python benchmarks/framing.py fer2013.csv
"""

import sys
from pathlib import Path

import cv2
import numpy as np

from fer_video.detect import load_detector
from fer_video.learn.dataset import TRAIN, read_faces
from fer_video.options import DetectOptions
from fer_video.types import LANDMARKS

ENLARGED = 4
"""FER2013's 48 px are few for a detector."""
BORDER_PX = 48
COUNT = 2500


def main(path: Path) -> None:
    """Print the median landmarks, as shares of the side, averaged with their mirror image."""
    images = read_faces(path).part(TRAIN).images
    chosen = images[np.random.default_rng(0).permutation(len(images))[:COUNT]]
    detector = load_detector(DetectOptions(min_score=0.6))
    found = [landmarks for image in chosen if (landmarks := find(detector, image)) is not None]
    median = np.median(found, axis=0)
    mirrored = median[[1, 0, 2, 4, 3]] * (-1, 1) + (1, 0)
    print(f"found a face in {len(found)} of {len(chosen)} images")
    for name, (x, y) in zip(LANDMARKS, (median + mirrored) / 2, strict=True):
        print(f"{name:<12} {x:.4f} {y:.4f}")


def find(detector, image: np.ndarray) -> np.ndarray | None:
    """Landmarks of the surest face as shares of the image's side, ``(5, 2)``."""
    side_px = image.shape[0] * ENLARGED
    large = cv2.resize(image, (side_px, side_px), interpolation=cv2.INTER_CUBIC)
    large = cv2.copyMakeBorder(large, *[BORDER_PX] * 4, cv2.BORDER_REPLICATE)
    (faces,) = detector([cv2.cvtColor(large, cv2.COLOR_GRAY2RGB)])
    if not faces:
        return None
    return (max(faces, key=lambda face: face.score).landmarks - BORDER_PX) / side_px


if __name__ == "__main__":
    main(Path(sys.argv[1]))
