"""Models that teach another one: their averaged answers stand beside the labels.

Source:
    Hinton, Vinyals and Dean, "Distilling the Knowledge in a Neural Network", arXiv 1503.02531,
    2015; Beyer et al., "Knowledge distillation: A good teacher is patient and consistent", CVPR
    2022, for teachers that see the very crop, disturbed and mixed, that the student sees.
"""

from collections.abc import Sequence

import numpy as np

from fer_video.classify import Classifier, load_classifier
from fer_video.errors import ModelError
from fer_video.options import ClassifyOptions, TrainOptions
from fer_video.types import Floats, Image


class Ensemble:
    """Several classifiers as one ``Classifier``: the mean of their probabilities."""

    def __init__(self, members: Sequence[Classifier]) -> None:
        self._members = members

    def __call__(self, crops: Image) -> Floats:
        """Classify; see ``Classifier``."""
        answers = [member(crops) for member in self._members]
        return np.asarray(np.mean(answers, axis=0), np.float32)


def load_teachers(options: TrainOptions, emotions: tuple[str, ...]) -> Ensemble | None:
    """Load the models that the options name, or nothing if they name none.

    Raises:
        ModelError: A model is missing or damaged, or tells other emotions apart.
    """
    members = [load_classifier(ClassifyOptions(model=name)) for name in options.teachers]
    for member in members:
        if member.spec.labels != emotions:
            raise ModelError(
                f"{member.spec.folder} cannot teach {len(emotions)} emotions: it tells "
                f"{len(member.spec.labels)} apart"
            )
    return Ensemble(members) if members else None
