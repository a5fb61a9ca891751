import math
from pathlib import Path

import pytest

from fer_video.errors import OptionError
from fer_video.options import (
    ClassifyOptions,
    DetectOptions,
    LimitOptions,
    SampleOptions,
    SpoolOptions,
    TrackOptions,
    TrainOptions,
    TuneOptions,
    ViewOptions,
)
from fer_video.spool import spool_bytes
from fer_video.video import open_recording
from tests.scenes import steady, write_video


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SampleOptions(fps=0), "--fps must be above 0, at most 1e+09, got 0"),
        (lambda: SampleOptions(fps=math.nan), "--fps must be above 0, at most 1e+09, got nan"),
        (lambda: SampleOptions(fps=1e308), "--fps must be above 0, at most 1e+09, got 1e+308"),
        (lambda: SampleOptions(start_s=-1), "--start must be in [0, 1e+09], got -1"),
        (lambda: SampleOptions(start_s=math.inf), "--start must be in [0, 1e+09], got inf"),
        (lambda: SampleOptions(start_s=1e17), "--start must be in [0, 1e+09], got 1e+17"),
        (lambda: SampleOptions(start_s=5, end_s=5), "--end must be above 5 s, at most 1e+09, got"),
        (lambda: SampleOptions(end_s=math.inf), "--end must be above 0 s, at most 1e+09, got inf"),
        (
            lambda: DetectOptions(detect_every_s=1e-308),
            "--detect-every must be 0 or in [1e-09, 5], got 1e-308",
        ),
        (
            lambda: DetectOptions(detect_every_s=60),
            "--detect-every must be 0 or in [1e-09, 5], got 60",
        ),
        (
            lambda: DetectOptions(min_score=0.4, min_weak_score=0.5),
            "--min-weak-score must be in (0, 0.4], got 0.5",
        ),
        (lambda: DetectOptions(detector="eye"), "--detector must be yunet, mtcnn or haar"),
        (lambda: TrackOptions(min_iou=0), "--min-iou must be in (0, 1], got 0"),
        (lambda: TrackOptions(max_gap_s=math.inf), "--max-gap must be in [0, 1e+09], got inf"),
        (lambda: ClassifyOptions(batch_size=0), "--batch-size must be 1 or more, got 0"),
        (lambda: ViewOptions(language="de"), "--lang must be en or fr, got de"),
        (lambda: SpoolOptions(size_gb=math.inf), "--spool-gb must be above 0, at most 1e+09, got"),
        (lambda: TrainOptions(ferplus_share=2), "--ferplus-share must be in [0, 1], got 2"),
        (lambda: TrainOptions(seed=2**32), "--seed must be in [0, 4294967295], got 4294967296"),
        (lambda: TuneOptions(seed=-1), "--seed must be in [0, 4294967295], got -1"),
        (lambda: TuneOptions(timeout_s=0), "--timeout must be above 0, got 0"),
    ],
)
def test_an_impossible_option_is_refused_with_its_name_and_what_is_allowed(build, message) -> None:
    with pytest.raises(OptionError) as caught:
        build()
    assert str(caught.value).startswith(message)


def test_the_highest_values_that_are_taken_work_on_a_recording(tmp_path: Path) -> None:
    path = write_video(tmp_path / "talk.mp4", steady(3))
    with open_recording(path, LimitOptions(max_side_px=10**12)) as recording:
        for sample in (SampleOptions(fps=1e9, end_s=1e9), SampleOptions(fps=5e-324)):
            assert next(recording.frames(sample, 1e-9, 64)).time_s == 0
        assert not list(recording.frames(SampleOptions(start_s=1e9), 1e9, 64))
    assert spool_bytes(SpoolOptions(size_gb=1e9)) == 10**18


def test_what_is_left_open_becomes_what_suits_the_detector() -> None:
    yunet, mtcnn = DetectOptions(), DetectOptions(detector="mtcnn")
    assert 0 < yunet.min_weak_score < yunet.min_score < mtcnn.min_score
    assert yunet.detect_side_px > mtcnn.detect_side_px
    assert DetectOptions(min_score=0.3).min_weak_score == 0.3
