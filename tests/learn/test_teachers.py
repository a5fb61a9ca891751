import numpy as np
import pytest

from fer_video.classify import load_classifier
from fer_video.errors import ModelError
from fer_video.labels import EMOTIONS
from fer_video.learn.batches import TrainingBatches, to_input
from fer_video.learn.dataset import Faces
from fer_video.learn.fit import fit
from fer_video.learn.progress import Progress
from fer_video.learn.teachers import Ensemble, load_teachers
from fer_video.options import ClassifyOptions, TrainOptions
from fer_video.types import Floats, Image
from tests.learn.faces import some_faces
from tests.learn.training import ignore


class Shifted:
    """Knows every drawn face, and calls each emotion by the name of the next one."""

    def __init__(self, faces: Faces) -> None:
        self._faces = faces

    def __call__(self, crops: Image) -> Floats:
        alike = (crops[:, None] == self._faces.images[None]).all(axis=(2, 3)).argmax(axis=1)
        return np.eye(7, dtype=np.float32)[(self._faces.labels[alike] + 1) % 7]


def test_teachers_answer_with_the_mean_of_their_probabilities() -> None:
    drawn = some_faces(train=7)
    right, shifted = np.eye(7)[drawn.labels], Shifted(drawn)
    answers = Ensemble([lambda crops: right, shifted])(drawn.images)
    assert answers.dtype == np.float32
    assert answers == pytest.approx((right + shifted(drawn.images)) / 2)


def test_a_target_is_what_the_teacher_says_of_the_crop_that_is_shown_and_the_label() -> None:
    seen = []

    def teacher(crops: Image) -> Floats:
        seen.append(crops)
        return np.full((len(crops), 7), 1 / 7, np.float32)

    options = TrainOptions(batch_size=16, teacher_share=0.7)
    crops, target = TrainingBatches(some_faces(train=16), options, teacher)[0]
    assert (to_input(seen[0]) == crops).all()
    assert target.max(axis=1) == pytest.approx(np.full(16, 0.3 + 0.7 / 7))
    assert target.sum(axis=1) == pytest.approx(np.ones(16))
    assert target.dtype == np.float32


@pytest.mark.parametrize("way", [{"mixup_alpha": 0.4}, {"cutmix_alpha": 1.0}])
def test_a_teacher_is_asked_about_a_mixed_crop_as_it_is_shown(way: dict) -> None:
    seen = []

    def teacher(crops: Image) -> Floats:
        seen.append(crops)
        return np.full((len(crops), 7), 1 / 7, np.float32)

    options = TrainOptions(batch_size=16, teacher_share=0.7, **way)
    drawn = some_faces(train=16)
    crops, target = TrainingBatches(drawn, options, teacher)[0]
    half_a_gray_level = 0.5 / 255 + 1e-6
    assert to_input(seen[0]) == pytest.approx(crops, abs=half_a_gray_level)
    untaught, labels = TrainingBatches(drawn, options)[0]
    assert (untaught == crops).all()
    assert target == pytest.approx(0.7 / 7 + 0.3 * labels)


def test_with_all_the_weight_on_the_teacher_labels_do_not_count(monkeypatch) -> None:
    monkeypatch.setattr("fer_video.learn.augment.MIRRORED_SHARE", 0)  # the teacher knows each face
    drawn = some_faces(train=140, validation=14, test=14)
    options = TrainOptions(batch_size=16, augmented_share=0, teacher_share=1)
    taught = TrainingBatches(drawn, options, Shifted(drawn))
    shares = np.concatenate([taught[position][1] for position in range(len(taught))])
    plain = TrainingBatches(drawn, options)
    labels = np.concatenate([plain[position][1] for position in range(len(plain))])
    assert (shares == np.roll(labels, 1, axis=1)).all()


def test_the_models_that_are_named_teach(tmp_path) -> None:
    drawn = some_faces(train=140, validation=14, test=14)
    options = TrainOptions(
        net="tiny", epochs=8, batch_size=16, learning_rate=0.02, ema_share=0.1, augmented_share=0,
        teachers=("default",), teacher_share=1,
    )  # fmt: skip
    net = fit(drawn, options, Progress(tmp_path), ignore).net
    teacher = load_classifier(ClassifyOptions())
    answers = net.predict_on_batch(to_input(drawn.images))
    near_teacher = np.abs(answers - teacher(drawn.images)).mean()
    assert near_teacher < 0.5 * np.abs(answers - np.eye(7)[drawn.labels]).mean()


def test_without_a_name_nobody_teaches() -> None:
    assert load_teachers(TrainOptions(), EMOTIONS) is None


def test_a_teacher_of_other_emotions_is_refused() -> None:
    options = TrainOptions(teachers=("default",))
    with pytest.raises(ModelError, match="default cannot teach 6 emotions: it tells 7 apart"):
        load_teachers(options, EMOTIONS[:6])
