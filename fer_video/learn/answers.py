"""What models answered to each image: for statistics of one's own, and to look at mistakes."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from fer_video.files import whole_file
from fer_video.learn.evaluate import Judgement
from fer_video.learn.faces import Integers


def answers_table(judgement: Judgement) -> pd.DataFrame:
    """Put what a model answered beside what is right, a row per image.

    Returns:
        ``model``, its name; ``image``, the line of a table or the path inside the data set;
        ``is_copy``, whether it stands in training, too; the right emotion by each truth,
        ``label`` and where there are votes ``ferplus``, missing where it is unknown; ``answer``,
        the likeliest emotion, and the probabilities ``p_*``, missing where no face was found.
    """
    images, answers = judgement.images, judgement.answers
    n_images, n_emotions = len(images.has_face), len(images.emotions)
    probabilities = np.full((n_images, n_emotions), np.nan, np.float32)
    probabilities[images.has_face] = answers
    likeliest = np.full(n_images, -1)
    likeliest[images.has_face] = answers.argmax(axis=1)
    truths = {name: _named(truth, images.emotions) for name, truth in images.truths.items()}
    return pd.DataFrame({
        "model": judgement.report["model"],
        "image": images.places,
        "is_copy": images.is_copy,
        **truths,
        "answer": _named(likeliest, images.emotions),
        **{f"p_{name}": probabilities[:, column] for column, name in enumerate(images.emotions)},
    })  # fmt: skip


def write_answers(judgements: Sequence[Judgement], path: Path) -> None:
    """Write the answers of several models, one below the other, as CSV.

    Raises:
        OutputError: It cannot be written.
    """
    with whole_file(path) as temporary:
        pd.concat(map(answers_table, judgements)).to_csv(temporary, index=False)


def _named(labels: Integers, emotions: Sequence[str]) -> list[str | None]:
    """Name the emotions; None for -1."""
    return [emotions[label] if label >= 0 else None for label in labels.tolist()]
