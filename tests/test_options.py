import pytest

from fer_video.errors import OptionError
from fer_video.options import (
    ClassifyOptions,
    DetectOptions,
    SampleOptions,
    TrackOptions,
    TrainOptions,
    TuneOptions,
    ViewOptions,
)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: SampleOptions(fps=0), "--fps must be above 0, got 0"),
        (lambda: SampleOptions(fps=float("nan")), "--fps must be above 0, got nan"),
        (lambda: SampleOptions(start_s=-1), "--start must be 0 or more, got -1"),
        (lambda: SampleOptions(start_s=5, end_s=5), "--end must be above 5 s, got 5"),
        (
            lambda: DetectOptions(min_score=0.4, min_weak_score=0.5),
            "--min-weak-score must be in (0, 0.4], got 0.5",
        ),
        (lambda: DetectOptions(detector="eye"), "--detector must be yunet, mtcnn or haar"),
        (lambda: TrackOptions(min_iou=0), "--min-iou must be in (0, 1], got 0"),
        (lambda: ClassifyOptions(batch_size=0), "--batch-size must be 1 or more, got 0"),
        (lambda: ViewOptions(language="de"), "--lang must be en or fr, got de"),
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


def test_what_is_left_open_becomes_what_suits_the_detector() -> None:
    yunet, mtcnn = DetectOptions(), DetectOptions(detector="mtcnn")
    assert 0 < yunet.min_weak_score < yunet.min_score < mtcnn.min_score
    assert yunet.detect_side_px > mtcnn.detect_side_px
    assert DetectOptions(min_score=0.3).min_weak_score == 0.3
