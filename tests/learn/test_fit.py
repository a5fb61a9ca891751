from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from fer_video import nets, weights
from fer_video.backend import keras
from fer_video.errors import OutputError, TrainError
from fer_video.keras_net import load_net
from fer_video.learn.augment import augment
from fer_video.learn.batches import TrainingBatches, trainable
from fer_video.learn.dataset import Faces
from fer_video.learn.fit import Trained, fit
from fer_video.learn.optimize import PLATEAU_EPOCHS, PLATEAU_FACTOR
from fer_video.learn.progress import HISTORY_FILE, Progress
from fer_video.learn.train import train
from fer_video.options import TrainOptions
from tests.learn.faces import csv_rows, some_faces, votes, write_csv
from tests.learn.training import OPTIONS, Killed, faces, ignore, killed_after


def same(one: Trained, other: Trained) -> bool:
    pairs = zip(one.net.get_weights(), other.net.get_weights(), strict=True)
    return all((a == b).all() for a, b in pairs)


def history(progress: Progress) -> pd.DataFrame:
    return pd.read_csv(progress.folder / HISTORY_FILE)


def misleading() -> Faces:
    """Draw faces whose validation labels are wrong: the more is learned, the higher its loss."""
    drawn = some_faces(train=140, validation=14, test=14)
    drawn.labels[140:154] = np.roll(drawn.labels[140:154], 1)
    return drawn


@pytest.mark.parametrize("weight_decay", [None, 0.0])
@pytest.mark.parametrize("optimizer", ["adamw", "adam", "sgd-nesterov", "rmsprop"])
def test_training_learns_what_the_faces_show(tmp_path, optimizer, weight_decay) -> None:
    taught = some_faces(train=140, validation=14, test=14)
    options = TrainOptions(
        net="tiny", epochs=8, batch_size=16, optimizer=optimizer, learning_rate=0.02,
        weight_decay=weight_decay, ema_share=0.1,
    )  # fmt: skip
    net = fit(taught, options, Progress(tmp_path), ignore).net
    answers = net.predict_on_batch(taught.images[..., None] / np.float32(255)).argmax(axis=1)
    assert (answers == taught.labels).mean() > 0.6


def test_layers_of_dropout_hide_different_units(tmp_path, monkeypatch) -> None:
    dropouts = [keras.layers.Dropout(0.5), keras.layers.Dropout(0.5)]

    def build(n_emotions: int, channels: int) -> keras.Model:
        tiny = nets.NETS["tiny"](n_emotions, channels)
        hidden = dropouts[1](dropouts[0](tiny.layers[-2].output))
        return keras.Model(tiny.input, tiny.layers[-1](hidden), name="twice")

    monkeypatch.setitem(nets.NETS, "twice", build)
    shown = []

    def show(epoch: int, figures: dict[str, float]) -> None:
        shown.extend(np.asarray(layer(np.ones((1, 64)), training=True)) for layer in dropouts)

    fit(faces(), replace(OPTIONS, net="twice", epochs=1), Progress(tmp_path), show)
    assert (shown[0] != shown[1]).any()


@pytest.mark.parametrize(
    ("last", "chosen"),
    [
        (0, {}),
        (2, {"precision": "bfloat16"}),
        (1, {"optimizer": "sgd-nesterov", "schedule": "plateau", "mixup_alpha": 0.3}),
        (1, {"teachers": ("default",), "teacher_share": 0.5}),
        (1, {"keep": "best", "class_weights": "balanced", "label_smoothing": 0.1}),
    ],
)
def test_a_killed_training_goes_on_to_the_same_weights(tmp_path, last, chosen) -> None:
    options = replace(OPTIONS, **chosen)
    uninterrupted, killed = Progress(tmp_path / "whole"), Progress(tmp_path / "killed")
    whole = fit(faces(), options, uninterrupted, ignore)
    with pytest.raises(Killed):
        fit(faces(), options, killed, killed_after(last))
    assert keras.config.dtype_policy().name == "float32"
    keras.utils.set_random_seed(99)  # as another process would begin otherwise
    epochs = []
    resumed = fit(faces(), options, killed, lambda epoch, _: epochs.append(epoch))
    assert epochs == list(range(last + 1, 3))
    assert same(resumed, whole)
    assert history(killed).equals(history(uninterrupted))


@pytest.mark.parametrize("kept_bytes", [0, 2000])
def test_damaged_progress_is_an_error_with_a_remedy(tmp_path, kept_bytes) -> None:
    with pytest.raises(Killed):
        fit(faces(), OPTIONS, Progress(tmp_path), killed_after(1))
    (state,) = tmp_path.glob("state/*")
    state.write_bytes(state.read_bytes()[:kept_bytes])
    with pytest.raises(OutputError, match="progress is damaged; name another --out, or delete it"):
        fit(faces(), OPTIONS, Progress(tmp_path), ignore)


def test_another_seed_gives_other_weights(tmp_path) -> None:
    one, other = (
        fit(faces(), replace(OPTIONS, epochs=1, seed=seed), Progress(tmp_path / str(seed)), ignore)
        for seed in (0, 1)
    )
    assert not same(one, other)


def test_every_epoch_sees_other_crops_in_another_order(tmp_path, monkeypatch) -> None:
    seen = []

    def noted(crops: np.ndarray, *others) -> np.ndarray:
        seen.append(crops.tobytes())
        return augment(crops, *others)

    monkeypatch.setattr("fer_video.learn.batches.augment", noted)
    fit(faces(), OPTIONS, Progress(tmp_path), ignore)
    # three batches of each epoch; the statistics of the averaged net are of the first one's
    assert len(set(seen)) == 3 * OPTIONS.epochs


@pytest.mark.parametrize(
    "chosen",
    [
        {"class_weights": "balanced"},
        {"label_smoothing": 0.2},
        {"mixup_alpha": 0.4},
        {"cutmix_alpha": 1.0},
        {"augmented_share": 0.5},
        {"erased_share": 0.0},
        {"weight_decay": 0.5},
        {"schedule": "constant"},
        {"warmup_share": 0.9},
        {"ema_share": 0.9},
    ],
)
def test_every_option_decides_the_weights(tmp_path, chosen) -> None:
    drawn = some_faces(train=40, validation=7, test=7)
    one = fit(drawn, OPTIONS, Progress(tmp_path / "one"), ignore)
    other = fit(drawn, replace(OPTIONS, **chosen), Progress(tmp_path / "other"), ignore)
    assert not same(one, other)


def test_every_epoch_is_measured_on_the_validation_split(tmp_path) -> None:
    drawn = some_faces(train=60, validation=14, test=14)
    seen = replace(drawn, votes=np.array([votes(happiness=10)] * len(drawn)))
    progress = Progress(tmp_path)
    told = []
    fit(seen, OPTIONS, progress, lambda _, figures: told.append(dict(figures)))
    rows = history(progress)
    assert rows["epoch"].tolist() == [1, 2, 3]
    assert rows.drop(columns="epoch").to_dict("records") == [pytest.approx(one) for one in told]
    assert set(rows) >= {
        "loss", "accuracy", "learning_rate", "val_loss", "val_accuracy", "val_auc",
        "val_precision", "val_recall", "val_f1", "val_label_accuracy", "val_ferplus_accuracy",
    }  # fmt: skip


def test_training_stops_early_when_the_validation_loss_no_longer_falls(tmp_path) -> None:
    options = replace(OPTIONS, epochs=20, learning_rate=0.02, patience=2, schedule="constant")
    progress = Progress(tmp_path)
    trained = fit(misleading(), options, progress, ignore)
    losses = history(progress)["val_loss"].tolist()
    assert trained.ended == "no lower validation loss for 2 epochs"
    assert trained.epochs == len(losses) < 20
    assert len(losses) - 1 - int(np.argmin(losses)) == 2
    assert not trained.diverged
    again = fit(misleading(), options, progress, killed_after(0))  # has nothing left to do
    assert same(again, trained)


def test_a_training_that_ends_early_gives_what_one_of_so_many_epochs_gives(tmp_path) -> None:
    many = replace(OPTIONS, epochs=4000, learning_rate=0.02, patience=2, schedule="constant")
    stopped = fit(misleading(), many, Progress(tmp_path / "many"), ignore)
    few = replace(many, epochs=stopped.epochs)
    assert same(stopped, fit(misleading(), few, Progress(tmp_path / "few"), ignore))


def test_the_best_epoch_can_be_kept_instead_of_the_last(tmp_path) -> None:
    options = replace(OPTIONS, epochs=6, learning_rate=0.02, schedule="constant")
    last = fit(misleading(), options, Progress(tmp_path / "last"), ignore)
    progress = Progress(tmp_path / "best")
    best = fit(misleading(), replace(options, keep="best"), progress, ignore)
    assert last.epochs == 6
    assert best.epochs == 1 + history(progress)["val_loss"].argmin() < 6
    assert not same(best, last)


def test_on_a_plateau_the_learning_rate_falls(tmp_path) -> None:
    options = replace(OPTIONS, epochs=9, learning_rate=0.02, schedule="plateau")
    progress = Progress(tmp_path)
    fit(misleading(), options, progress, ignore)
    rows = history(progress)
    waited = rows["val_loss"].argmin() + PLATEAU_EPOCHS + 1
    assert waited < 9
    assert rows["learning_rate"][:waited].tolist() == pytest.approx([0.02] * waited)
    assert rows["learning_rate"][waited] == pytest.approx(0.02 * PLATEAU_FACTOR)


def test_only_the_last_layers_learn_where_that_is_asked_for(tmp_path) -> None:
    data = write_csv(tmp_path / "fer2013.csv", csv_rows(faces()))
    train(data, None, tmp_path / "first", replace(OPTIONS, epochs=1), ignore)
    options = replace(OPTIONS, start_from=str(tmp_path / "first"), train_last=1)
    after = fit(faces(), options, Progress(tmp_path / "state"), ignore).net
    before = load_net(weights.find(str(tmp_path / "first")), "tiny")
    changed = [
        not (a == b).all() for a, b in zip(before.get_weights(), after.get_weights(), strict=True)
    ]
    assert changed == [False] * (len(changed) - 2) + [True, True]


def test_exhausted_memory_is_an_error_with_a_remedy(tmp_path, monkeypatch) -> None:
    class Greedy(keras.layers.Layer):
        def call(self, x):
            return x + keras.ops.sum(keras.ops.outer(*2 * [keras.ops.tile(x[0], 10**6)]))

    def greedy(n_emotions: int, channels: int) -> keras.Model:
        crops = keras.Input((*nets.CROP_SHAPE[:2], channels))
        x = Greedy()(keras.layers.GlobalAveragePooling2D()(crops))
        return keras.Model(crops, keras.layers.Dense(n_emotions, activation="softmax")(x))

    monkeypatch.setitem(nets.NETS, "greedy", greedy)
    with pytest.raises(TrainError, match="exhausted at a batch size of 16: try --batch-size 8"):
        fit(faces(), replace(OPTIONS, net="greedy"), Progress(tmp_path), ignore)


def test_tensorboard_gets_its_event_files(tmp_path) -> None:
    events = tmp_path / "events"
    fit(faces(), replace(OPTIONS, epochs=1), Progress(tmp_path / "state"), ignore, events)
    written = b"".join(file.read_bytes() for file in events.rglob("events.out.tfevents.*"))
    assert b"epoch_label_accuracy" in written


def test_an_epoch_whose_state_was_not_saved_is_repeated_as_if_it_had_not_been(tmp_path) -> None:
    options = replace(
        OPTIONS, epochs=4, learning_rate=0.004, schedule="constant", keep="best", seed=2
    )
    uninterrupted, killed = Progress(tmp_path / "whole"), Progress(tmp_path / "killed")
    whole = fit(misleading(), options, uninterrupted, ignore)
    best = whole.epochs - 1
    assert 0 < best < 3
    with pytest.raises(Killed):
        fit(misleading(), options, killed, killed_after(best - 1))
    # killed between the line of the best epoch and its state
    history(uninterrupted)[: best + 1].to_csv(killed.folder / HISTORY_FILE, index=False)
    assert same(fit(misleading(), options, killed, ignore), whole)
    assert history(killed).equals(history(uninterrupted))


@pytest.mark.parametrize("mixed", [{}, {"mixup_alpha": 0.4}, {"cutmix_alpha": 1.0}])
def test_the_averaged_net_has_the_statistics_of_faces_as_they_are(tmp_path, mixed) -> None:
    net = fit(faces(), replace(OPTIONS, **mixed), Progress(tmp_path), ignore).net
    batches = TrainingBatches(trainable(faces()), replace(OPTIONS, augmented_share=0.0))
    convolution, normalization = net.layers[1], net.layers[2]
    means = [
        np.asarray(convolution(batches[number][0])).mean(axis=(0, 1, 2))
        for number in range(len(batches))
    ]
    assert np.asarray(normalization.moving_mean) == pytest.approx(np.mean(means, axis=0), abs=1e-4)
