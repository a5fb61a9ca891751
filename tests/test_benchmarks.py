import json
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest
import shipped
import ways
from page import marks

from fer_video import weights
from fer_video.backend import keras
from fer_video.classify import load_classifier
from fer_video.learn.dataset import VALIDATION
from fer_video.options import ClassifyOptions
from tests.learn.faces import csv_rows, some_faces, votes, votes_rows, write_csv

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
NETS, EXPERIMENTS = BENCHMARKS / "nets.py", BENCHMARKS / "experiments.py"


def test_every_architecture_has_a_budget_and_no_other_a_report() -> None:
    from fer_video.nets import NETS as NAMES

    script = runpy.run_path(str(NETS))
    stored = {path.parent.name for path in script["REPORTS"].glob("*/report.json")}
    assert stored <= set(script["BUDGETS"]) == set(NAMES)


@pytest.mark.parametrize("path", [NETS, EXPERIMENTS])
def test_the_table_is_that_of_the_stored_reports_and_notes(path: Path) -> None:
    script = runpy.run_path(str(path))
    begin, end = marks(script["NAME"])
    assert begin + script["table"]() + end in script["PAGE"].read_text("utf-8")


def test_the_table_of_mixes_is_that_of_the_stored_notes(monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    script = runpy.run_path(str(BENCHMARKS / "mixes.py"))
    begin, end = script["replace_table"].__globals__["marks"](script["NAME"])
    assert begin + script["table"]() + end in script["ACCURACY"].read_text("utf-8")


@pytest.mark.parametrize("name", ["shapes.py", "steps.py"])
def test_the_table_is_that_of_the_stored_figures(monkeypatch, name: str) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    script = runpy.run_path(str(BENCHMARKS / name))
    begin, end = marks(script["NAME"])
    assert begin + script["tables"]() + end in script["PAGE"].read_text("utf-8")


def test_a_sharpness_aware_step_follows_the_gradient_of_the_worst_weight_nearby() -> None:
    number = keras.Input((1,))
    answer = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")(number)
    net = ways.SharpnessAware(number, answer)
    net.compile(keras.optimizers.SGD(0.1), "mse")
    net.fit(np.ones((1, 1)), np.zeros((1, 1)), verbose=0)
    # the loss is the weight's square: the worst weight near 1 is 1.05, and its gradient 2.1
    assert net.get_weights()[0] == pytest.approx(1 - 0.1 * 2.1)


def test_each_way_that_was_tried_is_one_that_the_script_repeats() -> None:
    notes = runpy.run_path(str(EXPERIMENTS))["NOTES"].glob("way_*.json")
    told = {path.stem: json.loads(path.read_text("utf-8")) for path in notes}
    assert "way_base" in told
    for name, note in told.items():
        way = ways.WAYS[name.removeprefix("way_")]
        assert note["why"] == way.why
        assert {key: note["options"][key] for key in way.options} == way.options


@pytest.mark.parametrize(("page_and_name", "write"), shipped.TABLES.items())
def test_the_pages_say_how_good_the_shipped_models_are_by_their_reports(
    page_and_name, write
) -> None:
    page, name = page_and_name
    begin, end = marks(name)
    assert begin + write() + end in page.read_text("utf-8")


def test_an_experiment_is_noted_with_what_repeats_it(tmp_path, monkeypatch) -> None:
    script = runpy.run_path(str(EXPERIMENTS))
    monkeypatch.setitem(script["note"].__globals__, "NOTES", tmp_path)
    drawn = some_faces(train=7, validation=14, test=7)
    data = write_csv(tmp_path / "fer2013.csv", csv_rows(drawn))
    seen = [votes(happiness=10)] * len(drawn)
    ferplus = write_csv(tmp_path / "fer2013new.csv", votes_rows(drawn, seen))
    folder = shutil.copytree(weights.find("default").folder, tmp_path / "first")
    script["note"](folder, "whether it can", data, ferplus)
    public = drawn.part(VALIDATION)
    answers = load_classifier(ClassifyOptions())(public.images).argmax(axis=1)
    (row,) = script["table"]().splitlines()[2:]
    assert row.startswith("| first | whether it can | `slim_se_resnet` | 39.5 M | 0.")
    assert " | `--from " in row
    assert f"| {(answers == 3).mean():.1%} | ".replace("%", " %") in row
    assert row.endswith(f"| {(answers == public.labels).mean():.1%} |".replace("%", " %"))
