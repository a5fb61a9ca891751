"""An analysis that was stopped or killed goes on to the rows of one that never was."""

import functools
import json
import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from fer_video import AnalysisOptions, SampleOptions
from fer_video.checkpoints import Checkpoints, folder_of
from fer_video.classify import load_classifier
from fer_video.events import Job
from fer_video.options import ClassifyOptions, DetectOptions, OutputOptions
from fer_video.pipeline import Tools, open_analysis
from fer_video.provenance import Tally
from fer_video.types import Image, Moment, Snapshot
from tests.scenes import Square, bright_square, damage, picture, steady, truncate, write_video

SMALL_FACES = DetectOptions(min_face_px=8)
B_FRAMES = {"preset": "fast", "crf": "20", "g": "48", "bf": "3"}
LONG_S = 26.0
"""Longer than what is read before the picture where an analysis goes on."""


def two_people(index: int) -> Image:
    """One walks to and fro, the other one comes and goes; every 7 s the scene is another one."""
    faces = [Square(2 + index % 30, 6, 14)]
    if index // 45 % 2:
        faces.append(Square(44, 28, 14))
    rgb = picture(*faces)
    return 255 - rgb if index // 175 % 2 else rgb


def gaps() -> list[float]:
    """Times at 1 to 60 frames per second, with a gap of 4 s."""
    times_s, time_s = [], 0.0
    while time_s < LONG_S:
        times_s.append(time_s)
        time_s += 1 / (1 + 59 * abs(math.sin(time_s)))
    return [time_s for time_s in times_s if not 14 < time_s < 18]


class Case(NamedTuple):
    """A recording, and what is asked of it."""

    write: Callable[[Path], Path]
    sample: SampleOptions = SampleOptions()
    seeks: bool = True
    """Whether the position is found without reading all that is before."""


def video(suffix: str = ".mp4", times_s: list[float] | None = None, **words) -> Callable:
    times_s = times_s or steady(int(LONG_S * 25))
    return lambda folder: write_video(folder / f"r{suffix}", times_s, two_people, **words)


def damaged(at: int, **words) -> Callable:
    return lambda folder: damage(video(**words)(folder), at)


OPEN_GOP = {**B_FRAMES, "x264-params": "open-gop=1"}
REFRESH = {"preset": "fast", "x264-params": "intra-refresh=1:keyint=50:scenecut=0"}
RARE = {"preset": "fast", "g": "9999", "sc_threshold": "0"}
CASES = {
    "every frame": Case(video()),
    "rotated": Case(video(clockwise_deg=90)),
    "variable rate": Case(video(times_s=gaps())),
    "B-frames in an open GOP": Case(video(options=OPEN_GOP)),
    "a rare key frame": Case(video(options=RARE), seeks=False),
    "no key frames at all": Case(video(options=REFRESH), seeks=False),
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
    with open_analysis(path, options, tools(), snapshot_every_s=3.0, after=after) as analysis:
        read_again_s = list(analysis.return_there())
        moments = list(tally.counting(analysis.moments))
        return Run(moments, analysis.provenance(tally.summary(analysis.recording)), read_again_s)


def on_disk(snapshot: Snapshot, folder: Path) -> Snapshot:
    """Return what a checkpoint says of a snapshot."""
    job = Job(folder / "r.mp4", "r.mp4", folder / "r.parquet")
    Checkpoints(job, "work", ()).add([], snapshot, Tally())
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
    assert len(stops) >= 3
    for at in stops:
        tally = Tally()
        list(tally.counting(whole.moments[: at + 1]))
        after = on_disk(whole.moments[at].snapshot, tmp_path)
        rest = analyzed(path, case.sample, after, tally)
        assert list(map(seen, rest.moments)) == list(map(seen, whole.moments[at + 1 :]))
        assert rest.told == whole.told
        assert [one.snapshot is None for one in rest.moments] == [
            one.snapshot is None for one in whole.moments[at + 1 :]
        ]
    if case.seeks:
        assert rest.read_again_s[0] > 5
