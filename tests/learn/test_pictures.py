"""Pictures of a data set and of a training: what stands in them."""

import numpy as np
import pandas as pd
import pytest

from fer_video.learn.pictures import draw_curves, draw_samples, plot_curves
from tests.learn.faces import draw
from tests.learn.reading import unreadable

OLD_COLUMNS = ["epoch", "accuracy", "loss", "val_accuracy", "val_loss"]
SHARES = ["val_auc", "val_precision", "val_recall", "val_f1"]
TRUTHS = ["val_label_accuracy", "val_ferplus_accuracy"]


def history(epochs: int) -> pd.DataFrame:
    """Make the history of a training on a data set with FER+ votes."""
    rng = np.random.default_rng(0)
    names = [*OLD_COLUMNS[1:], *SHARES, *TRUTHS]
    measures = pd.DataFrame(rng.random((epochs, len(names))), columns=names)
    numbers = np.arange(1, epochs + 1)
    return measures.assign(epoch=numbers, learning_rate=0.002 * 0.9**numbers)


def curves(figure) -> dict[str, dict[str, np.ndarray]]:
    """Read the points of each line, by the titles of the panels and the names of the lines."""
    return {
        axes.get_title("left"): {line.get_label(): line.get_xydata() for line in axes.lines}
        for axes in figure.axes
    }


def test_the_picture_of_samples_has_a_row_per_emotion_each_face_in_full() -> None:
    first, second = draw(3, 0), draw(3, 1)
    samples = {"happy": np.stack([first, second]), "fear": np.empty((0, 48, 48), np.uint8)}
    happy, fear = draw_samples(samples, {"happy": 1234, "fear": 0}).axes
    assert [text.get_text() for text in happy.texts] == ["happy", "1,234"]
    (shown,) = happy.images
    assert (shown.get_array()[:48, :48] == first).all()
    assert (shown.get_array()[:48, 51:99] == second).all()
    assert [text.get_text() for text in fear.texts] == ["fear", "0"]
    assert (fear.images[0].get_array() == 255).all()


def test_every_measure_of_a_training_is_drawn_over_epochs_from_1() -> None:
    measured = history(30)
    shown = curves(draw_curves(measured))
    assert {title: list(lines) for title, lines in shown.items()} == {
        "Loss": ["training", "validation"],
        "Accuracy": ["training", "validation", "validation: label", "validation: FER+"],
        "Validation AUC": ["AUC"],
        "Validation": ["precision", "recall", "F1"],
        "Learning rate": ["learning rate"],
    }
    columns = [
        "loss", "val_loss", "accuracy", "val_accuracy", "val_label_accuracy",
        "val_ferplus_accuracy", "val_auc", "val_precision", "val_recall", "val_f1", "learning_rate",
    ]  # fmt: skip
    points = [line for lines in shown.values() for line in lines.values()]
    for column, (epochs, values) in zip(columns, (line.T for line in points), strict=True):
        assert epochs.tolist() == list(range(1, 31))
        assert values.tolist() == measured[column].tolist()


@pytest.mark.parametrize(
    ("without", "titles"),
    [
        ([*SHARES, *TRUTHS, "learning_rate"], ["Loss", "Accuracy"]),
        (SHARES, ["Loss", "Accuracy", "Learning rate"]),
        (["val_auc"], ["Loss", "Accuracy", "Validation", "Learning rate"]),
    ],
)
def test_what_an_older_history_lacks_is_not_drawn(without, titles) -> None:
    assert list(curves(draw_curves(history(3).drop(columns=without)))) == titles
    assert list(curves(draw_curves(history(3).assign(**dict.fromkeys(without, np.nan))))) == titles


def test_without_ferplus_votes_accuracy_is_that_of_training_and_validation() -> None:
    shown = curves(draw_curves(history(3).drop(columns=TRUTHS)))
    assert list(shown["Accuracy"]) == ["training", "validation"]


def test_lines_are_named_in_a_legend_unless_the_title_names_the_only_one() -> None:
    named = {axes.get_title("left"): axes.get_legend() for axes in draw_curves(history(3)).axes}
    assert [text.get_text() for text in named["Validation"].get_texts()] == [
        "precision", "recall", "F1",
    ]  # fmt: skip
    assert [title for title, legend in named.items() if legend is None] == [
        "Validation AUC", "Learning rate",
    ]  # fmt: skip


def test_a_single_epoch_is_a_dot_and_many_are_lines() -> None:
    (one, *_), (many, *_) = (draw_curves(history(epochs)).axes for epochs in (1, 300))
    assert [line.get_marker() for line in one.lines] == ["o", "o"]
    assert [line.get_marker() for line in many.lines] == ["", ""]


def test_epochs_are_whole_numbers_on_the_axis() -> None:
    for epochs in (1, 2, 7, 300):
        for axes in draw_curves(history(epochs)).axes:
            assert (axes.get_xticks() % 1 == 0).all()


@pytest.mark.parametrize(
    ("rates", "scale"), [([0.002, 0.001], "log"), ([0.002, 0.0], "log"), ([0.0, 0.0], "linear")]
)
def test_the_learning_rate_is_drawn_on_a_logarithmic_axis_where_it_has_a_logarithm(
    rates, scale
) -> None:
    figure = draw_curves(history(2).assign(learning_rate=rates))
    figure.draw_without_rendering()
    assert [axes.get_yscale() for axes in figure.axes] == ["linear"] * 4 + [scale]
    zero_px = figure.axes[4].transData.transform((2, 0))[1]
    assert np.isfinite(zero_px) == (scale == "linear")


@pytest.mark.parametrize("epochs", [1, 300])
def test_every_word_of_the_curves_can_be_read(epochs) -> None:
    assert unreadable(draw_curves(history(epochs))) == []
    assert unreadable(draw_curves(history(epochs)[OLD_COLUMNS])) == []


@pytest.mark.parametrize("suffix", [".png", ".pdf"])
def test_the_same_history_gives_the_same_bytes(tmp_path, suffix) -> None:
    files = [tmp_path / f"{number}{suffix}" for number in range(2)]
    for file in files:
        plot_curves(history(4), file)
    first, second = (file.read_bytes() for file in files)
    assert first == second
    assert b"CreationDate" not in first
    assert sorted(tmp_path.iterdir()) == files
