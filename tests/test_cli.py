"""What a user types, and what bad input gets."""

import inspect
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest
import typer
from choices import CHOICES
from typer.testing import CliRunner

import fer_video
from fer_video import cli, options, read_timeline, weights
from fer_video.classify import load_classifier
from fer_video.nets import NETS
from tests.learn.faces import draw, save
from tests.scenes import (
    Square,
    damage,
    picture,
    steady,
    truncate,
    write_sound,
    write_video,
)


def run(*words: object) -> tuple[int, str, str]:
    """Give a command; return its exit code, stdout and stderr."""
    result = CliRunner().invoke(cli.app, [str(word) for word in words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def faceless(tmp_path: Path) -> Path:
    return write_video(tmp_path / "faceless.mp4", steady(10), lambda _: picture())


@pytest.fixture(scope="session")
def short(consult: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The example scene and the timeline of its first second."""
    timeline = tmp_path_factory.mktemp("short") / "short.parquet"
    code, _, _ = run("analyze", consult, "--out", timeline, "--end", 1)
    assert code == 0
    return consult, timeline


def files(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_one_recording_with_everything(consult: Path, tmp_path: Path) -> None:
    timeline, video, plot = (tmp_path / name for name in ("t.csv", "v.mp4", "p.png"))
    code, out, err = run(
        "analyze", consult, "--out", timeline, "--video", video, "--plot", plot,
        "--fps", 5, "--end", 1, "--lang", "fr", "--smooth", 0.5,
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        f"wrote {timeline}, {video}, {plot}",
        "  saw up to 2 faces at once (2 tracks) in 0.8 s, 5 frames, 0 without a face",
    ]
    assert files(tmp_path) == ["p.png", "t.csv", "t.csv.json", "v.mp4"]


def test_a_timeline_says_how_it_was_made(short: tuple[Path, Path]) -> None:
    recording, timeline = short
    made = read_timeline(timeline).attrs["provenance"]
    assert made["verdict"] == "complete"
    assert made["source"]["name"] == recording.name
    assert made["source"]["bytes"] == recording.stat().st_size
    assert made["model"]["sha256"] == weights.find("default").sha256
    assert made["model"]["lite_sha256"] == weights.find("default").lite_sha256
    assert made["device"] in ("cpu:0", "gpu:0")
    assert made["runtime"] == load_classifier(options.ClassifyOptions()).runtime
    assert made["options"]["sample"]["end_s"] == 1
    assert made["options"]["detect"]["detect_side_px"] == 640
    assert made["seen"]["frames_sampled"] == 25


def test_python_and_the_command_give_the_same_table(short: tuple[Path, Path]) -> None:
    recording, timeline = short
    options = fer_video.AnalysisOptions(sample=fer_video.SampleOptions(end_s=1))
    table = fer_video.analyze(recording, options)
    pd.testing.assert_frame_equal(table, read_timeline(timeline))
    assert table.attrs == read_timeline(timeline).attrs


def test_the_same_command_gives_the_same_bytes(short, tmp_path: Path) -> None:
    recording, timeline = short
    again = tmp_path / "again.parquet"
    run("analyze", recording, "--out", again, "--end", 1)
    assert again.read_bytes() == timeline.read_bytes()


def test_the_format_of_one_recording_without_out_is_the_one_asked_for(faceless: Path) -> None:
    assert run("analyze", faceless, "--format", "csv")[0] == 0
    assert files(faceless.parent) == ["faceless.csv", "faceless.csv.json", "faceless.mp4"]


def test_a_recording_without_a_face_is_a_success_and_said(faceless: Path) -> None:
    code, out, _ = run("analyze", faceless)
    assert code == 0
    assert "saw no face in 0.4 s, 10 frames" in out
    table = read_timeline(faceless.with_suffix(".parquet"))
    assert len(table) == 10
    assert table["track"].isna().all()


def test_corrupt_frames_are_skipped_and_make_a_recording_partial(tmp_path: Path) -> None:
    recording = write_video(tmp_path / "a.mp4", steady(40))
    code, out, err = run("analyze", damage(recording, 20))
    assert code == 10
    assert out.endswith("\n  partial: 1 corrupt frame was skipped\n")
    assert err == (
        f"fer-video: {recording} is partial: 1 corrupt frame was skipped; "
        "what could be read is kept\n"
    )
    table = read_timeline(tmp_path / "a.parquet")
    assert len(table) == 39
    assert table.attrs["provenance"]["verdict"] == "partial"


def test_a_recording_that_ends_early_is_kept_and_marked_partial(tmp_path: Path) -> None:
    recording = write_video(tmp_path / "a.mp4", steady(200))
    code, out, err = run("analyze", truncate(recording, 0.5))
    assert code == 10
    assert err.startswith(f"fer-video: {recording} is partial: it ends ")
    assert "partial" in out
    assert read_timeline(tmp_path / "a.parquet").attrs["provenance"]["verdict"] == "partial"


def test_a_folder_run_does_all_it_can_and_names_what_failed(tmp_path: Path) -> None:
    inputs, results = tmp_path / "in", tmp_path / "results"
    (inputs / "sub").mkdir(parents=True)
    write_video(inputs / "a.MP4", steady(5), lambda _: picture())
    write_video(inputs / "sub" / "b.mkv", steady(5), lambda _: picture(Square(8, 8)))
    (inputs / "bad.mp4").write_text("no video")
    code, out, err = run("analyze", inputs, "--out", results, "--videos", "--plots")
    assert code == 7
    assert out.count("wrote") == 2
    assert err.splitlines()[1].startswith(f"failed: cannot read {inputs / 'bad.mp4'}: not a video")
    assert err.splitlines()[-1] == (
        "fer-video: 1 of 3 recordings failed (bad.mp4); the others are done"
    )
    assert files(results) == [
        "manifest.jsonl",
        "plots/a.MP4.png",
        "plots/sub/b.mkv.png",
        "timelines/a.MP4.parquet",
        "timelines/sub/b.mkv.parquet",
        "videos/a.MP4.mp4",
        "videos/sub/b.mkv.mp4",
    ]
    assert set(read_timeline(results / "timelines/sub/b.mkv.parquet")["recording"]) == {"sub/b.mkv"}


def test_plot_and_annotate_work_from_the_timeline(short, tmp_path: Path) -> None:
    recording, timeline = short
    assert run("plot", timeline, "--out", tmp_path / "p.svg", "--style", "lines")[0] == 0
    words = ["plot", timeline, "--out", tmp_path / "one.svg", "--track"]
    assert run(*words, 1)[0] == 0
    assert len((tmp_path / "one.svg").read_bytes()) < len((tmp_path / "p.svg").read_bytes())
    code, _, err = run(*words, 9, "--force")
    assert (code, "must be a track of the timeline, one from 0 to 1, got 9" in err) == (2, True)
    assert "<!-- consult.mp4 -->" in (tmp_path / "p.svg").read_text(encoding="utf-8")
    assert run("annotate", recording, timeline, "--out", tmp_path / "v.mp4")[0] == 0
    assert files(tmp_path) == ["one.svg", "p.svg", "v.mp4"]


def test_models_are_listed_with_what_they_are_worth() -> None:
    code, out, _ = run("models")
    spec = weights.find("default")
    assert code == 0
    assert f"default: {spec.net}, {spec.parameters:,} parameters" in out
    assert spec.sha256 in out
    assert f"{spec.metrics['ferplus']['accuracy']:.3f}" in out


def test_nets_are_listed_with_what_they_cost() -> None:
    code, out, err = run("nets")
    lines = out.splitlines()
    assert (code, err) == (0, "")
    assert {line.split()[0] for line in lines[1:]} == set(NETS)
    assert (
        "mini_xception           58,423          5.5 M  "
        "Build four separable residual modules of 16 to 128 filters."
    ) in lines
    assert len({line.find("  Build") for line in lines[1:]}) == 1


def faces_by_emotion(folder: Path) -> Path:
    for emotion, label in (("colère", 0), ("joie", 3)):
        for number in range(10):
            save(folder / emotion / f"{number}.png", draw(label, number))
    return folder


def test_a_data_set_is_described_and_its_faces_are_shown(tmp_path: Path) -> None:
    folder = faces_by_emotion(tmp_path / "faces")
    (folder / "notes.txt").touch()
    picture = tmp_path / "samples.png"
    code, out, err = run("dataset", folder, "--samples", picture, "--val-share", 0.2)
    assert (code, err) == (0, "")
    assert [line.split() for line in out.splitlines() if line.startswith(("happy", "all"))] == [
        ["happy", "6", "2", "2", "10"],
        ["all", "12", "4", "4", "20"],
    ]
    assert out.splitlines()[-3:] == [
        "  notes.txt is not named like an image",
        "bad: 0 of 20 (0 %)",
        f"wrote {picture}",
    ]
    assert picture.read_bytes().startswith(b"\x89PNG")
    before = picture.read_bytes()
    assert run("dataset", folder, "--samples", picture)[0] == 6
    assert run("dataset", folder, "--samples", picture, "--force")[0] == 0
    assert picture.read_bytes() == before


def test_a_data_set_is_described_by_six_seven_or_eight_emotions(tmp_path: Path) -> None:
    folder = faces_by_emotion(tmp_path / "faces")
    save(folder / "contempt" / "0.png", draw(7, 0))
    code, out, err = run("dataset", folder, "--emotions", 6)
    assert (code, err) == (0, "")
    assert "disgust" not in out
    assert "  contempt/0.png shows contempt, which is not among the 6 emotions" in out
    code, out, err = run("dataset", folder, "--emotions", 8)
    assert "contempt                              0          1          0          1" in out
    assert code == 8
    assert err == (
        f"fer-video: cannot use {folder}: its train split has no contempt: use --emotions 7\n"
    )
    code, out, err = run("dataset", folder, "--emotions", 5)
    assert (code, out, err) == (2, "", "fer-video: --emotions must be 6, 7 or 8, got 5\n")


def test_a_data_set_that_cannot_be_learned_from_is_described_and_refused(tmp_path: Path) -> None:
    faces_by_emotion(tmp_path / "test")
    code, out, err = run("dataset", tmp_path)
    assert code == 8
    assert "copies of one in test" in out
    assert err == f"fer-video: cannot use {tmp_path}: its train split is empty\n"


def test_a_data_set_that_cannot_be_read_gets_one_line_and_exit_code_8(tmp_path: Path) -> None:
    (tmp_path / "faces.zip").write_text("dear diary")
    for path in (tmp_path / "nowhere", tmp_path / "faces.zip", tmp_path):
        code, out, err = run("dataset", path, "--samples", tmp_path / "samples.png")
        assert (code, out) == (8, "")
        assert err.startswith(f"fer-video: cannot use {path}: ")
        assert err.count("\n") == 1
    assert files(tmp_path) == ["faces.zip"]
    assert run("dataset", tmp_path, "--val-share", 0.5)[2] == (
        "fer-video: --val-share must be in (0, 0.5), got 0.5\n"
    )


def test_version_and_help_are_there_for_every_command() -> None:
    assert run("--version")[1].startswith("fer-video ")
    for command in (
        "analyze", "plot", "annotate", "models", "nets", "dataset", "train", "tune",
        "evaluate", "status",
    ):  # fmt: skip
        assert run(command, "--help")[0] == 0


@pytest.mark.parametrize("name", sorted({choice.split()[0] for choice in CHOICES} - {"defaults"}))
def test_an_option_that_trades_accuracy_for_time_says_so(name: str) -> None:
    command = typer.main.get_command(cli.app).commands["analyze"]
    (option,) = (one for one in command.params if name in one.opts)
    assert "faster" in option.help or "slower" in option.help


def _bad_inputs(folder: Path) -> dict[str, tuple[list[object], int, str]]:
    """Commands that cannot work: words, exit code, and what the one line says."""
    good = write_video(folder / "good.mp4", steady(5), lambda _: picture())
    text = folder / "text.mp4"
    text.write_text("dear diary")
    playlists = {"list.mp4": "#EXTM3U\nx.ts\n", "list.m3u8": "#EXTM3U\nx.ts\n",
                 "list.ffconcat": "ffconcat version 1.0\nfile good.mp4\n"}  # fmt: skip
    for name, content in playlists.items():
        (folder / name).write_text(content)
    (folder / "empty").mkdir()
    existing = folder / "existing.parquet"
    existing.write_text("precious")
    copy = shutil.copytree(weights.find("default").folder, folder / "copy")
    with (copy / "model.weights.h5").open("ab") as file:
        file.write(b"x")
    out = ["--out", folder / "new.parquet"]
    return {
        "missing file": (["nowhere.mp4"], 3, "cannot read nowhere.mp4: no such file"),
        "web address": (["https://example.org/a.mp4"], 3, "download the recording first"),
        "folder without videos": ([folder / "empty", "--out", folder / "r"], 3, "no recording"),
        "folder without --out": ([folder / "empty"], 2, "needs --out FOLDER"),
        "sound only": ([write_sound(folder / "sound.mp4")], 3, "it has sound but no picture"),
        "text named mp4": ([text], 3, "not a video file"),
        **{name: ([folder / name], 3, "it is a playlist") for name in playlists},
        "existing output": ([good, "--out", existing], 6, "it exists; use --force"),
        "unwritable place": ([good, "--out", text / "t.parquet"], 6, "is a file, not a folder"),
        "unknown suffix": ([good, "--out", folder / "t.xlsx"], 6, "ends in .parquet or .csv"),
        "plot suffix": ([good, *out, "--plot", folder / "t.bmp"], 6, "a plot ends in .png"),
        "input as output": ([good, *out, "--video", good, "--force"], 6, "read by this very"),
        "fps 0": ([good, *out, "--fps", 0], 2, "--fps must be above 0, at most 1e+09, got 0"),
        "end before start": ([good, *out, "--start", 5, "--end", 2], 2, "--end must be above 5 s"),
        "start after the end": ([good, *out, "--start", 99], 3, "no frame between --start and"),
        "unknown model": ([good, *out, "--model", "nobody"], 4, "no model 'nobody'"),
        "checksum differs": ([good, *out, "--model", copy], 4, "SHA-256 differs"),
        "two formats": ([good, *out, "--format", "csv"], 2, "use --out FILE.csv"),
        "videos of one": ([good, *out, "--videos"], 2, "use --video FILE"),
        "video of a folder": ([folder, *out, "--video", folder / "v.mp4"], 2, "use --videos"),
    }


def test_bad_input_gets_one_line_its_exit_code_and_leaves_nothing(tmp_path, subtests) -> None:
    cases = _bad_inputs(tmp_path)
    before = files(tmp_path)
    for name, (words, expected_code, text) in cases.items():
        with subtests.test(name):
            code, out, err = run("analyze", *words)
            assert (code, out) == (expected_code, "")
            assert err.startswith("fer-video: ")
            assert err.count("\n") == 1
            assert text in err
            assert files(tmp_path) == before
    assert (tmp_path / "existing.parquet").read_text() == "precious"


def test_a_timeline_of_another_recording_is_refused(short, faceless, tmp_path: Path) -> None:
    recording, timeline = short
    code, _, err = run("annotate", faceless, timeline, "--out", tmp_path / "v.mp4")
    assert code == 8
    assert f"it is not of {faceless}, but of a file {recording.name}" in err
    assert not (tmp_path / "v.mp4").exists()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("missing.mp4", "no such file"),
        ("folder", "it is a folder"),
        ("pipe.mp4", "it is no regular file"),
        ("https://me:pw@host/a.mp4", "it is a web address: download the recording first"),
    ],
)
def test_what_is_no_recording_is_not_drawn_into(
    short, tmp_path: Path, monkeypatch, name: str, reason: str
) -> None:
    _, timeline = short
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    os.mkfifo("pipe.mp4")
    code, _, err = run("annotate", name, timeline, "--out", "v.mp4")
    assert (code, err.count("\n")) == (3, 1)
    assert err.endswith(f": {reason}\n")
    assert "pw" not in err


def test_what_is_no_timeline_is_refused(faceless: Path, tmp_path: Path) -> None:
    code, _, err = run("plot", faceless, "--out", tmp_path / "p.png")
    assert code == 8
    assert "not a timeline written by fer-video" in err


def test_an_existing_result_is_replaced_by_force(faceless: Path) -> None:
    timeline = faceless.with_suffix(".parquet")
    timeline.write_text("old")
    assert run("analyze", faceless, "--force")[0] == 0
    assert len(read_timeline(timeline)) == 10


def test_an_error_that_nobody_foresaw_ends_the_command_and_its_processes(faceless: Path) -> None:
    with Path("/dev/full").open("w") as full:
        words = [sys.executable, "-m", "fer_video", "analyze", str(faceless), "--force"]
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE,
                              text=True, timeout=60)  # fmt: skip
    assert done.returncode not in (0, None)
    assert "No space left on device" in done.stderr


def test_a_name_that_the_terminal_cannot_show_is_escaped(faceless: Path) -> None:
    recording = faceless.rename(faceless.with_name("é中.mp4"))
    words = [sys.executable, "-m", "fer_video", "analyze", str(recording)]
    done = subprocess.run(words, env=os.environ | {"PYTHONIOENCODING": "ascii"},
                          capture_output=True, text=True, timeout=60)  # fmt: skip
    assert done.returncode == 0
    assert r"\xe9\u4e2d.parquet" in done.stdout


@pytest.mark.skipif(os.name == "nt", reason="signals differ")
def test_ctrl_c_leaves_no_partial_output(consult: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "fer_video", "analyze", str(consult), "--out", str(out / "t.csv")],
        stderr=subprocess.PIPE,
        text=True,
    )
    while not files(out) and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "fer-video: interrupted; nothing is left half-written"
    assert all(name.startswith(".fer-video-") for name in files(out))  # a checkpoint, perhaps


def test_every_default_of_a_command_is_that_of_the_options() -> None:
    homes = [
        options.SampleOptions,
        options.DetectOptions,
        options.TrackOptions,
        options.ClassifyOptions,
        options.WorkOptions,
        options.ViewOptions,
        options.SpoolOptions,
        options.OutputOptions,
    ]
    defaults = {
        name: field.default for home in homes for name, field in home.__dataclass_fields__.items()
    }
    renamed = {
        "style": "plot_style",
        "n_jobs": "jobs",
        "spool": "folder",
        "spool_gb": "size_gb",
    }
    for command in (cli.analysis.analyze, cli.analysis.plot, cli.analysis.annotate):
        for name, parameter in inspect.signature(command).parameters.items():
            home_name = renamed.get(name, name)
            if home_name in defaults:
                assert parameter.default == defaults.pop(home_name, parameter.default)
    train_defaults = inspect.signature(cli.learning.train).parameters
    for name, field in options.TrainOptions.__dataclass_fields__.items():
        if name in train_defaults:
            default = train_defaults[name].default
            # what can be said several times has no default on the command line
            assert (() if name == "teachers" and default is None else default) == field.default
    tune_defaults = inspect.signature(cli.learning.tune).parameters
    for name, field in options.TuneOptions.__dataclass_fields__.items():
        assert tune_defaults[name].default == field.default
