from pathlib import Path

import pytest

from fer_video import console
from fer_video.errors import VideoError
from fer_video.events import (
    Advanced,
    Event,
    Failed,
    Finished,
    Job,
    Made,
    Skipped,
    Started,
    Summary,
    Waiting,
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
        (summary(), "saw one face at a time (1 track) in 12.0 s, 300 frames, 4 without a face"),
        (
            summary(faces=2, tracks=5),
            "saw up to 2 faces at once (5 tracks) in 12.0 s, 300 frames, 4 without a face",
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
    report = console.show(
        events(), [job("a.mp4"), job("b.mp4")], quiet=False, shared_out="1 at a time"
    )
    shown = capsys.readouterr()
    assert "wrote a.mp4.parquet" in shown.out
    assert shown.err.splitlines() == [
        "analyzing 2 recordings (0.0 MB), 1 at a time",
        "failed: cannot read b.mp4: damaged",
    ]
    assert len(report.finished) == len(report.failed) == 1


def test_a_run_that_waits_for_a_machine_says_so(capsys) -> None:
    waiting = [Started(job("a.mp4")), Waiting(job("a.mp4")), Finished(job("a.mp4"), summary())]
    console.show(waiting, [job("a.mp4")], quiet=False)
    assert capsys.readouterr().err.splitlines()[1:] == [
        "waiting for a machine: the cluster has none that can take a recording; see `ray status`"
    ]
    console.show(waiting, [job("a.mp4")], quiet=True)
    assert capsys.readouterr().err == ""


def test_quiet_prints_nothing_but_failures(capsys) -> None:
    console.show(events(), [job("a.mp4"), job("b.mp4")], quiet=True)
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err == "failed: cannot read b.mp4: damaged\n"


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
