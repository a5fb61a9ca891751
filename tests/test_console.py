from pathlib import Path

import pytest

from fer_video import console
from fer_video.errors import VideoError
from fer_video.events import (
    Advanced,
    BestTrial,
    Event,
    Failed,
    Finished,
    Job,
    Made,
    Skipped,
    Started,
    Summary,
    TrialEnded,
)
from fer_video.files import Fingerprint


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
    both = "it ends 3.2 s before its header says, and 2 corrupt frames were skipped"
    assert lines[2:] == [f"  partial: {both}"]
    (*_, line) = console.describe(Finished(job("a.mp4"), summary(corrupt=1)))
    assert line == "  partial: 1 corrupt frame was skipped"


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


def test_progress_adds_up_over_recordings_at_once(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    jobs = [job(str(tmp_path / name)) for name in ("a.mp4", "b.mp4")]
    for one in jobs:
        one.recording.write_bytes(bytes(500))
    first, second = jobs
    together: list[Event] = [
        Started(first),
        Started(second),
        Advanced(first, "analyze", 6.0, 12.0),
        Advanced(second, "analyze", 3.0, 12.0),
        Advanced(first, "analyze", 9.0, 12.0),
        Finished(second, summary()),
        Finished(first, summary()),
    ]
    shown = []
    for event in together:
        # each event in turn, so that no display is left out for coming too soon
        with console._Bar(jobs, hidden=False) as bar:
            for before in together[: together.index(event) + 1]:
                bar.update(before)
            shown.append(round(100 * bar._tqdm.n / bar._tqdm.total))
    assert shown == [0, 0, 25, 38, 50, 88, 100]


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


def trials() -> list[TrialEnded]:
    best = BestTrial(1, 0.6789, "fer-video train ...")
    return [
        TrialEnded(0, "failed", 0, None, "the loss is not a number in epoch 1", None),
        TrialEnded(1, "complete", 20, 0.6789, "", best),
        TrialEnded(5, "pruned", 1, 0.5, "", best),
    ]


def test_each_trial_of_a_search_is_a_line_with_the_best_and_the_time_left(capsys) -> None:
    with console.TrialBar(4, epochs=20, timeout_s=None) as bar:
        bar.report(0, {})
        for trial in trials():
            bar.ended(trial)
    assert capsys.readouterr().err.splitlines() == [
        "trial 0: failed, the loss is not a number in epoch 1; 1 of 4, 00:00 left",
        "trial 1: 0.679 after 20 epochs; best 0.679, of trial 1; 2 of 4, 00:00 left",
        "trial 5: pruned at 0.500 after 1 epoch; best 0.679, of trial 1; 3 of 4, 00:00 left",
    ]


@pytest.mark.parametrize(("timeout_s", "left"), [(None, "50:00"), (1000.0, "15:00")])
def test_the_time_left_of_a_search_is_that_of_its_trials_or_its_timeout(
    capsys, monkeypatch, timeout_s, left
) -> None:
    clock = iter([0.0, 100.0])
    monkeypatch.setattr("fer_video.console.time.monotonic", lambda: next(clock))
    with console.TrialBar(31, epochs=20, timeout_s=timeout_s) as bar:
        bar.ended(trials()[1])
    assert f"1 of 31, {left} left" in capsys.readouterr().err


def test_in_a_terminal_the_epoch_of_the_running_trial_is_shown(capsys, monkeypatch) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with console.TrialBar(4, epochs=20, timeout_s=None) as bar:
        bar.report(2, {})
    assert "0 of 4 trials |" in (shown := capsys.readouterr().err)
    assert "epoch 3 of 20" in shown


def test_the_last_lines_say_what_was_skipped_and_what_was_made_again_and_why(capsys) -> None:
    jobs = [job(name) for name in ("a.mp4", "b.mp4", "c.mp4", "d.mp4")]
    made = Made(Fingerprint(1, "s"), "default", "m", {})
    ended = [
        Skipped(jobs[0], summary(), made),
        Finished(jobs[1], summary(), made, "other options"),
        Finished(jobs[2], summary(), made, "damaged plot", frozenset(["timeline"])),
        Finished(jobs[3], summary(), made, "other options"),
    ]
    report = console.show(ended, jobs, quiet=False)
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "skipped 1 of 4 recordings: done before, and nothing has changed",
        "made again: 2 (other options), 1 (damaged plot)",
    ]
    assert report.n_recordings == 4
    console.show(ended, jobs, quiet=True)
    assert capsys.readouterr().out == ""


def test_only_what_was_written_is_said_to_be() -> None:
    done = Finished(job("a.mp4", Path("a.ann.mp4")), summary(), kept=frozenset(["timeline"]))
    assert console.describe(done)[0] == "wrote a.ann.mp4"
