"""Whether a net gains by normalization statistics of faces that were not disturbed.

python benchmarks/normalization.py fer2013.csv fer2013new.csv MODEL...

Measures the statistics of each model anew, both ways, and prints how good it then is on PublicTest,
in float32. The model folders stay as they are. Two minutes of a core for each small net.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from experiments import accuracies

from fer_video import weights
from fer_video.keras_net import load_net
from fer_video.labels import EMOTIONS
from fer_video.learn.batches import TrainingBatches, to_input, trainable
from fer_video.learn.dataset import VALIDATION, read_faces
from fer_video.learn.fit import estimate_statistics
from fer_video.options import TrainOptions
from fer_video.types import Floats, Image


def rows(data: Path, ferplus: Path, models: list[str]) -> Iterator[list[str]]:
    """Judge each model with the statistics of disturbed faces and of faces as they are."""
    faces = read_faces(data, ferplus, TrainOptions.val_share, EMOTIONS)
    training, public = trainable(faces), faces.part(VALIDATION)
    for spec in map(weights.find, models):
        net = load_net(spec, spec.net)

        def classify(images: Image, net=net) -> Floats:
            return np.asarray(net.predict(to_input(images), batch_size=256, verbose=0))

        for shown, share in (("disturbed", 1.0), ("as they are", 0.0)):
            options = TrainOptions(augmented_share=share)
            estimate_statistics(net, TrainingBatches(training, options))
            found = accuracies(classify, public)
            yield [spec.name, shown, *(f"{100 * found[truth]:.2f} %" for truth in found)]


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    data, ferplus, *models = sys.argv[1:]
    print("| model | statistics of faces | FER+ | FER2013 |", "|---|---|---|---|", sep="\n")
    for cells in rows(Path(data), Path(ferplus), models):
        print("|", " | ".join(cells), "|", flush=True)
