from dataclasses import replace

import numpy as np
import pytest

from fer_video.learn.validate import validation_figures
from tests.learn.faces import some_faces, votes


def test_figures_are_those_computed_by_hand() -> None:
    drawn = some_faces(validation=4)  # angry, disgust, fear, happy
    seen = [votes(anger=10), votes(anger=10), votes(fear=10), votes(fear=5, anger=5)]
    target = np.eye(7, dtype=np.float32)[[0, 0, 2, 3]]
    probabilities = np.full((4, 7), 0.05, np.float32)
    probabilities[[0, 1, 2, 3], [0, 1, 2, 2]] = 0.7
    found = validation_figures(probabilities, target, replace(drawn, votes=np.array(seen)))
    assert found == pytest.approx(
        {
            "val_loss": -(np.log(0.7) + np.log(0.05)) / 2,
            "val_accuracy": 2 / 4,
            # angry: 1 of 1, fear: 1 of 2, happy: none
            "val_precision": (1 + 1 / 2 + 0) / 3,
            "val_recall": (1 / 2 + 1 + 0) / 3,
            "val_f1": (2 / 3 + 2 / 3 + 0) / 3,
            # of the pairs of one that shows it and one that does not; a tie counts half
            "val_auc": ((1 + 1 / 2) / 2 + 5 / 6 + 1 / 2) / 3,
            "val_label_accuracy": 3 / 4,
            "val_ferplus_accuracy": 2 / 3,
        }
    )


def test_without_votes_there_is_no_figure_for_them() -> None:
    drawn = some_faces(validation=7)
    found = validation_figures(np.eye(7, dtype=np.float32), np.eye(7, dtype=np.float32), drawn)
    assert found["val_label_accuracy"] == found["val_auc"] == 1
    assert "val_ferplus_accuracy" not in found


def test_a_validation_split_of_one_emotion_has_an_area_of_chance() -> None:
    one = np.eye(7, dtype=np.float32)[[0, 0]]
    assert validation_figures(one, one, some_faces(validation=2))["val_auc"] == 0.5
