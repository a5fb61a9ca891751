from pathlib import Path

import pytest

from fer_video import console
from fer_video.errors import VideoError
from fer_video.events import Advanced, Event, Failed, Finished, Job, Started, Summary


def job(name: str, video: Path | None = None) -> Job:
    return Job(Path(name), name, Path(f"{name}.parquet"), video)


def summary(
    faces: int = 1, corrupt: int = 0, missing_s: float | None = None, tracks: int = 1
) -> Summary:
    return Summary(12.0, 300, 300, corrupt, 300 if not faces else 4, tracks, faces, missing_s)


@pytest.mark.parametrize(
    ("found", "line"),
    [
        (summary(), "saw 1 person (1 track) in 12.0 s, 300 frames, 4 without a face"),
        (
            summary(faces=2, tracks=5),
            "saw up to 2 people at once (5 tracks) in 12.0 s, 300 frames, 4 without a face",
        ),
        (summary(faces=0, tracks=0), "saw no face in 12.0 s, 300 frames"),
    ],
)
def test_the_closing_line_says_what_was_seen(found: Summary, line: str) -> None:
    wrote, seen = console.describe(Finished(job("a.mp4", Path("a.ann.mp4")), found))
    assert wrote == "wrote a.mp4.parquet, a.ann.mp4"
    assert seen.strip() == line


def test_what_was_lost_is_said() -> None:
    lines = console.describe(Finished(job("a.mp4"), summary(corrupt=2, missing_s=3.24)))
    assert lines[2:] == ["  skipped 2 corrupt frames", "  partial: it ends 3.2 s early"]


def events() -> list[Event]:
    good, bad = job("a.mp4"), job("b.mp4")
    return [
        Started(good),
        Advanced(good, "analyze", 6.0, 12.0),
        Finished(good, summary()),
        Started(bad),
        Failed(bad, VideoError(Path("b.mp4"), "damaged")),
    ]


def test_a_run_is_reported_with_its_failures_named(capsys) -> None:
    report = console.show(events(), [job("a.mp4"), job("b.mp4")], quiet=False)
    shown = capsys.readouterr()
    assert "wrote a.mp4.parquet" in shown.out
    assert shown.err == "failed: cannot read b.mp4: damaged\n"
    assert len(report.finished) == len(report.failed) == 1


def test_quiet_prints_nothing_but_failures(capsys) -> None:
    console.show(events(), [job("a.mp4"), job("b.mp4")], quiet=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "failed: cannot read b.mp4: damaged\n"


def test_progress_shows_recordings_rate_and_time_left(capsys, monkeypatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    console.show(events(), [job("a.mp4"), job("b.mp4")], quiet=False)
    shown = capsys.readouterr().err
    assert "2 of 2 done" in shown
    assert "s of recording per s" in shown
    assert "left" in shown


def test_in_a_log_each_epoch_of_a_training_is_a_line(capsys) -> None:
    with console.EpochBar(3) as bar:
        bar.report(0, {"val_loss": 0.5, "loss": 1.25, "val_recall": 0.4})
        bar.report(1, {"val_loss": 0.25, "loss": 1})
    assert capsys.readouterr().err == (
        "epoch 1 of 3: loss 1.250, val_loss 0.500; 00:00 left\n"
        "epoch 2 of 3: loss 1.000, val_loss 0.250; 00:00 left\n"
    )


def test_in_a_terminal_a_failed_training_leaves_no_bar_behind(capsys, monkeypatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with pytest.raises(RuntimeError), console.EpochBar(3):
        raise RuntimeError
    assert capsys.readouterr().err.rstrip("\r").endswith(" ")


def test_measures_stand_in_columns_by_test_and_only_those_that_there_are() -> None:
    known = {"n": 3136, "accuracy": 0.84598, "accuracy_interval": [0.8332, 0.8584]}
    shown = console.metrics_table(
        {"label": known | {"brier_score": None}, "ferplus": known | {"brier_score": 0.2141},
         "seconds_per_crop": 0.001}
    )  # fmt: skip
    assert shown.splitlines() == [
        "                                 label         ferplus",
        "images                           3,136           3,136",
        "accuracy                         0.846           0.846",
        "  95 % interval         0.833 to 0.858  0.833 to 0.858",
        "Brier score, of 0 to 2                           0.214",
    ]


def test_a_model_from_before_there_were_intervals_is_listed_all_the_same() -> None:
    shown = console.metrics_table({"label": {"n": 10, "accuracy": 0.5, "macro_f1": 0.4}})
    assert "interval" not in shown
    assert console.metrics_table({}) == ""


def test_an_emotion_without_a_measure_has_a_dash() -> None:
    row = {"n": 0, "sensitivity": None, "specificity": 1.0, "precision": None, "f1": None,
           "auc": None}  # fmt: skip
    assert console.emotions_table({"fear": row}).splitlines()[1] == (
        "fear       0            -        1.000          -   -    -"
    )
