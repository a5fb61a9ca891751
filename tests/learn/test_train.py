import json
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from fer_video import nets, weights
from fer_video.backend import has_gpu, keras
from fer_video.classify import load_classifier
from fer_video.errors import DataError, ModelError, OptionError, OutputError, TrainError
from fer_video.files import sha256_of
from fer_video.keras_net import load_net
from fer_video.labels import EMOTION_SETS, EMOTIONS
from fer_video.learn import export
from fer_video.learn.train import train
from fer_video.options import ClassifyOptions
from tests.learn.faces import csv_rows, save, some_faces, votes, votes_rows, write_csv
from tests.learn.training import OPTIONS, Killed, faces, ignore, killed_after
from tests.test_cli import run


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "fer2013.csv", csv_rows(faces()))


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
    files |= {"model.tflite", "curves.png", "confusion.png", "roc.png", "reliability.png"}
    assert {file.name for file in trained.iterdir()} == files
    assert list(trained.parent.iterdir()) == [trained]


def test_a_trained_model_says_how_it_was_made_and_how_good_it_is(trained) -> None:
    spec = weights.find(str(trained))
    assert (spec.name, spec.net, spec.labels) == ("mine", "tiny", EMOTIONS)
    assert spec.training["data"] == "fer2013.csv"
    assert spec.training["data_sha256"] == sha256_of(trained.parents[1] / "fer2013.csv")
    assert spec.training["ferplus_sha256"] == sha256_of(trained.parents[1] / "fer2013new.csv")
    assert spec.training["options"]["seed"] == 5
    assert spec.training["backend"] == keras.backend.backend()
    assert spec.training["computed_on"] == ("a GPU" if has_gpu() else "a CPU")
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


def test_a_trained_model_is_measured_as_it_will_be_run(trained) -> None:
    runtime = load_classifier(ClassifyOptions(model=str(trained), device="cpu")).runtime
    assert list(runtime) == ["ai-edge-litert"]
    assert json.loads((trained / "report.json").read_text())["runtime"] == runtime
    assert weights.find(str(trained)).training["not_converted"] == ""


def test_what_must_be_known_of_the_data_is_said_before_the_first_epoch(data, tmp_path) -> None:
    words = ["--net", "tiny", "--epochs", 1, "--batch-size", 16, "--emotions", 6]
    code, _, err = run("train", "--data", data, "--out", tmp_path / "mine", *words)
    n_disgusted = int((faces().labels == EMOTIONS.index("disgust")).sum())
    remark, first, *_ = err.splitlines()
    assert (code, remark) == (
        0, f"left out {n_disgusted}, bad 0: `fer-video dataset` names them",
    )  # fmt: skip
    assert first.startswith("epoch 1 of 1: ")


def test_a_net_that_cannot_be_converted_is_kept_and_run_by_keras(
    data, tmp_path, monkeypatch
) -> None:
    def of_other_crops(n_emotions: int, channels: int) -> keras.Model:
        """Answer by what else is in the batch, which LiteRT's batches change."""
        tiny = nets.NETS["tiny"](n_emotions, channels)
        answers = keras.layers.Softmax()(tiny.output - keras.ops.mean(tiny.output, axis=0))
        return keras.Model(tiny.input, answers, name="of_other_crops")

    monkeypatch.setitem(nets.NETS, "of_other_crops", of_other_crops)
    out = tmp_path / "mine"
    words = ["--net", "of_other_crops", "--epochs", 1, "--batch-size", 16, "--seed", 5]
    code, shown, _ = run("train", "--data", data, "--out", out, *words)
    assert code == 0
    assert shown.splitlines()[-1].startswith(
        "Keras will run this model, which is slower to start: of_other_crops answers differently"
    )
    spec = weights.find(str(out))
    assert (spec.lite_sha256, spec.lite.exists()) == ("", False)
    classifier = load_classifier(ClassifyOptions(model=str(out), device="cpu"))
    assert "keras" in classifier.runtime
    assert json.loads((out / "report.json").read_text())["runtime"] == classifier.runtime
    assert "ms per crop on the CPU of the machine that trained it, through Keras |" in (
        (out / "README.md").read_text()
    )


def test_a_weights_file_holds_no_optimizer(trained) -> None:
    with h5py.File(trained / "model.weights.h5") as file:
        assert set(file) == {"layers", "vars"}


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
    differs = r"\.mine\.progress: it holds the progress of a training that differs in "
    with pytest.raises(OutputError, match=differs + "--mixup, --seed; name another --out"):
        train(data, None, out, replace(OPTIONS, mixup_alpha=0.5, seed=6), ignore)
    write_csv(data, csv_rows(faces())[::-1])
    with pytest.raises(OutputError, match=differs + "the content of --data; name another --out"):
        train(data, None, out, OPTIONS, ignore)


def test_an_existing_model_is_not_touched(data, tmp_path) -> None:
    (tmp_path / "mine").mkdir()
    with pytest.raises(OutputError, match="mine: it exists and is no model folder; name another"):
        train(data, None, tmp_path / "mine", OPTIONS, ignore)
    (tmp_path / "mine" / weights.SPEC_FILE).touch()
    with pytest.raises(OutputError, match=r"mine: it exists; name a new .* it with --force"):
        train(data, None, tmp_path / "mine", OPTIONS, ignore)
    assert [path.name for path in (tmp_path / "mine").iterdir()] == [weights.SPEC_FILE]


def test_force_replaces_a_model_at_the_end_and_nothing_that_is_no_model(data, tmp_path) -> None:
    out = tmp_path / "mine"
    before = train(data, None, out, replace(OPTIONS, epochs=1), ignore)
    with pytest.raises(Killed):
        train(data, None, out, OPTIONS, killed_after(1), force=True)
    assert weights.find(str(out)) == before
    after = train(data, None, out, OPTIONS, ignore, force=True)
    assert weights.find(str(out)) == after != before
    assert [file.name for file in tmp_path.iterdir() if file.is_dir()] == ["mine"]
    (tmp_path / "thesis").mkdir()
    with pytest.raises(OutputError, match="thesis: it exists and is no model folder"):
        train(data, None, tmp_path / "thesis", OPTIONS, ignore, force=True)


def test_what_was_put_there_meanwhile_is_not_touched_and_the_training_not_lost(
    data, tmp_path
) -> None:
    out = tmp_path / "mine"

    def put(epoch: int, figures: dict[str, float]) -> None:
        out.mkdir(exist_ok=True)
        (out / "thesis.txt").write_text("years")

    with pytest.raises(OutputError, match="mine: it exists"):
        train(data, None, out, OPTIONS, put)
    assert (out / "thesis.txt").read_text() == "years"
    out.rename(tmp_path / "elsewhere")
    epochs: list[int] = []
    train(data, None, out, OPTIONS, lambda epoch, figures: epochs.append(epoch))
    assert (epochs, weights.find(str(out)).name) == ([], "mine")


def test_two_trainings_at_once_do_not_share_a_folder(data, tmp_path) -> None:
    out = tmp_path / "mine"

    def train_there_too(epoch: int, figures: dict[str, float]) -> None:
        with pytest.raises(OutputError, match="another process trains here; name another --out"):
            train(data, None, out, OPTIONS, ignore)

    train(data, None, out, OPTIONS, train_there_too)
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["mine"]


def test_a_place_that_cannot_be_written_is_named(data) -> None:
    with pytest.raises(OutputError, match="cannot write"):
        train(data, None, data / "mine", OPTIONS, ignore)


@pytest.mark.parametrize("batch_size", [16, 60])
def test_a_training_that_diverges_at_once_names_the_remedy_and_makes_way_for_it(
    data, tmp_path, batch_size
) -> None:
    out = tmp_path / "models" / "mine"
    options = replace(OPTIONS, learning_rate=1e38, batch_size=batch_size)
    with pytest.raises(TrainError, match="not a number in epoch 1: try a lower --learning-rate"):
        train(data, None, out, options, ignore)
    assert not list(out.parent.iterdir())


class Bomb(keras.layers.Layer):
    """Makes everything not a number from the fifth step of a training on."""

    def build(self, _):
        self.steps = self.add_weight(name="steps", shape=(), initializer="zeros", trainable=False)

    def call(self, x, training=False):
        if not training:
            return x
        self.steps.assign_add(1.0)
        return keras.ops.where(self.steps > 4, np.nan, x)


@pytest.fixture
def bomb(monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a net whose training ends so."""

    def build(n_emotions: int, channels: int) -> keras.Model:
        tiny = nets.NETS["tiny"](n_emotions, channels)
        return keras.Model(tiny.input, Bomb()(tiny.output), name="bomb")

    monkeypatch.setitem(nets.NETS, "bomb", build)
    return "bomb"


def test_a_training_that_diverges_later_leaves_the_last_good_weights(data, tmp_path, bomb) -> None:
    out = tmp_path / "models" / "mine"
    with pytest.raises(TrainError, match=r"in epoch 2: the weights after epoch 1 are in .*mine;"):
        train(data, None, out, replace(OPTIONS, net=bomb), ignore)
    spec = weights.find(str(out))
    assert spec.training["ended"] == "the loss was not a number in epoch 2"
    assert np.isfinite(load_net(spec, "bomb").get_weights()[0]).all()
    assert list(out.parent.iterdir()) == [out]


def test_a_training_that_diverges_replaces_no_model(data, tmp_path, bomb) -> None:
    out = tmp_path / "models" / "mine"
    before = train(data, None, out, replace(OPTIONS, epochs=1), ignore)
    with pytest.raises(TrainError, match=r"weights after epoch 1 are in .*mine-diverged;"):
        train(data, None, out, replace(OPTIONS, net=bomb), ignore, force=True)
    assert weights.find(str(out)) == before
    assert weights.find(f"{out}-diverged").net == "bomb"
    assert len(list(out.parent.iterdir())) == 2


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
    assert list(tmp_path.iterdir()) == [data]


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        ({"net": "typo"}, "unknown net 'typo'"),
        ({"start_from": "nobody"}, "no model 'nobody'"),
        ({"start_from": "default"}, "is a slim_se_resnet, not a tiny"),
        ({"teachers": ("nobody",)}, "no model 'nobody'"),
        ({"teachers": ("default",), "n_emotions": 6}, "cannot teach 6 emotions"),
    ],
)
def test_what_cannot_work_is_told_before_the_data_is_read(tmp_path, chosen, reason) -> None:
    with pytest.raises(ModelError, match=reason):
        train(tmp_path / "nowhere", None, tmp_path / "mine", replace(OPTIONS, **chosen), ignore)
    assert not list(tmp_path.iterdir())


def test_epochs_before_memory_was_exhausted_are_kept_for_the_same_command(data, tmp_path) -> None:
    def exhausted(epoch: int, _: dict[str, float]) -> None:
        if epoch == 1:
            raise MemoryError

    out, told = tmp_path / "mine", []
    with pytest.raises(TrainError, match="memory is exhausted"):
        train(data, None, out, OPTIONS, exhausted)
    train(data, None, out, OPTIONS, lambda epoch, _: told.append(epoch))
    assert told == [2]


def test_a_place_for_tensorboard_that_cannot_be_made_is_told_at_once(data, tmp_path) -> None:
    with pytest.raises(OutputError, match=r"fer2013\.csv: file exists"):
        train(data, None, tmp_path / "mine", OPTIONS, ignore, data)
    assert not list(tmp_path.glob(".mine*"))


@pytest.mark.parametrize("out", [".", ".."])
def test_a_model_needs_a_name(data, out) -> None:
    with pytest.raises(OutputError, match="called by its folder's name"):
        train(data, None, Path(out), OPTIONS, ignore, force=True)


def test_a_folder_of_train_and_test_is_enough(tmp_path) -> None:
    drawn = some_faces(train=70, test=14)
    for number, (image, label, split) in enumerate(
        zip(drawn.images, drawn.labels, drawn.split, strict=True)
    ):
        save(tmp_path / "data" / split / EMOTIONS[label] / f"{number:03d}.png", image)
    spec = train(tmp_path / "data", None, tmp_path / "mine", replace(OPTIONS, epochs=1), ignore)
    assert spec.metrics["label"]["n"] == 14
    card = (tmp_path / "mine" / "README.md").read_text()
    assert "--data data --out models/mine" in card
    assert spec.training["images"] == {"train": 63, "validation": 7, "test": 14}
    assert "Images: 63 for train, 7 for validation, 14 for test; validation held out" in card


def test_ranges_of_a_sorted_data_set_are_taken_of_every_emotion(tmp_path, monkeypatch) -> None:
    drawn = some_faces(train=70, validation=280, test=14)
    for number, (image, label, split) in enumerate(
        zip(drawn.images, drawn.labels, drawn.split, strict=True)
    ):
        save(tmp_path / "data" / split / EMOTIONS[label] / f"{number:03d}.png", image)
    shown: list[np.ndarray] = []

    def convert(spec: weights.ModelSpec, net: keras.Model, crops: np.ndarray) -> weights.ModelSpec:
        shown.append(crops)
        return spec

    monkeypatch.setattr(export, "convert", convert)
    train(tmp_path / "data", None, tmp_path / "mine", replace(OPTIONS, epochs=1), ignore)
    (crops,) = shown
    brightest_row = crops.mean(axis=2).argmax(axis=1)
    labels = (brightest_row - 2) // 6  # as the faces are drawn
    assert len(crops) == 256
    assert np.bincount(labels).tolist() == pytest.approx([256 / 7] * 7, abs=1)


def test_no_model_goes_on_with_what_it_would_be_tested_on(tmp_path) -> None:
    drawn = some_faces(train=140)
    for number, (image, label) in enumerate(zip(drawn.images, drawn.labels, strict=True)):
        save(tmp_path / "data" / EMOTIONS[label] / f"{number:03d}.png", image)
    options = replace(OPTIONS, epochs=1, val_share=0.25)
    first, after = tmp_path / "first", tmp_path / "next"
    train(tmp_path / "data", None, first, options, ignore)
    for learned_from in ({"start_from": str(first)}, {"teachers": (str(first),)}):
        other = replace(options, val_share=0.1, **learned_from)
        with pytest.raises(
            OptionError, match=r"first learned from .* --val-share 0\.25: with 0\.1"
        ):
            train(tmp_path / "data", None, after, other, ignore)
    assert not after.exists()
    train(tmp_path / "data", None, after, replace(options, start_from=str(first)), ignore)
    code, _, err = run("evaluate", "--data", tmp_path / "data", "--model", after)
    assert (code, "next learned from these images" in err) == (2, True)
    code, _, err = run(
        "evaluate", "--data", tmp_path / "data", "--model", after, "--val-share", 0.25
    )
    assert (code, err.startswith("35 of 140 images are judged: ")) == (0, True)


def test_no_model_goes_on_with_what_it_would_be_validated_on(tmp_path) -> None:
    drawn = some_faces(train=140, test=14)
    for number, (image, label) in enumerate(zip(drawn.images, drawn.labels, strict=True)):
        folder = tmp_path / "data" / drawn.split[number] / EMOTIONS[label]
        save(folder / f"{number:03d}.png", image)
    options = replace(OPTIONS, epochs=1, val_share=0.25)
    train(tmp_path / "data", None, tmp_path / "first", options, ignore)
    other = replace(options, val_share=0.1, start_from=str(tmp_path / "first"))
    with pytest.raises(OptionError, match=r"--val-share 0\.25: with 0\.1 it would be judged on"):
        train(tmp_path / "data", None, tmp_path / "next", other, ignore)


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


@pytest.mark.parametrize(("n_emotions", "n_test"), [(6, 12), (8, 14)])
def test_a_net_of_six_or_eight_emotions_goes_from_data_to_answers(
    tmp_path, n_emotions, n_test
) -> None:
    data = write_csv(tmp_path / "fer2013.csv", csv_rows(faces()))
    seen = [votes(contempt=6, neutral=4)] * len(faces())
    ferplus = write_csv(tmp_path / "fer2013new.csv", votes_rows(faces(), seen))
    options = replace(OPTIONS, epochs=1, n_emotions=n_emotions)
    spec = train(data, ferplus, tmp_path / "mine", options, ignore)
    assert spec.labels == EMOTION_SETS[n_emotions]
    assert spec.metrics["label"]["n"] == n_test
    assert ("ferplus" in spec.metrics) == (n_emotions == 8)
    answers = load_classifier(ClassifyOptions(model=str(tmp_path / "mine")))(faces().images)
    assert answers.shape == (88, n_emotions)


def test_contempt_cannot_be_learned_from_votes_that_weigh_nothing(tmp_path) -> None:
    data = write_csv(tmp_path / "fer2013.csv", csv_rows(faces()))
    seen = [votes(contempt=6, neutral=4)] * len(faces())
    ferplus = write_csv(tmp_path / "fer2013new.csv", votes_rows(faces(), seen))
    options = replace(OPTIONS, n_emotions=8, ferplus_share=0)
    with pytest.raises(DataError, match="its train split has no contempt: use --emotions 7"):
        train(data, ferplus, tmp_path / "mine", options, ignore)


def test_a_taught_model_records_its_teachers(trained, data: Path, tmp_path: Path) -> None:
    options = replace(OPTIONS, teachers=(str(trained),), epochs=2)
    out = tmp_path / "models" / "next"
    with pytest.raises(Killed):
        train(data, None, out, options, killed_after(0))
    spec = train(data, None, out, options, ignore)
    assert spec.training["teachers"] == [
        {"name": "mine", "sha256": weights.find(str(trained)).sha256, "saw_fer2013": True}
    ]
    assert f"--teacher models/{trained.name}" in (out / "README.md").read_text()
    assert str(tmp_path) not in (out / "model.json").read_text()  # where it was is not told


def test_a_model_of_other_emotions_is_no_start(trained, data, tmp_path) -> None:
    options = replace(OPTIONS, start_from=str(trained), n_emotions=6)
    with pytest.raises(ModelError, match="mine tells 7 emotions apart, not 6"):
        train(data, None, tmp_path / "next", options, ignore)
