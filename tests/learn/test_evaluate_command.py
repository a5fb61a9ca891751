"""`fer-video evaluate`, as a user types it."""

import errno
import json
import os
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from skimage import data

from fer_video import weights
from fer_video.labels import EMOTIONS
from tests.learn.faces import csv_rows, save, some_faces, votes, votes_rows, write_csv
from tests.test_cli import files, run


@pytest.fixture(scope="module")
def fer2013(tmp_path_factory: pytest.TempPathFactory) -> Path:
    drawn = some_faces(train=7, test=21)
    return write_csv(tmp_path_factory.mktemp("data") / "fer2013.csv", csv_rows(drawn))


@pytest.fixture(scope="module")
def ferplus(fer2013: Path) -> Path:
    drawn = some_faces(train=7, test=21)
    seen = [votes(happiness=7, neutral=3)] * len(drawn)
    return write_csv(fer2013.with_name("fer2013new.csv"), votes_rows(drawn, seen))


def another_model(folder: Path, **changes: object) -> Path:
    """Copy the shipped model, with something else in its ``model.json``."""
    copy = Path(shutil.copytree(weights.find("default").folder, folder))
    content = asdict(replace(weights.read_spec(copy), name=folder.name, **changes))
    del content["folder"]
    (copy / weights.SPEC_FILE).write_text(json.dumps(content))
    return copy


def test_one_model_shows_every_test_and_each_emotion(fer2013, ferplus, tmp_path) -> None:
    out = tmp_path / "r.json"
    code, shown, err = run(
        "evaluate", "--data", fer2013, "--ferplus", ferplus, "--mirrored", "--out", out
    )
    assert (code, err) == (0, "")
    lines = shown.splitlines()
    assert lines[0].startswith("default: slim_se_resnet, 534,253 parameters, ")
    assert lines[2].split() == [
        "label", "label_without_copies", "ferplus", "ferplus_without_copies",
    ]  # fmt: skip
    assert "ferplus by emotion (sensitivity is recall):" in lines
    assert {line.split()[0] for line in lines if line} >= set(EMOTIONS)
    assert "averaged over each crop and its mirror image:" in lines
    assert lines[-1] == f"wrote {out}"
    (report,) = json.loads(out.read_text())
    assert set(report["tests"]) == set(report["mirrored"])
    assert report["tests"]["label"]["n"] == 21
    accuracies = [report["tests"][test]["accuracy"] for test in lines[2].split()]
    assert lines[4].split() == ["accuracy", *(f"{accuracy:.3f}" for accuracy in accuracies)]


def test_several_models_are_a_table_of_one_row_each(fer2013, ferplus, tmp_path) -> None:
    other = another_model(tmp_path / "other", temperature=1.0)
    words = ["--data", fer2013, "--ferplus", ferplus, "--model", "default", "--model", other]
    code, shown, _ = run("evaluate", *words, "--out", tmp_path / "r.csv")
    header, *rows = shown.splitlines()[:-1]
    assert code == 0
    assert header.startswith("model  ")
    assert [row.split()[0] for row in rows] == ["default", "other"]
    assert len({len(line) for line in (header, *rows)}) == 1
    table = pd.read_csv(tmp_path / "r.csv", index_col="model")
    # the temperature moves no answer, and without one nothing is undone
    assert table["ferplus_accuracy"].nunique() == 1
    assert table["calibration_error"]["default"] != table["calibration_error"]["other"]
    after, before = (table.loc["other", f"calibration_error{end}"] for end in ("", "_untempered"))
    assert after == before
    assert run("evaluate", *words, "--out", tmp_path / "r.md")[0] == 0
    assert (tmp_path / "r.md").read_text().startswith("| model | FER+ accuracy | label accuracy |")


def test_the_validation_split_can_be_judged_and_the_test_split_stays_unread(tmp_path) -> None:
    drawn = some_faces(train=7, validation=14, test=21)
    path = write_csv(tmp_path / "fer2013.csv", csv_rows(drawn))
    words = ["evaluate", "--data", path, "--out", tmp_path / "r.csv", "--split", "validation"]
    code, _, err = run(*words)
    assert (code, err.count("\n")) == (0, 1)
    assert "what you report is the test split's" in err
    (row,) = pd.read_csv(tmp_path / "r.csv").to_dict("records")
    assert (row["split"], row["images"]) == ("validation", 14)
    code, _, err = run("evaluate", "--data", path, "--split", "train")
    assert (code, "--split" in err) == (2, True)


def test_every_answer_can_be_kept(fer2013, ferplus, tmp_path) -> None:
    other = another_model(tmp_path / "other", temperature=1.0)
    code, shown, _ = run(
        "evaluate", "--data", fer2013, "--ferplus", ferplus, "--model", "default", "--model", other,
        "--answers", tmp_path / "a.csv", "--out", tmp_path / "r.csv",
    )  # fmt: skip
    assert (code, shown.splitlines()[-1]) == (0, f"wrote {tmp_path / 'a.csv'}")
    rows = pd.read_csv(tmp_path / "a.csv")
    assert rows.groupby("model", sort=False).size().to_dict() == {"default": 21, "other": 21}
    # the header is the first line, and seven faces to learn from come before
    assert rows["image"].tolist() == 2 * [f"line {number}" for number in range(9, 30)]
    assert rows["label"][:7].tolist() == list(EMOTIONS)
    assert set(rows["ferplus"]) == {"happy"}
    assert not rows["is_copy"].any()
    probabilities = rows[[f"p_{emotion}" for emotion in EMOTIONS]]
    assert probabilities.sum(axis=1).to_numpy() == pytest.approx(1, abs=1e-6)
    assert ("p_" + rows["answer"] == probabilities.idxmax(axis=1)).all()
    reported = pd.read_csv(tmp_path / "r.csv", index_col="model")
    for truth in ("label", "ferplus"):
        right = (rows["answer"] == rows[truth]).groupby(rows["model"]).mean()
        assert right.to_dict() == pytest.approx(reported[f"{truth}_accuracy"].to_dict())


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eileen Collins, who smiles, twice in a large picture; and two pictures of nobody."""
    folder = tmp_path_factory.mktemp("photographs")
    collins = data.astronaut()
    save(folder / "test/happy/collins.png", np.tile(collins, (2, 2, 1)))
    save(folder / "test/happy/mirrored.png", collins[:, ::-1])
    save(folder / "test/neutral/nobody.png", np.full((200, 300, 3), 128, np.uint8))
    save(folder / "test/neutral/coffee.png", data.coffee())
    return folder


def test_whole_photographs_are_judged_from_end_to_end(photographs: Path, tmp_path: Path) -> None:
    words = ["evaluate", "--data", photographs, "--faces", "detect"]
    code, shown, err = run(*words, "--out", tmp_path / "r.json", "--answers", tmp_path / "a.csv")
    assert (code, err) == (0, "")
    assert "no face was found in 2 of 4 photographs" in shown
    answers = pd.read_csv(tmp_path / "a.csv", index_col="image")
    assert answers["answer"].dropna().to_dict() == {
        "test/happy/collins.png": "happy", "test/happy/mirrored.png": "happy",
    }  # fmt: skip
    assert answers["p_happy"].notna().tolist() == answers["answer"].notna().tolist()
    (report,) = json.loads((tmp_path / "r.json").read_text())
    assert report["without_face"] == 2
    measures = report["tests"]["label"]
    assert (measures["n"], measures["accuracy"], measures["accuracy_of_all"]) == (2, 1, 0.5)
    assert run(*words, "--detector", "haar", "--min-face", 30)[0] == 0
    wider = another_model(tmp_path / "wider", crop={"size_px": 48, "margin": 0.2, "align": True})
    code, shown, _ = run(*words, "--model", "default", "--model", wider)
    assert code == 0
    assert "without a face" in shown
    assert len(shown.splitlines()) == 3


def test_faces_are_cut_out_to_learn_from(photographs: Path, tmp_path: Path) -> None:
    out = tmp_path / "faces"
    code, shown, err = run("faces", photographs, "--out", out)
    assert (code, shown) == (0, f"wrote {out}: 2 faces of 4 photographs\n")
    assert err.splitlines() == [
        "test/neutral/coffee.png shows no face", "test/neutral/nobody.png shows no face",
    ]  # fmt: skip
    # what was cut is what --faces detect judges
    code, _, _ = run("evaluate", "--data", out, "--answers", tmp_path / "cut.csv")
    run("evaluate", "--data", photographs, "--faces", "detect", "--answers", tmp_path / "seen.csv")
    cut, seen = (pd.read_csv(tmp_path / f"{name}.csv").dropna() for name in ("cut", "seen"))
    assert (code, len(cut)) == (0, 2)
    assert cut["p_happy"].tolist() == seen["p_happy"].tolist()
    assert run("faces", photographs, "--out", out)[0] == 6
    assert run("faces", photographs, "--out", tmp_path / "x", "--min-face", 9000)[0] == 8


def _bad_inputs(folder: Path, fer2013: Path) -> dict[str, tuple[list[object], int, str]]:
    six = another_model(folder / "six", labels=EMOTIONS[:6])
    twin = another_model(folder / "twins" / "default")
    existing = folder / "old.json"
    existing.write_text("precious")
    (folder / "old.csv").touch()
    (folder / "empty").mkdir()
    save(folder / "plots/default/confusion.png", np.zeros((8, 8), np.uint8))
    given, detect = ["--data", fer2013], ["--faces", "detect"]
    return {
        "no data": (["--data", folder / "nowhere.csv"], 8, "no such file or folder"),
        "no votes": ([*given, "--ferplus", folder / "nowhere.csv"], 8, "no such file or folder"),
        "no model": ([*given, "--model", "nobody"], 4, "no model 'nobody'"),
        "same name": (
            [*given, "--model", "default", "--model", twin], 2, "two models are called default",
        ),
        "other labels": (
            [*given, "--model", "default", "--model", six], 2,
            "angry, disgust, fear, happy, sad, surprise: evaluate them one at a time",
        ),
        "suffix": ([*given, "--out", folder / "r.txt"], 6, "a report ends in .json or .md or .csv"),
        "existing": ([*given, "--out", existing], 6, "it exists; use --force"),
        "existing plot": (
            [*given, "--plots", folder / "plots"], 6, "confusion.png: it exists; use --force",
        ),
        "answers": ([*given, "--answers", folder / "a.json"], 6, "a table ends in .csv"),
        "existing answers": (
            [*given, "--answers", folder / "old.csv"], 6, "it exists; use --force",
        ),
        "one file for two": (
            [*given, "--out", folder / "a.csv", "--answers", folder / "a.csv"], 6,
            "name another --answers",
        ),
        "no validation": ([*given, "--split", "validation"], 8, "validation split is empty"),
        "input": ([*given, "--out", fer2013, "--force"], 6, "read by this very command"),
        "detector": ([*given, "--detector", "haar"], 2, "need --faces detect"),
        "min score": ([*given, *detect, "--min-score", 2], 2, "--min-score must be in (0, 1]"),
        "val share": ([*given, "--val-share", 0.6], 2, "--val-share must be in (0, 0.5)"),
        "votes of photographs": (
            ["--data", folder, *detect, "--ferplus", fer2013], 2, "belongs to fer2013.csv",
        ),
        "table of photographs": ([*given, *detect], 8, "lie in a folder or a zip"),
        "no photographs": (["--data", folder / "empty", *detect], 8, "folders like test/happy"),
    }  # fmt: skip


def test_data_that_cannot_be_read_is_named(fer2013, tmp_path, monkeypatch) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    code, _, err = run("evaluate", "--data", pipe)
    assert (code, "pipe: it is neither a regular file nor a folder" in err) == (8, True)

    def refused(_: Path) -> str:
        raise PermissionError(errno.EACCES, "Permission denied", str(fer2013))

    monkeypatch.setattr("fer_video.learn.sources.sha256_of_data", refused)
    code, _, err = run("evaluate", "--data", fer2013)
    assert (code, "cannot be read (Permission denied)" in err) == (8, True)


def test_bad_input_gets_one_line_and_its_exit_code(fer2013, tmp_path, subtests) -> None:
    cases = _bad_inputs(tmp_path, fer2013)
    before = files(tmp_path)
    for name, (words, expected_code, text) in cases.items():
        with subtests.test(name):
            code, out, err = run("evaluate", *words)
            assert (code, out) == (expected_code, "")
            assert err.startswith("fer-video: ")
            assert err.count("\n") == 1
            assert text in err
            assert files(tmp_path) == before
    assert (tmp_path / "old.json").read_text() == "precious"
