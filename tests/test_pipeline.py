import threading
from pathlib import Path

import numpy as np
import pytest

from fer_video import AnalysisOptions, SampleOptions, analyze, moments
from fer_video.classify import classify, cut_crops
from fer_video.detect import detect
from fer_video.options import DetectOptions
from fer_video.pipeline import prefetch
from fer_video.track import track
from fer_video.types import CropSpec, Moment
from fer_video.video import open_recording
from tests.scenes import Draw, Square, bright_square, picture, steady, write_video
from tests.straightforward import assert_same_result, straightforward


def run_stages(path: Path, options: AnalysisOptions, batch_size: int = 4) -> list[Moment]:
    """All stages on a drawn recording, in which a bright square is a face."""

    def one_half(crops: np.ndarray) -> np.ndarray:
        return np.full((len(crops), 2), 0.5, np.float32)

    with open_recording(path) as recording:
        frames = recording.frames(
            options.sample, options.detect.detect_every_s, options.detect.detect_side_px
        )
        detected = detect(frames, bright_square, options.detect)
        tracked = track(detected, options.track, options.detect.min_score)
        return list(classify(cut_crops(tracked, CropSpec()), one_half, batch_size))


SMALL_FACES = DetectOptions(min_face_px=8)


def square_until(last: int) -> Draw:
    return lambda index: picture(Square(20, 10)) if index < last else picture()


def test_a_recording_gives_one_moment_per_frame_at_its_true_time(tmp_path: Path) -> None:
    times_s = [0.0, 0.04, 0.16, 0.2, 0.5, 0.54, 1.0]
    path = write_video(tmp_path / "vfr.mp4", times_s)
    found = run_stages(path, AnalysisOptions(detect=SMALL_FACES))
    assert [moment.time_s for moment in found] == pytest.approx(times_s, abs=1e-4)
    assert [len(moment.observations) for moment in found] == [1] * 7
    assert {seen.face.track_id for moment in found for seen in moment.observations} == {0}


def test_a_frame_without_a_face_is_a_moment_without_observations(tmp_path: Path) -> None:
    path = write_video(tmp_path / "leaves.mp4", steady(20), square_until(10))
    found = run_stages(path, AnalysisOptions(detect=SMALL_FACES))
    counts = [len(moment.observations) for moment in found]
    assert len(counts) == 20
    # the key frames are 0.2 s apart: the face ends with the last one that shows it
    assert counts == [1] * 6 + [0] * 14


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_the_batch_size_changes_no_number(tmp_path: Path, batch_size: int) -> None:
    path = write_video(tmp_path / "walk.mp4", steady(30))
    options = AnalysisOptions(detect=SMALL_FACES)
    boxes = [
        [tuple(seen.face.box) for moment in run_stages(path, options, size) for seen in
         moment.observations]
        for size in (batch_size, 4)
    ]  # fmt: skip
    assert boxes[0] == boxes[1]


def test_sampling_keeps_the_times_of_the_frames(tmp_path: Path) -> None:
    path = write_video(tmp_path / "walk.mp4", steady(50))
    sample = SampleOptions(fps=5, start_s=0.4, end_s=1.2)
    found = run_stages(path, AnalysisOptions(sample=sample, detect=SMALL_FACES))
    assert [moment.time_s for moment in found] == pytest.approx([0.4, 0.6, 0.8, 1.0], abs=1e-4)


def test_real_faces_are_followed_and_classified(consult: Path) -> None:
    table = analyze(consult, AnalysisOptions(sample=SampleOptions(fps=5, end_s=2)))
    assert len(table) == 2 * 10
    assert table.groupby("track")["time_s"].count().tolist() == [10, 10]
    smiling, serious = table.groupby("track")["p_happy"].mean()
    assert smiling > 0.8
    assert serious < 0.2


@pytest.mark.parametrize("fps", [None, 5])
def test_speed_changes_no_result(consult: Path, fps: float | None) -> None:
    options = AnalysisOptions(sample=SampleOptions(fps=fps, start_s=6.5, end_s=8.5))
    plain = straightforward(consult, options)
    assert len(plain.dropna(subset=["track"])) > 10
    assert_same_result(analyze(consult, options), plain)


def test_moments_are_lazy(consult: Path) -> None:
    first = next(moments(consult))
    assert first.index == 0
    assert len(first.observations) == 2


def test_prefetch_keeps_the_order_whatever_the_depth() -> None:
    assert [list(prefetch(iter(range(50)), depth)) for depth in (1, 3, 100)] == [
        list(range(50))
    ] * 3


def test_an_error_of_the_source_arrives_at_the_consumer() -> None:
    def failing():
        yield 1
        raise ValueError("broken")

    ahead = prefetch(failing(), 4)
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="broken"):
        next(ahead)


def test_a_consumer_that_leaves_early_ends_the_thread() -> None:
    threads = threading.active_count()
    ahead = prefetch(iter(range(1000)), 4)
    next(ahead)
    assert threading.active_count() == threads + 1
    ahead.close()
    assert threading.active_count() == threads
