from dataclasses import replace

import numpy as np
import pytest

from fer_video.labels import EMOTIONS
from fer_video.learn.batches import TrainingBatches, balancing_weights, targets, trainable
from fer_video.learn.dataset import TRAIN
from fer_video.options import TrainOptions
from tests.learn.faces import some_faces, votes


def test_copies_of_judged_images_blanks_and_what_is_no_face_are_kept_out() -> None:
    drawn = some_faces(train=8, validation=2, test=2)
    drawn.images[1] = drawn.images[8]
    drawn.images[2] = drawn.images[11]
    drawn.images[3] = 128
    given = [votes(happiness=10)] * 12
    given[4] = votes(NF=6, neutral=4)
    given[5] = votes(NF=5, neutral=5)
    kept = trainable(replace(drawn, votes=np.array(given)))
    assert [EMOTIONS[label] for label in kept.labels] == ["angry", "surprise", "neutral", "angry"]
    assert set(kept.split) == {TRAIN}


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        (0.5, [[0.5, 0, 0, 0.4, 0.1, 0, 0], [0, 1, 0, 0, 0, 0, 0]]),
        (0.0, [[1, 0, 0, 0, 0, 0, 0], [0, 1, 0, 0, 0, 0, 0]]),
        (1.0, [[0, 0, 0, 0.8, 0.2, 0, 0], [0, 1, 0, 0, 0, 0, 0]]),
    ],
)
def test_targets_mix_votes_and_label_and_fall_back_to_the_label(share, expected) -> None:
    given = np.array([votes(happiness=8, sadness=2), votes(NF=9, contempt=1)])
    drawn = replace(some_faces(train=2), votes=given)
    found = targets(drawn, share)
    assert found.dtype == np.float32
    assert found == pytest.approx(np.array(expected))


def test_without_votes_the_label_alone_is_the_target() -> None:
    assert (targets(some_faces(train=7), 0.5) == np.eye(7)).all()


def test_every_batch_of_every_epoch_is_disturbed_otherwise() -> None:
    alike = some_faces(train=60)
    alike.images[:] = alike.images[0]
    batches = TrainingBatches(alike, TrainOptions(batch_size=16))
    seen = []
    for batches.epoch in range(3):
        seen += [batches[position][0].tobytes() for position in range(len(batches))]
    assert len(set(seen)) == 9


def test_every_epoch_has_an_order_of_its_own() -> None:
    batches = TrainingBatches(some_faces(train=64), TrainOptions(batch_size=64, augmented_share=0))
    orders = set()
    for batches.epoch in range(3):
        orders.add(batches[0][0].tobytes())
    assert len(orders) == 3


def test_undisturbed_batches_hold_each_face_once_with_its_own_target(monkeypatch) -> None:
    monkeypatch.setattr("fer_video.learn.augment.MIRRORED_SHARE", 0)
    drawn = some_faces(train=32)
    batches = TrainingBatches(drawn, TrainOptions(batch_size=16, augmented_share=0))
    shown = [batches[position] for position in range(len(batches))]
    crops = np.concatenate([one for one, _ in shown])
    labels = np.concatenate([target for _, target in shown]).argmax(axis=1)
    assert crops.dtype == np.float32
    assert (crops.min(), crops.max()) == (0, pytest.approx(209 / 255))
    pairs = {(crop.tobytes(), label) for crop, label in zip(crops, labels, strict=True)}
    expected = np.asarray(drawn.images[..., None] / 255, np.float32)
    assert pairs == {
        (crop.tobytes(), label) for crop, label in zip(expected, drawn.labels, strict=True)
    }


def test_balanced_weights_make_every_emotion_count_alike() -> None:
    target = np.eye(7, dtype=np.float32)[[3] * 6 + [1] * 2]
    weights = balancing_weights(target)
    assert weights == pytest.approx(np.array([8 / 2 / 6] * 6 + [8 / 2 / 2] * 2))
    assert weights.mean() == pytest.approx(1)
    batch = TrainingBatches(some_faces(train=16), TrainOptions(batch_size=8))[0]
    assert len(batch) == 2
    options = TrainOptions(batch_size=8, class_weights="balanced")
    assert TrainingBatches(some_faces(train=16), options)[0][2].shape == (8,)


def test_mixup_mixes_targets_as_it_mixes_faces() -> None:
    options = TrainOptions(batch_size=16, augmented_share=0)
    crops, target = TrainingBatches(some_faces(train=16), options)[0]
    mixed = TrainingBatches(some_faces(train=16), replace(options, mixup_alpha=1.0))[0]
    assert mixed[1].sum(axis=1) == pytest.approx(np.ones(16))
    assert (mixed[1].max(axis=1) < 0.999).sum() > 8
    for crop, shares in zip(*mixed, strict=True):
        emotions = shares.nonzero()[0]
        best = min(
            np.abs(crop - (share * one + (1 - share) * other)).max()
            for one in crops[np.isin(target.argmax(axis=1), emotions)]
            for other in crops[np.isin(target.argmax(axis=1), emotions)]
            for share in shares[emotions]
        )
        assert best < 1e-5 or len(emotions) == 1


def test_cutmix_pastes_a_rectangle_of_another_face_and_mixes_targets_by_its_area() -> None:
    options = TrainOptions(batch_size=64, augmented_share=0)
    drawn = some_faces(train=64)
    drawn.images[:] = np.arange(64)[:, np.newaxis, np.newaxis]  # each face in a gray of its own
    target_of = targets(drawn, 0)
    crops, mixed = TrainingBatches(drawn, replace(options, cutmix_alpha=1.0))[0]
    grays = np.rint(crops[..., 0] * 255).astype(int)
    areas = []
    for gray, shares in zip(grays, mixed, strict=True):
        faces, counts = np.unique(gray, return_counts=True)
        assert len(faces) <= 2
        assert shares == pytest.approx((counts / counts.sum()) @ target_of[faces], abs=1e-6)
        assert any(is_rectangle(gray == face) for face in faces)
        areas.append(counts.min() / counts.sum())
    assert len(set(areas)) > 32


def is_rectangle(mask: np.ndarray) -> bool:
    return mask.sum() == mask.any(axis=0).sum() * mask.any(axis=1).sum()


def test_mixup_and_cutmix_take_turns() -> None:
    options = TrainOptions(batch_size=16, augmented_share=0, mixup_alpha=1.0, cutmix_alpha=1.0)
    drawn = some_faces(train=64)
    drawn.images[:] = np.arange(0, 256, 4)[:, np.newaxis, np.newaxis]
    batches = TrainingBatches(drawn, options)
    flat = [bool((np.ptp(batches[n][0], axis=(1, 2, 3)) == 0).all()) for n in range(len(batches))]
    assert flat == [True, False, True, False]
