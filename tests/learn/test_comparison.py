import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from fer_video.learn.comparison import as_cells, as_markdown, as_rows, reports_of, write_reports
from fer_video.learn.evaluate import EvaluationSet, Judgement
from fer_video.learn.measures import paired_interval
from tests.learn.faces import numbered, sure_of


def measures(accuracy: float, n: int = 100) -> dict[str, object]:
    return {
        "n": n,
        "accuracy": accuracy,
        "accuracy_interval": [accuracy - 0.02, accuracy + 0.01],
        "macro_f1": accuracy / 2,
        "calibration_error": 0.012,
        "calibration_error_untempered": 0.123,
    }


def report(name: str, ferplus: bool = True, **more: object) -> dict[str, object]:
    tests = {"label": measures(0.6, 120)} | ({"ferplus": measures(0.8)} if ferplus else {})
    return {
        "model": name,
        "net": "cnn4",
        "split": "test",
        "parameters": 1234567,
        "multiply_adds": 75_330_672,
        "seconds_per_crop": 0.00123,
        "main_test": "ferplus" if ferplus else "label",
        "tests": tests,
    } | more


def test_each_model_gets_a_row_with_what_models_are_compared_by() -> None:
    header, one, other = as_cells([report("one"), report("other")])
    assert dict(zip(header, one, strict=True)) == {
        "model": "one",
        "FER+ accuracy": "0.800 (0.780 to 0.810)",
        "label accuracy": "0.600",
        "macro-F1": "0.400",
        "cal. before": "0.123",
        "cal. after": "0.012",
        "ms per crop": "1.23",
        "parameters": "1,234,567",
        "multiply-adds": "75,330,672",
    }
    assert other == ["other", *one[1:]]


def test_without_votes_the_interval_is_of_the_labels() -> None:
    header, row = as_cells([report("one", ferplus=False)])
    assert header[1:3] == ["label accuracy", "macro-F1"]
    assert row[1:3] == ["0.600 (0.580 to 0.610)", "0.300"]


def test_mirrored_answers_are_a_row_of_their_own() -> None:
    mirrored = {"label": measures(0.65), "ferplus": measures(0.85)}
    _, plain, averaged = as_cells([report("one", mirrored=mirrored)])
    assert (plain[0], averaged[0]) == ("one", "one, mirrored")
    assert averaged[1].startswith("0.850")


def test_a_mirrored_row_tells_the_cost_of_both_passes() -> None:
    mirrored = {"label": measures(0.65), "ferplus": measures(0.85)}
    plain, averaged = as_rows([report("one", mirrored=mirrored)])
    for cost in ("ms_per_crop", "multiply_adds"):
        assert averaged[cost] == 2 * plain[cost] > 0
    assert averaged["parameters"] == plain["parameters"]


def test_photographs_without_a_face_are_counted() -> None:
    tests = {"label": measures(0.5) | {"accuracy_of_all": 0.4}}
    header, row = as_cells([report("one", ferplus=False) | {"tests": tests, "without_face": 25}])
    cells = dict(zip(header, row, strict=True))
    assert (cells["without a face"], cells["accuracy of all"]) == ("25", "0.400")


def test_markdown_has_as_many_cells_in_each_line() -> None:
    lines = as_markdown([report("one"), report("other")]).splitlines()
    assert [line.count("|") for line in lines] == [10] * 4
    assert lines[1] == "|---|---|---|---|---|---|---|---|---|"


@pytest.mark.parametrize("suffix", [".json", ".JSON"])
def test_json_holds_the_reports_themselves(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"r{suffix}"
    write_reports([report("one")], path)
    assert json.loads(path.read_text()) == [report("one")]


def test_csv_holds_numbers_as_they_are(tmp_path: Path) -> None:
    write_reports([report("one"), report("other")], tmp_path / "r.csv")
    table = pd.read_csv(tmp_path / "r.csv", index_col="model")
    assert list(table.index) == ["one", "other"]
    row = table.loc["one"]
    assert (row["ferplus_accuracy"], row["accuracy_low"], row["images"]) == (0.8, 0.78, 100)
    assert (row["ms_per_crop"], row["multiply_adds"]) == (1.23, 75_330_672)


def judgement(name: str, answers: Sequence[int]) -> Judgement:
    """Ten images with the emotion 0, two of unknown emotion, one without a face."""
    has_face = np.array([True] * 10 + [True, True, False])
    images = EvaluationSet(
        crops=np.zeros((12, 48, 48), np.uint8),
        has_face=has_face,
        truths={"ferplus": np.array([0] * 10 + [-1, -1, 0])},
        is_copy=np.zeros(13, bool),
        places=numbered(13),
        emotions=("angry", "disgust", "fear"),
    )
    return Judgement(images, sure_of([*answers, 1, 2], 0.9), report(name))


def test_models_are_compared_on_the_same_images() -> None:
    first, other, same = reports_of([
        judgement("first", [0, 0, 0, 0, 0, 1, 1, 1, 1, 1]),
        judgement("other", [1, 0, 0, 0, 0, 0, 0, 0, 1, 1]),
        judgement("same", [0, 0, 0, 0, 0, 2, 2, 2, 2, 2]),
    ])  # fmt: skip
    assert "compared" not in first
    compared = other["compared"]
    assert (compared["with"], compared["n_gained"], compared["n_lost"]) == ("first", 3, 1)
    assert compared["difference"] == pytest.approx(0.2)
    assert compared["interval"][0] < 0.2 < compared["interval"][1]
    # other mistakes are no difference, and there is no doubt about it
    assert (same["compared"]["difference"], same["compared"]["interval"]) == (0, (0, 0))
    header, *rows = as_cells([first, other, same])
    column = header.index("difference to the first")
    low, high = compared["interval"]
    assert [row[column] for row in rows] == [
        "", f"+0.200 ({low:+.3f} to {high:+.3f})", "+0.000 (+0.000 to +0.000)",
    ]  # fmt: skip
    assert pd.DataFrame(as_rows([first, other]))["difference"].isna().tolist() == [True, False]


def test_a_single_model_is_compared_with_none() -> None:
    (alone,) = reports_of([judgement("alone", [0] * 10)])
    assert "difference to the first" not in as_cells([alone])[0]


def test_a_paired_interval_is_that_of_resampled_images() -> None:
    """Draw images with replacement, and see how far the two accuracies are apart each time."""
    rng = np.random.default_rng(1)
    first, other = rng.random((2, 400)) < np.array([[0.7], [0.75]])
    drawn = rng.integers(0, 400, (4000, 400))
    resampled = np.quantile((other[drawn].mean(1) - first[drawn].mean(1)), (0.025, 0.975))
    gained, lost = int((other & ~first).sum()), int((first & ~other).sum())
    assert paired_interval(gained, lost, 400) == pytest.approx(resampled, abs=0.006)
