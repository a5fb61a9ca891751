"""Pictures of one test: what stands in them."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from sklearn import metrics as measures

from fer_video.colors import color_of
from fer_video.errors import OutputError
from fer_video.labels import EMOTIONS
from fer_video.learn.charts import (
    draw_confusion,
    draw_reliability,
    draw_roc,
    plot_confusion,
    plot_report,
)
from tests.learn.reading import texts, unreadable

COUNTS = [
    [271, 3, 16, 11, 55, 12, 123],
    [0, 0, 0, 0, 0, 0, 0],
    [66, 3, 113, 18, 123, 75, 130],
    [4, 0, 3, 806, 7, 20, 39],
    [24, 1, 11, 25, 274, 9, 250],
    [8, 0, 18, 36, 5, 327, 22],
    [4, 1, 2, 35, 55, 8, 521],
]
LONG_NAMES = [f"somewhat {emotion}, perhaps" for emotion in EMOTIONS]
EMPTY = {"n": 0, "confidence": None, "accuracy": None}
BINS = [
    EMPTY,
    {"n": 2, "confidence": 0.36, "accuracy": 0.5},
    {"n": 40, "confidence": 0.5, "accuracy": 0.4},
    EMPTY,
    {"n": 80, "confidence": 0.97, "accuracy": 0.9},
]


def roc_of(seed: int = 0) -> tuple[dict, dict]:
    """Judge random answers, which are somewhat right; nobody is disgusted."""
    rng = np.random.default_rng(seed)
    truth = rng.choice([0, 2, 3, 4, 5, 6], 200)
    scores = rng.random((200, 7)) + 0.5 * np.eye(7)[truth]
    roc, auc = {}, {}
    for label, emotion in enumerate(EMOTIONS):
        auc[emotion] = None
        if (truth == label).any():
            false, true, _ = measures.roc_curve(truth == label, scores[:, label])
            roc[emotion] = {
                "false_positive_rate": false.tolist(),
                "true_positive_rate": true.tolist(),
            }
            auc[emotion] = float(measures.auc(false, true))
    return roc, auc


def report() -> dict:
    roc, auc = roc_of()
    return {
        "n": 3534,
        "accuracy": 0.6542,
        "calibration_error": 0.187,
        "macro_auc": 0.789,
        "confusion": COUNTS,
        "roc": roc,
        "reliability": BINS,
        "per_emotion": {emotion: {"auc": auc[emotion]} for emotion in EMOTIONS},
    }


def cells(axes) -> list[list[str]]:
    written = {text.get_position(): text.get_text() for text in axes.texts}
    return [[written[column, row] for column in range(7)] for row in range(7)]


def luminance(rgb) -> float:
    """Relative luminance as WCAG 2.1 defines it."""
    linear = [x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in rgb]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_the_cells_of_a_confusion_matrix_are_its_counts_and_the_percents_of_its_rows() -> None:
    counts, percents = draw_confusion(COUNTS, EMOTIONS).axes
    assert cells(counts) == [[str(n) for n in row] for row in COUNTS]
    assert cells(percents)[0] == ["55", "1", "3", "2", "11", "2", "25"]
    assert cells(percents)[3][3] == "92"


def test_an_emotion_that_nobody_shows_has_counts_of_zero_and_no_percents() -> None:
    counts, percents = draw_confusion(COUNTS, EMOTIONS).axes
    assert cells(counts)[1] == ["0"] * 7
    assert cells(percents)[1] == [""] * 7
    assert np.isfinite(percents.images[0].get_array()).all()


def test_truths_are_rows_and_answers_are_columns_each_named() -> None:
    figure = draw_confusion(COUNTS, EMOTIONS, "Accuracy 65.4 %")
    counts, percents = figure.axes
    assert [label.get_text() for label in counts.get_yticklabels()] == list(EMOTIONS)
    for axes in (counts, percents):
        assert [label.get_text() for label in axes.get_xticklabels()] == list(EMOTIONS)
    assert counts.get_ylabel() == "Truth"
    assert figure.get_supxlabel() == "Answer"
    assert figure.get_suptitle() == "Accuracy 65.4 %"
    # the first row is at the top
    assert counts.get_ylim() == (6.5, -0.5)


def test_the_numbers_stand_out_from_dark_and_from_light_cells() -> None:
    every_shade = np.arange(49).reshape(7, 7)
    shown = draw_confusion(every_shade.tolist(), EMOTIONS).axes[0]
    (image,) = shown.images
    for text in shown.texts:
        column, row = text.get_position()
        cell = luminance(image.to_rgba(image.get_array())[row, column, :3])
        ink = luminance(to_rgb(text.get_color()))
        assert (max(cell, ink) + 0.05) / (min(cell, ink) + 0.05) > 4.5  # what WCAG 2.1 asks for


def test_each_emotion_has_a_curve_in_its_colour_and_its_area_in_the_legend() -> None:
    roc, auc = roc_of()
    (axes,) = draw_roc(roc, auc, EMOTIONS, macro_auc=0.789).axes
    lines = {line.get_label(): line for line in axes.lines}
    for emotion in set(EMOTIONS) - {"disgust"}:
        line = lines[f"{auc[emotion]:.3f}  {emotion}"]
        assert line.get_color() == color_of(emotion)
        assert line.get_xdata().tolist() == roc[emotion]["false_positive_rate"]
        assert line.get_ydata().tolist() == roc[emotion]["true_positive_rate"]
    assert lines["0.500  chance"].get_xydata().tolist() == [[0, 0], [1, 1]]
    assert [text.get_text() for text in axes.get_legend().get_texts()] == list(lines)
    assert "0.789  macro mean" in lines


def test_an_emotion_without_a_curve_is_in_the_legend_with_a_dash() -> None:
    (axes,) = draw_roc(*roc_of(), EMOTIONS).axes
    (name,) = [line.get_label() for line in axes.lines if "disgust" in line.get_label()]
    assert name.split() == ["–", "disgust"]
    assert not any("macro" in line.get_label() for line in axes.lines)


def test_a_reliability_diagram_has_a_dot_per_bin_that_holds_a_face() -> None:
    upper, lower = draw_reliability(BINS).axes
    gaps, dots = upper.collections
    assert dots.get_offsets().tolist() == [[0.36, 0.5], [0.5, 0.4], [0.97, 0.9]]
    assert [path.vertices.tolist() for path in gaps.get_paths()][1] == [[0.5, 0.5], [0.5, 0.4]]
    assert upper.lines[0].get_xydata().tolist() == [[0, 0], [1, 1]]
    heights, edges, _ = lower.patches[0].get_data()
    assert heights.tolist() == [0, 2, 40, 0, 80]
    assert np.allclose(edges, [0, 0.2, 0.4, 0.6, 0.8, 1])


def test_the_area_of_a_dot_is_its_number_of_faces_unless_it_would_vanish() -> None:
    few, some, many = draw_reliability(BINS).axes[0].collections[1].get_sizes()
    assert many == pytest.approx(2 * some)
    assert few > many / 40


@pytest.mark.parametrize("title", [None, "Calibration error 0.187, 12,345 faces"])
def test_every_word_of_the_pictures_can_be_read(title) -> None:
    many = (np.array(COUNTS) * 10).tolist()
    for figure in (
        draw_confusion(many, EMOTIONS, title),
        draw_confusion(many, LONG_NAMES, title),
        draw_roc(*roc_of(), EMOTIONS, 0.789),
        draw_reliability(BINS, title),
    ):
        assert unreadable(figure) == []
        assert not any("nan" in text.get_text() for text in texts(figure))


def test_a_report_is_three_pictures_the_same_each_time(tmp_path: Path) -> None:
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        plot_report(report(), EMOTIONS, folder)
    for folder in folders:
        names = sorted(path.name for path in folder.iterdir())
        assert names == ["confusion.png", "reliability.png", "roc.png"]
    for name in names:
        assert (folders[0] / name).read_bytes() == (folders[1] / name).read_bytes()


def test_a_picture_that_cannot_be_drawn_leaves_the_one_before_it(tmp_path: Path) -> None:
    out = tmp_path / "confusion.png"
    out.write_bytes(b"before")
    with pytest.raises(ValueError, match="broken"):
        plot_confusion(COUNTS, [*EMOTIONS[:6], "$\\broken$"], out)
    assert out.read_bytes() == b"before"
    with pytest.raises(OutputError, match=r"\.png or \.svg or \.pdf"):
        plot_confusion(COUNTS, EMOTIONS, tmp_path / "confusion.bmp")
    assert list(tmp_path.iterdir()) == [out]
