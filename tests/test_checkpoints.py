"""An analysis that was stopped or killed goes on to the rows of one that never was."""

import functools
import hashlib
import json
import math
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import kills
import numpy as np
import pytest

from fer_video import AnalysisOptions, SampleOptions, read_timeline, storage
from fer_video.batch import analyze_job
from fer_video.checkpoints import Checkpoints, folder_of
from fer_video.classify import load_classifier
from fer_video.engine import Stopped
from fer_video.events import Advanced, Event, Finished, Job, Remote, Resumed, Skipped
from fer_video.files import remove_leftovers, result_of
from fer_video.labels import EMOTIONS
from fer_video.options import ClassifyOptions, DetectOptions, DetectorName, OutputOptions
from fer_video.pipeline import Tools, open_analysis
from fer_video.provenance import Tally
from fer_video.timeline import open_timeline
from fer_video.types import Box, Face, Image, Moment, Observation, Snapshot
from tests.scenes import Draw, Square, bright_square, damage, picture, steady, truncate, write_video

SMALL_FACES = DetectOptions(min_face_px=8)
B_FRAMES = {"preset": "fast", "crf": "20", "g": "48", "bf": "3"}
SIZE_PX = 480, 270
LONG_S = 26.0
"""Longer than what is read before the picture where an analysis goes on."""


def two_people(index: int) -> Image:
    """One walks to and fro, the other one comes and goes; every 7 s the scene is another one."""
    faces = [Square(2 + index % 30, 6, 14)]
    if index // 45 % 2:
        faces.append(Square(44, 28, 14))
    rgb = picture(*faces)
    return 255 - rgb if index // 175 % 2 else rgb


def flicker(index: int) -> Image:
    """A ground that changes in every frame as much as at a cut, which is none as it goes on so."""
    return np.maximum(picture(Square(20, 10)), 40 + 60 * (index % 2)).astype(np.uint8)


def gaps() -> list[float]:
    """Times at 1 to 60 frames per second, with a pause of 6 s."""
    times_s, time_s = [], 0.0
    while time_s < LONG_S:
        times_s.append(time_s)
        time_s += 1 / (1 + 59 * abs(math.sin(time_s)))
    return [time_s for time_s in times_s if not 14 < time_s < 20]


class Case(NamedTuple):
    """A recording, and what is asked of it."""

    write: Callable[[Path], Path]
    sample: SampleOptions = SampleOptions()
    seeks: bool = True
    """Whether the position is found without reading all that is before."""


def video(
    suffix: str = ".mp4", times_s: list[float] | None = None, draw: Draw = two_people, **words
) -> Callable[[Path], Path]:
    times_s = times_s or steady(int(LONG_S * 25))
    return lambda folder: write_video(folder / f"r{suffix}", times_s, draw, **words)


def damaged(at: int, **words) -> Callable[[Path], Path]:
    return lambda folder: damage(video(**words)(folder), at)


OPEN_GOP = {**B_FRAMES, "x264-params": "open-gop=1"}
REFRESH = {"preset": "fast", "x264-params": "intra-refresh=1:keyint=50:scenecut=0"}
RARE = {"preset": "fast", "g": "9999", "sc_threshold": "0"}
CASES = {
    "every frame": Case(video()),
    "rotated": Case(video(clockwise_deg=90)),
    "a flickering lamp": Case(video(draw=flicker)),
    "variable rate": Case(video(times_s=gaps())),
    "B-frames in an open GOP": Case(video(options=OPEN_GOP)),
    "a rare key frame": Case(video(options=RARE), seeks=False),
    "no key frames at all": Case(video(options=REFRESH), seeks=False),
    "no key frames in MPEG-TS": Case(video(".ts", options=REFRESH), seeks=False),
    "MPEG-TS": Case(video(".ts", options=B_FRAMES)),
    "Matroska with sound": Case(video(".mkv", sound_s=LONG_S + 3)),
    "AVI": Case(video(".avi", codec="mpeg4")),
    "a span": Case(video(), SampleOptions(start_s=11.5, end_s=24.3)),
    "5 fps": Case(video(options=B_FRAMES), SampleOptions(fps=5)),
    "0.4 fps": Case(video(options=B_FRAMES), SampleOptions(fps=0.4)),
    "5 fps of a span": Case(video(options=B_FRAMES), SampleOptions(fps=5, start_s=11.5)),
    "damage": Case(damaged(400)),
    "damage, and 5 fps": Case(damaged(400, options=B_FRAMES), SampleOptions(fps=5)),
    "early damage, and 5 fps": Case(damaged(40, options=B_FRAMES), SampleOptions(fps=5)),
    "damage in a span, and 5 fps": Case(
        damaged(500, options=B_FRAMES), SampleOptions(fps=5, start_s=11.5)
    ),
    "cut short": Case(lambda folder: truncate(video()(folder), 0.7)),
}


@functools.cache
def tools() -> Tools:
    return Tools(bright_square, load_classifier(ClassifyOptions()))


def seen(moment: Moment) -> tuple:
    """All that a moment says, to the last bit."""
    faces = [
        (one.face.box, one.face.score, one.face.landmarks.tobytes(), one.face.track_id,
         one.face.interpolated, one.probabilities.tobytes(), one.sharpness, one.brightness)
        for one in moment.observations
    ]  # fmt: skip
    return moment.index, moment.pts, moment.time_s, faces


class Run(NamedTuple):
    """What an analysis gave."""

    moments: list[Moment]
    told: dict
    """The provenance."""
    read_again_s: list[float]


def analyzed(path: Path, sample: SampleOptions, after: Snapshot | None, tally: Tally) -> Run:
    options = AnalysisOptions(sample=sample, detect=SMALL_FACES)
    with open_analysis(path, options, tools(), snapshot_every_s=5.0, after=after) as analysis:
        read_again_s = list(analysis.go_there())
        moments = list(tally.counting(analysis.moments))
        told = result_of(analysis.provenance(tally.summary(analysis.recording)))
        return Run(moments, told, read_again_s)


def on_disk(snapshot: Snapshot, folder: Path) -> Snapshot:
    """Return what a checkpoint says of a snapshot."""
    job = Job(folder / "r.mp4", "r.mp4", folder / "r.parquet")
    writing = Checkpoints(job, "work", ("happy",))
    writing.add([{"frame": 0}], snapshot, Tally())
    writing.save()
    checkpoint = Checkpoints(job, "work", ("happy",)).load()
    assert checkpoint is not None
    return checkpoint.snapshot


@pytest.mark.parametrize("name", CASES)
def test_from_any_snapshot_on_the_rest_is_as_if_never_stopped(tmp_path: Path, name: str) -> None:
    case = CASES[name]
    path = case.write(tmp_path)
    whole = analyzed(path, case.sample, None, Tally())
    stops = [at for at, moment in enumerate(whole.moments) if moment.snapshot]
    assert len(stops) >= 2
    for at in stops[::2]:
        tally = Tally()
        list(tally.counting(whole.moments[: at + 1]))
        after = on_disk(whole.moments[at].snapshot, tmp_path)
        rest = analyzed(path, case.sample, after, tally)
        assert list(map(seen, rest.moments)) == list(map(seen, whole.moments[at + 1 :]))
        assert rest.told == whole.told
        assert [one.snapshot is None for one in rest.moments] == [
            one.snapshot is None for one in whole.moments[at + 1 :]
        ]
    last_s = after.tracking.key_time_s - case.sample.start_s
    assert (rest.read_again_s[0] > last_s - 13) == (case.seeks or last_s < 13)


def test_what_other_streams_held_before_is_not_forgotten(tmp_path: Path) -> None:
    path = truncate(video(".mkv", sound_s=LONG_S)(tmp_path), 0.7)
    whole = analyzed(path, SampleOptions(), None, Tally())
    assert whole.told["seen"]["ended_early_s"] > 1
    stop = next(moment.snapshot for moment in whole.moments if moment.snapshot)
    held = replace(stop, position=replace(stop.position, others_end_s=LONG_S))
    rest = analyzed(path, SampleOptions(), held, Tally())
    assert rest.told["seen"]["ended_early_s"] is None


def job_for(recording: Path, out: Path, every_s: float = 1.0, **options) -> Job:
    output = OutputOptions(checkpoint_every_s=every_s, resume=True)
    return Job(recording, recording.name, out, options=AnalysisOptions(**options), output=output)


def work(job: Job, stop_after: int = 0) -> list[Event]:
    """Work on a job; perhaps stop it, so many seconds of recording after it began or went on."""
    events, seen, advanced = analyze_job(job), [], 0
    try:
        for event in events:
            seen.append(event)
            advanced = 0 if isinstance(event, Resumed) else advanced + isinstance(event, Advanced)
            if stop_after and advanced == stop_after:
                events.throw(Stopped)
    except Stopped:
        assert not job.timeline.exists()
    return seen


def resumed_s(events: list[Event]) -> list[float]:
    return [event.at_s for event in events if isinstance(event, Resumed)]


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording of 8 s with a face that real detectors find."""
    return kills.make_clip(tmp_path_factory.mktemp("talk") / "talk.mp4", SIZE_PX, 2, 8)


@pytest.fixture(scope="module")
def whole(talk: Path) -> bytes:
    """The timeline of a run over it that was never stopped."""
    timeline = talk.with_name("whole.parquet")
    work(job_for(talk, timeline, every_s=0))
    return timeline.read_bytes()


def test_a_run_that_is_stopped_again_and_again_gives_the_same_file(talk, whole, tmp_path) -> None:
    job = job_for(talk, tmp_path / "t.parquet")
    went_on = [resumed_s(work(job, stop_after=2)) for _ in range(3)]
    assert went_on[0] == []
    assert went_on[1][0] >= 1
    assert went_on[2][0] >= went_on[1][0] + 1
    events = work(job)
    assert isinstance(events[-1], Finished)
    assert resumed_s(events)[0] > went_on[2][0]
    assert job.timeline.read_bytes() == whole
    assert list(tmp_path.iterdir()) == [job.timeline]


@pytest.mark.parametrize("stop_after", [13, 20], ids=["analyzed", "read for its SHA-256"])
def test_an_interruption_costs_ten_seconds_whenever_the_next_checkpoint_is_due(
    tmp_path, stop_after: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fer_video.files._PART_BYTES", 500)
    recording = write_video(tmp_path / "walk.mp4", steady(450))
    job = job_for(recording, tmp_path / "t.parquet", every_s=180)
    work(job, stop_after)
    assert resumed_s(work(job)) == [pytest.approx(10, abs=0.3)]
    never = job_for(recording, tmp_path / "never.parquet", every_s=0)
    work(never)
    assert job.timeline.read_bytes() == never.timeline.read_bytes()


def test_a_kill_costs_five_minutes_of_recording_at_most_unless_asked_otherwise(tmp_path) -> None:
    recording = write_video(tmp_path / "long.mp4", steady(400, fps=0.5))
    output = OutputOptions(resume=True)
    job = Job(recording, recording.name, tmp_path / "t.parquet", output=output)
    lost_s = [
        event.done_s - saved_s(job)
        for event in analyze_job(job)
        if isinstance(event, Advanced) and event.stage == "analyze"
    ]
    assert 100 < max(lost_s) <= 300


def saved_s(job: Job) -> float:
    """Read how far the checkpoint of a job is, on disk."""
    path = folder_of(job) / "checkpoint.json"
    if not path.exists():
        return 0.0
    saved = json.loads(json.loads(path.read_text())["checkpoint"])
    return saved["snapshot"]["tracking"]["key_time_s"]


def test_a_checkpoint_of_a_recording_that_is_done_is_cleared_away(talk, whole, tmp_path) -> None:
    job = job_for(talk, tmp_path / "t.parquet")
    work(job, stop_after=3)
    job.timeline.write_bytes(whole)
    assert isinstance(work(job)[-1], Skipped)
    assert not folder_of(job).exists()


@pytest.mark.parametrize(
    ("detector", "name"), [("haar", "t.csv"), ("yunet", "t.csv"), ("mtcnn", "t.parquet")]
)
def test_so_it_is_with_each_detector_and_format(
    consult: Path, tmp_path: Path, detector: DetectorName, name: str
) -> None:
    asked = {
        "detect": DetectOptions(detector=detector),
        "sample": SampleOptions(start_s=6, end_s=11),
    }
    never = job_for(consult, tmp_path / f"never_{name}", **asked)
    work(never)
    job = job_for(consult, tmp_path / name, **asked)
    stops = 0
    while not isinstance(work(job, stop_after=2)[-1], Finished):
        stops += 1
    assert stops >= 2
    assert job.timeline.read_bytes() == never.timeline.read_bytes()
    made = [read_timeline(one.timeline).attrs["provenance"] for one in (job, never)]
    assert made[0] == made[1]


def checkpoint(job: Job) -> Path:
    return folder_of(job) / "checkpoint.json"


def _garbage(job: Job) -> Job:
    checkpoint(job).write_text("dear diary")
    return job


def _flipped_bit(job: Job) -> Job:
    content = re.sub(r'(frames_decoded\\": )\d', r"\g<1>9", checkpoint(job).read_text())
    checkpoint(job).write_text(content)
    return job


def _cut_part(job: Job) -> Job:
    truncate(next(folder_of(job).glob("*.rows")), 0.8)
    return job


def _lost_part(job: Job) -> Job:
    next(folder_of(job).glob("*.rows")).unlink()
    return job


def _other_options(job: Job) -> Job:
    return replace(job, options=AnalysisOptions(sample=SampleOptions(end_s=7)))


def _force(job: Job) -> Job:
    return replace(job, output=replace(job.output, force=True, resume=False))


def _changed_recording(job: Job) -> Job:
    os.utime(job.recording, ns=(0, job.recording.stat().st_mtime_ns + 1))
    return job


def _other_picture(job: Job) -> Job:
    """As if another version of FFmpeg decoded it."""
    content = json.loads(json.loads(checkpoint(job).read_text())["checkpoint"])
    content["snapshot"]["position"]["luma_crc32"] ^= 1
    text = json.dumps(content)
    sha256 = hashlib.sha256(text.encode()).hexdigest()
    checkpoint(job).write_text(json.dumps({"sha256": sha256, "checkpoint": text}))
    return job


@pytest.mark.parametrize(
    "happens",
    [_garbage, _flipped_bit, _cut_part, _lost_part, _other_options, _force, _changed_recording,
     _other_picture],
)  # fmt: skip
def test_a_checkpoint_that_does_not_fit_is_not_believed(talk, tmp_path, happens) -> None:
    recording = shutil.copy2(talk, tmp_path / talk.name)
    first = job_for(recording, tmp_path / "t.parquet")
    work(first, stop_after=4)
    assert checkpoint(first).is_file()
    job = happens(first)
    events = work(job)
    assert resumed_s(events) == []
    assert isinstance(events[-1], Finished)
    never = replace(job, timeline=tmp_path / "never.parquet")
    work(never)
    assert job.timeline.read_bytes() == never.timeline.read_bytes()
    assert not folder_of(job).exists()


def test_where_no_checkpoint_can_be_written_the_analysis_goes_on(talk, whole, tmp_path) -> None:
    job = replace(job_for(talk, tmp_path / "t.parquet"), scratch=tmp_path / "scratch")
    job.scratch.mkdir()
    folder_of(job).write_text("in the way")
    events = work(job)
    assert isinstance(events[-1], Finished)
    assert job.timeline.read_bytes() == whole


def test_a_full_disk_leaves_the_checkpoint_before(talk, whole, tmp_path, monkeypatch) -> None:
    job = job_for(talk, tmp_path / "t.parquet")
    work(job, stop_after=3)
    before = checkpoint(job).read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("fer_video.checkpoints.write_part", full)
        work(job, stop_after=3)
    assert checkpoint(job).read_bytes() == before
    assert len(resumed_s(work(job))) == 1
    assert job.timeline.read_bytes() == whole


def face(track_id: int) -> Observation:
    found = Face(Box(1, 2, 3, 4), 0.9, np.zeros((5, 2), np.float32), track_id)
    probabilities = np.full(2, 0.5, np.float32)
    probabilities[track_id % 2] = 0.6
    return Observation(found, probabilities, 1.0 / (1 + track_id), 100.0)


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_row_groups_are_those_of_a_run_that_was_never_stopped(tmp_path: Path, suffix) -> None:
    """Also where a moment with several faces stands across the end of one."""
    labels = ("happy", "sad")
    every = [
        Moment(n, n * 40, n / 25, tuple(face(one) for one in range(n % 4))) for n in range(9000)
    ]
    with open_timeline(tmp_path / f"never{suffix}", "a", labels) as writer:
        parts = [
            [writer.write(moment) for moment in every[at : at + 700]] for at in range(0, 9000, 700)
        ]
    with open_timeline(tmp_path / f"parts{suffix}", "a", labels) as writer:
        for number, part in enumerate(parts):
            path = tmp_path / f"{number}.rows"
            storage.write_part(path, [row for rows in part for row in rows], labels)
            for rows in part_rows(path):
                writer.write_rows(rows)
    never, joined = (tmp_path / f"{name}{suffix}" for name in ("never", "parts"))
    assert joined.read_bytes() == never.read_bytes()


def test_a_checkpoint_may_lie_where_the_name_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"\xe9t\xe9.rows")
    storage.write_part(path, [{"recording": "a", "frame": 7}], EMOTIONS)
    (row,) = storage.read_part(path)
    assert (row["recording"], row["frame"], row["track"]) == ("a", 7, None)


def part_rows(path: Path) -> list[list[storage.Row]]:
    rows: dict[int, list[storage.Row]] = {}
    for row in storage.read_part(path):
        rows.setdefault(row["frame"], []).append(row)
    return list(rows.values())


def test_checkpoints_of_results_that_go_to_a_store_outlive_the_copies(
    talk: Path, tmp_path: Path
) -> None:
    job = job_for(talk, tmp_path / "spool" / "copies" / "results" / "t.parquet")
    store = Remote(tmp_path / "spool" / "copies", 10**9, results="s3://lab/results")
    assert folder_of(replace(job, remote=store)).parent == tmp_path / "spool"
    other = replace(store, copies=tmp_path / "spool" / "others")
    assert folder_of(replace(job, remote=other)) != folder_of(replace(job, remote=store))


def test_what_cannot_be_known_again_has_no_checkpoints(talk: Path, tmp_path: Path) -> None:
    job = job_for(talk, tmp_path / "t.parquet")
    assert Checkpoints(job, "work", ()).snapshot_every_s == 1.0
    assert Checkpoints(job, "", ()).snapshot_every_s == math.inf


def test_a_checkpoint_waits_for_a_month(talk: Path, tmp_path: Path) -> None:
    job = job_for(talk, tmp_path / "t.parquet")
    work(job, stop_after=3)
    for days, stays in ((29, True), (31, False)):
        then_s = time.time() - days * 24 * 3600
        os.utime(folder_of(job), (then_s, then_s))
        remove_leftovers(tmp_path)
        assert folder_of(job).exists() == stays


def command(recording: Path, out: Path, *words: object) -> list[str]:
    given = ["analyze", recording, "--out", out, "--checkpoint-every", 1, *words]
    return [sys.executable, "-m", "fer_video", *map(str, given)]


@pytest.mark.parametrize("n_signals", [1, 2])
def test_ctrl_c_once_keeps_what_is_done_and_twice_leaves_at_once(
    talk, tmp_path, n_signals: int
) -> None:
    long = kills.make_clip(tmp_path / "long.mp4", SIZE_PX, 2, 40)
    out = tmp_path / "out" / "t.parquet"
    running = subprocess.Popen(command(long, out), stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob("out/.fer-video-*/*.json")) and running.poll() is None:
        time.sleep(0.05)
    for _ in range(n_signals):
        running.send_signal(signal.SIGINT)
        time.sleep(0.1)
    assert running.communicate(timeout=60)[1].endswith("nothing is left half-written\n")
    # a second one may come when all is over
    assert running.returncode == 130 or (n_signals == 2 and running.returncode == -signal.SIGINT)
    again = subprocess.run(command(long, out), capture_output=True, text=True, check=True)
    assert again.stdout.startswith("long.mp4: goes on at 0:00:")
    never = tmp_path / "never.parquet"
    subprocess.run(command(long, never, "--quiet"), check=True)
    assert out.read_bytes() == never.read_bytes()
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.parametrize("n_kills", [4, pytest.param(50, marks=pytest.mark.long)])
def test_a_run_killed_at_random_moments_goes_on_to_the_same_file(tmp_path, n_kills: int) -> None:
    recording = kills.make_clip(tmp_path / "r.mp4", SIZE_PX, 2, 20 if n_kills < 50 else 40)
    runs = list(kills.killed_runs(recording, tmp_path, n_kills, seed=random.randrange(1000)))
    assert sum(run.kills for run in runs) == n_kills
    assert all(run.same for run in runs)
    assert all(name.startswith(".fer-video-") for run in runs for name in run.left)


def test_a_folder_run_goes_on_within_a_recording(talk: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    long = kills.make_clip(tmp_path / "in" / "long.mp4", SIZE_PX, 2, 40)
    results = tmp_path / "results"
    running = subprocess.Popen(command(long.parent, results, "--quiet"))
    while not list(results.glob(".unfinished/.fer-video-*/*.json")) and running.poll() is None:
        time.sleep(0.05)
    running.kill()
    running.wait()
    told = subprocess.run(
        command(long.parent, results, "--json"), capture_output=True, text=True, check=True
    ).stdout
    events = [json.loads(line) for line in told.splitlines()]
    (resumed,) = (event for event in events if event["event"] == "resumed")
    assert resumed["recording"] == "long.mp4"
    assert resumed["at_s"] >= 1
    assert list((results / ".unfinished").iterdir()) == []
    never = tmp_path / "never"
    subprocess.run(command(long.parent, never, "--quiet"), check=True)
    timeline = "timelines/long.mp4.parquet"
    assert (results / timeline).read_bytes() == (never / timeline).read_bytes()
