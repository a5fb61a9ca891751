import re

import pytest

from fer_video import bars
from fer_video.errors import VideoError
from fer_video.events import (
    Advanced,
    BestTrial,
    Event,
    Failed,
    Finished,
    Job,
    PhotographDone,
    Started,
    TrialEnded,
)
from fer_video.pace import Pace

from .test_pace import SEEN, recording

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def terminal(monkeypatch) -> None:
    monkeypatch.setenv("TTY_COMPATIBLE", "1")  # how rich is told
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)


def some(folder) -> tuple[list[Job], list[Event]]:
    first, second = (
        recording(folder, name) for name in ("a.mp4", "a name of over thirty letters, in all.mp4")
    )
    events = [
        Started(first),
        Started(second),
        Advanced(first, "analyze", 6.0, 12.0),
        Advanced(second, "annotate", 3.0, 12.0),
    ]
    return [first, second], events


def test_a_terminal_shows_a_line_for_each_running_recording_and_a_total(
    tmp_path, capsys, terminal
) -> None:
    jobs, events = some(tmp_path)
    with bars.run_progress(Pace(jobs), hidden=False) as progress:
        for event in events:
            progress.update(event)
    shown = ESCAPES.sub("", capsys.readouterr().err).splitlines()
    total, first, second = [line for line in shown if line.strip()][-3:]
    assert total.startswith("0 of 2 done")
    assert "38 %" in total
    assert "x real time" in total
    assert first.startswith("a.mp4")
    assert "50 %" in first
    assert second.startswith("…er thirty letters, in all.mp4 ")
    assert "annotate" in second
    assert max(map(len, shown)) <= 80


def test_what_was_written_goes_to_stdout_above_the_bars(tmp_path, capsys, terminal) -> None:
    jobs, events = some(tmp_path)
    with bars.run_progress(Pace(jobs), hidden=False) as progress:
        progress.update(events[0])
        progress.write("wrote a.parquet")
        progress.write("failed: b.mp4", error=True)
    shown = capsys.readouterr()
    assert shown.out == "wrote a.parquet\n"
    assert "failed: b.mp4\n" in shown.err


def test_an_ended_recording_has_no_line_any_more(tmp_path, capsys, terminal) -> None:
    jobs, events = some(tmp_path)
    with bars.run_progress(Pace(jobs), hidden=False) as progress:
        for event in [*events, Failed(jobs[0], VideoError(jobs[0].recording, "damaged"))]:
            progress.update(event)
        capsys.readouterr()
    shown = ESCAPES.sub("", capsys.readouterr().err)
    assert "1 of 2 done, 1 failed" in shown
    assert "a.mp4 " not in shown


def test_a_log_has_a_line_a_minute_about_all_that_is_running(tmp_path, capsys, monkeypatch) -> None:
    jobs, events = some(tmp_path)
    clock = iter([0.0, 1.0, 2.0, 61.0, 61.0, 62.0, 130.0, 130.0])
    pace = Pace(jobs)
    monkeypatch.setattr("fer_video.bars.time.monotonic", lambda: next(clock))
    with bars.run_progress(pace, hidden=False) as progress:
        for event in [*events, Finished(jobs[0], SEEN)]:
            progress.update(event)
    shown = capsys.readouterr().err.splitlines()
    assert len(shown) == 2
    assert re.fullmatch(r"0 of 2 done; a.mp4 50 %; a name [^;]+ begun", shown[0])
    assert re.fullmatch(r"1 of 2 done; a name [^;]+\.mp4 25 %; .* left", shown[1])


def test_nothing_is_shown_where_progress_is_hidden(tmp_path, capsys, terminal) -> None:
    jobs, events = some(tmp_path)
    with bars.run_progress(Pace(jobs), hidden=True) as progress:
        for event in events:
            progress.update(event)
    assert capsys.readouterr().err == ""


def test_photographs_have_a_bar_and_those_without_a_face_a_line(capsys, terminal) -> None:
    with bars.PhotographBar() as bar:
        bar.update(PhotographDone(1, 2000, ""))
        bar.update(PhotographDone(500, 2000, "happy/1.png shows no face"))
    shown = ESCAPES.sub("", capsys.readouterr().err)
    assert "happy/1.png shows no face\n" in shown
    assert re.search(r"500 of 2,000 photographs .* 25 %.* left", shown)


def test_each_epoch_of_a_training_is_a_line(capsys) -> None:
    with bars.EpochBar(3) as bar:
        bar.report(0, {"val_loss": 0.5, "loss": 1.25, "val_recall": 0.4})
        bar.report(1, {"val_loss": 0.25, "loss": 1})
    assert capsys.readouterr().err == (
        "epoch 1 of 3: loss 1.250, val_loss 0.500; 0 s left\n"
        "epoch 2 of 3: loss 1.000, val_loss 0.250; 0 s left\n"
    )


def test_in_a_terminal_a_training_has_a_bar_too(capsys, terminal) -> None:
    with bars.EpochBar(4) as bar:
        bar.report(0, {"loss": 1.25})
    shown = ESCAPES.sub("", capsys.readouterr().err).splitlines()
    line, bar_shown = [line for line in shown if line.startswith("epoch 1 of 4")][-2:]
    assert line.strip() == "epoch 1 of 4: loss 1.250; 0 s left"
    assert "25 %" in bar_shown


def trials() -> list[TrialEnded]:
    best = BestTrial(1, 0.6789, "fer-video train ...")
    return [
        TrialEnded(0, "failed", 0, None, "the loss is not a number in epoch 1", None),
        TrialEnded(1, "complete", 20, 0.6789, "", best),
        TrialEnded(5, "pruned", 1, 0.5, "", best),
    ]


def test_each_trial_of_a_search_is_a_line_with_the_best_and_the_time_left(capsys) -> None:
    with bars.TrialBar(4, epochs=20, timeout_s=None) as bar:
        bar.report(0, {})
        for trial in trials():
            bar.ended(trial)
    assert capsys.readouterr().err.splitlines() == [
        "trial 0: failed, the loss is not a number in epoch 1; 1 of 4, 0 s left",
        "trial 1: 0.679 after 20 epochs; best 0.679, of trial 1; 2 of 4, 0 s left",
        "trial 5: pruned at 0.500 after 1 epoch; best 0.679, of trial 1; 3 of 4, 0 s left",
    ]


@pytest.mark.parametrize(("timeout_s", "left"), [(None, "50 min"), (1000.0, "15 min")])
def test_the_time_left_of_a_search_is_that_of_its_trials_or_its_timeout(
    capsys, monkeypatch, timeout_s, left
) -> None:
    clock = iter([0.0, 100.0])
    monkeypatch.setattr("fer_video.bars.time.monotonic", lambda: next(clock))
    with bars.TrialBar(31, epochs=20, timeout_s=timeout_s) as bar:
        bar.ended(trials()[1])
    assert f"1 of 31, {left} left" in capsys.readouterr().err


def test_in_a_terminal_the_epoch_of_the_running_trial_is_shown(capsys, terminal) -> None:
    with bars.TrialBar(4, epochs=20, timeout_s=None) as bar:
        bar.report(2, {})
    shown = ESCAPES.sub("", capsys.readouterr().err)
    assert "0 of 4 trials" in shown
    assert "epoch 3 of 20" in shown
