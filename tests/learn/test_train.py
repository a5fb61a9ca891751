import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from fer_video import nets, weights
from fer_video.backend import keras
from fer_video.classify import load_classifier, load_net
from fer_video.errors import DataError, ModelError, OutputError, TrainError
from fer_video.files import sha256_of
from fer_video.labels import EMOTIONS
from fer_video.learn.augment import augment
from fer_video.learn.dataset import TRAIN, Faces
from fer_video.learn.train import fit, targets, train, trainable
from fer_video.options import ClassifyOptions, TrainOptions
from tests.learn.faces import csv_rows, save, some_faces, votes, votes_rows, write_csv

OPTIONS = TrainOptions(net="tiny", epochs=3, batch_size=16, seed=5)


class Killed(BaseException):
    pass


def tiny(n_emotions: int, channels: int) -> keras.Model:
    """Build a net with every kind of layer that training treats in its own way."""
    crops = keras.Input(nets.CROP_SHAPE)
    x = keras.layers.Conv2D(4, 8, strides=8, use_bias=False)(crops)
    x = keras.layers.BatchNormalization()(x)
    x = keras.layers.Dropout(0.3)(keras.layers.Flatten()(x))
    x = keras.layers.Dense(n_emotions, activation="softmax", dtype="float32")(x)
    return keras.Model(crops, x, name="tiny")


@pytest.fixture(scope="module", autouse=True)
def tiny_net() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(nets.NETS, "tiny", tiny)
        yield


def faces() -> Faces:
    return some_faces(train=60, validation=14, test=14)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "fer2013.csv", csv_rows(faces()))


def ignore(epoch: int, figures: dict[str, float]) -> None:
    pass


def killed_after(last: int):
    def report(epoch: int, figures: dict[str, float]) -> None:
        if epoch == last:
            raise Killed

    return report


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all((a == b).all() for a, b in zip(one, other, strict=True))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder, trained on ``fer2013.csv`` and votes that see happiness everywhere."""
    folder = tmp_path_factory.mktemp("trained")
    data = write_csv(folder / "fer2013.csv", csv_rows(faces()))
    seen = [votes(happiness=6, neutral=4)] * len(faces())
    ferplus = write_csv(folder / "fer2013new.csv", votes_rows(faces(), seen))
    epochs: list[int] = []
    out = folder / "models" / "mine"
    spec = train(data, ferplus, out, OPTIONS, lambda epoch, figures: epochs.append(epoch))
    assert epochs == [0, 1, 2]
    assert spec == weights.find(str(out))
    return out


def test_training_writes_one_folder_and_nothing_beside_it(trained) -> None:
    files = {"README.md", "history.csv", "model.json", "model.weights.h5", "report.json"}
    assert {file.name for file in trained.iterdir()} == files
    assert list(trained.parent.iterdir()) == [trained]


def test_a_trained_model_says_how_it_was_made_and_how_good_it_is(trained) -> None:
    spec = weights.find(str(trained))
    assert (spec.name, spec.net, spec.labels) == ("mine", "tiny", EMOTIONS)
    assert spec.training["data"] == "fer2013.csv"
    assert spec.training["data_sha256"] == sha256_of(trained.parents[1] / "fer2013.csv")
    assert spec.training["ferplus_sha256"] == sha256_of(trained.parents[1] / "fer2013new.csv")
    assert spec.training["options"]["seed"] == 5
    truths = ["label", "label_without_copies", "ferplus", "ferplus_without_copies"]
    assert list(spec.metrics) == [*truths, "seconds_per_crop"]
    assert [spec.metrics[truth]["n"] for truth in truths] == [14] * 4
    report = json.loads((trained / "report.json").read_text())
    assert (report["model"], report["sha256"], list(report["tests"])) == (
        "mine",
        spec.sha256,
        truths,
    )
    assert report["ferplus_sha256"] == spec.training["ferplus_sha256"]


def test_a_trained_model_classifies(trained) -> None:
    probabilities = load_classifier(ClassifyOptions(model=str(trained)))(faces().images)
    assert probabilities.shape == (88, 7)
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_a_weights_file_holds_no_optimizer(trained) -> None:
    with h5py.File(trained / "model.weights.h5") as file:
        assert set(file) == {"layers", "vars"}


def test_training_learns_what_the_faces_show(tmp_path) -> None:
    taught = some_faces(train=140, validation=14, test=14)
    options = replace(OPTIONS, epochs=6, learning_rate=0.02, ema_share=0.1)
    net = fit(taught, options, tmp_path, ignore)
    answers = net.predict_on_batch(taught.images[..., None] / np.float32(255)).argmax(axis=1)
    assert (answers == taught.labels).mean() > 0.6


@pytest.mark.parametrize(("last", "precision"), [(0, "float32"), (2, "bfloat16")])
def test_a_killed_training_goes_on_to_the_same_weights(tmp_path, last, precision) -> None:
    options = replace(OPTIONS, precision=precision)
    whole = fit(faces(), options, tmp_path / "whole", ignore)
    with pytest.raises(Killed):
        fit(faces(), options, tmp_path / "killed", killed_after(last))
    assert keras.config.dtype_policy().name == "float32"
    keras.utils.set_random_seed(99)  # as another process would begin otherwise
    epochs = []
    resumed = fit(faces(), options, tmp_path / "killed", lambda epoch, _: epochs.append(epoch))
    assert epochs == list(range(last + 1, 3))
    assert same(resumed.get_weights(), whole.get_weights())
    assert (tmp_path / "killed" / "history.csv").read_text() == (
        (tmp_path / "whole" / "history.csv").read_text()
    )


def test_another_seed_gives_other_weights(tmp_path) -> None:
    one, other = (
        fit(faces(), replace(OPTIONS, epochs=1, seed=seed), tmp_path / str(seed), ignore)
        for seed in (0, 1)
    )
    assert not same(one.get_weights(), other.get_weights())


def test_every_epoch_sees_other_crops_in_another_order(tmp_path, monkeypatch) -> None:
    batches = []

    def noted(crops: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        batches.append(crops.tobytes())
        return augment(crops, rng)

    monkeypatch.setattr("fer_video.learn.train.augment", noted)
    fit(faces(), OPTIONS, tmp_path, ignore)
    # three batches of each epoch, and three for the statistics of the averaged net
    assert len(set(batches)) == 3 * OPTIONS.epochs + 3


def test_a_history_has_each_epoch_once_though_its_state_was_not_saved(tmp_path) -> None:
    with pytest.raises(Killed):
        fit(faces(), OPTIONS, tmp_path, killed_after(0))
    history = tmp_path / "history.csv"
    # killed between the line of the second epoch and its state
    history.write_text(history.read_text() + "1,9,9,9,9\n")
    fit(faces(), OPTIONS, tmp_path, ignore)
    header, *lines = history.read_text().splitlines()
    assert header == "epoch,accuracy,loss,val_accuracy,val_loss"
    assert [line.split(",")[0] for line in lines] == ["0", "1", "2"]
    assert "1,9,9,9,9" not in lines


def test_a_killed_training_leaves_nothing_under_its_name_and_can_go_on(data, tmp_path) -> None:
    out = tmp_path / "models" / "mine"
    with pytest.raises(Killed):
        train(data, None, out, OPTIONS, killed_after(1))
    assert not out.exists()
    assert [file.name for file in out.parent.iterdir()] == [".mine.progress"]
    train(data, None, out, OPTIONS, ignore)
    assert [file.name for file in out.parent.iterdir()] == ["mine"]
    assert len((out / "history.csv").read_text().splitlines()) == 1 + 3


def test_progress_of_another_training_is_not_continued(data, tmp_path) -> None:
    out = tmp_path / "mine"
    with pytest.raises(Killed):
        train(data, None, out, OPTIONS, killed_after(0))
    with pytest.raises(OutputError, match=r"\.mine\.progress: .* other options or data"):
        train(data, None, out, replace(OPTIONS, seed=6), ignore)
    write_csv(data, csv_rows(faces())[::-1])
    with pytest.raises(OutputError, match=r"other options or data; name another --out"):
        train(data, None, out, OPTIONS, ignore)


def test_an_existing_model_is_not_touched(data, tmp_path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(OutputError, match="mine: it exists; name a new model folder"):
        train(data, None, tmp_path / "mine", OPTIONS, ignore)
    assert not list((tmp_path / "mine").iterdir())


def test_a_place_that_cannot_be_written_is_named(data) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        train(data, None, data / "mine", OPTIONS, ignore)


def test_a_diverged_training_names_the_remedy_and_makes_way_for_it(data, tmp_path) -> None:
    out = tmp_path / "models" / "mine"
    with pytest.raises(TrainError, match="not a number in epoch 1: try a lower --learning-rate"):
        train(data, None, out, replace(OPTIONS, learning_rate=1e38), ignore)
    assert not list(out.parent.iterdir())


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_an_empty_split_is_named_with_the_data_before_training(tmp_path, split) -> None:
    counts = {"train": 20, "validation": 7, "test": 7}
    del counts[split]
    data = write_csv(tmp_path / "fer2013.csv", csv_rows(some_faces(**counts)))
    with pytest.raises(DataError, match=rf"fer2013\.csv: its {split} split is empty"):
        train(data, None, tmp_path / "mine", OPTIONS, ignore)


def test_fewer_faces_than_a_batch_are_refused_with_the_remedy(data, tmp_path) -> None:
    with pytest.raises(DataError, match=r"batch of 64 is more than its 60 .* lower --batch-size"):
        train(data, None, tmp_path / "mine", replace(OPTIONS, batch_size=64), ignore)


def test_a_folder_of_train_and_test_is_enough(tmp_path) -> None:
    drawn = some_faces(train=70, test=14)
    for number, (image, label, split) in enumerate(
        zip(drawn.images, drawn.labels, drawn.split, strict=True)
    ):
        save(tmp_path / "data" / split / EMOTIONS[label] / f"{number:03d}.png", image)
    spec = train(tmp_path / "data", None, tmp_path / "mine", replace(OPTIONS, epochs=1), ignore)
    assert spec.metrics["label"]["n"] == 14
    assert "--data data --out models/mine" in (tmp_path / "mine" / "README.md").read_text()


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
    found = targets(drawn, TrainOptions(ferplus_share=share))
    assert found.dtype == np.float32
    assert found == pytest.approx(np.array(expected))


def test_without_votes_the_label_alone_is_the_target() -> None:
    assert (targets(some_faces(train=7), TrainOptions()) == np.eye(7)).all()


def test_training_goes_on_from_an_earlier_model(trained, data: Path, tmp_path: Path) -> None:
    # a step too small to matter: the first weights must still be there at the end
    options = replace(OPTIONS, start_from=str(trained), epochs=1, learning_rate=1e-9)
    spec = train(data, None, tmp_path / "models" / "next", options, ignore)
    first, second = (load_net(weights.find(str(p)), "tiny") for p in (trained, spec.folder))
    for before, after in zip(first.trainable_weights, second.trainable_weights, strict=True):
        assert np.asarray(after) == pytest.approx(np.asarray(before), abs=1e-5)
    assert spec.training["start"]["sha256"] == weights.find(str(trained)).sha256


def test_going_on_from_another_net_is_refused(trained, data: Path, tmp_path: Path) -> None:
    options = replace(OPTIONS, net="cnn4", start_from=str(trained))
    with pytest.raises(ModelError, match="is a tiny, not a cnn4"):
        train(data, None, tmp_path / "models" / "next", options, ignore)
