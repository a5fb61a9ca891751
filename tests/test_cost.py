"""What an analysis costs, in counts: they are the same on every machine, seconds are not."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from fer_video import weights
from fer_video.classify import NetClassifier
from fer_video.events import Summary
from fer_video.options import AnalysisOptions, DetectOptions, SampleOptions
from fer_video.pipeline import Tools, open_analysis
from fer_video.provenance import Tally
from fer_video.types import Face, Floats, Image
from fer_video.video import open_recording
from tests.scenes import Square, bright_square, picture, steady, write_video

N_FRAMES = 100
SIZE_PX = (320, 240)
FACES = (Square(40, 60, 60), Square(200, 80, 50))
B_FRAMES = {"preset": "medium", "bf": "3", "g": "12", "sc_threshold": "0"}


class Work:
    """Counts what the detector and the net are given; both answer at once."""

    batch_size = 8
    device = "cpu:0"

    def __init__(self) -> None:
        self.runtime: dict[str, str] = {}
        self.detected_shapes: list[tuple[int, ...]] = []
        self.batches = 0

    def detect(self, pictures: Sequence[Image]) -> list[tuple[Face, ...]]:
        self.detected_shapes += [one.shape for one in pictures]
        return bright_square(pictures)

    def __call__(self, crops: Floats) -> Floats:
        self.batches += 1
        return np.full((len(crops), 7), 1 / 7, np.float32)


@pytest.fixture(scope="module")
def two_faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four seconds of two faces that stay."""
    path = tmp_path_factory.mktemp("cost") / "two_faces.mp4"
    return write_video(path, steady(N_FRAMES), lambda _: picture(*FACES, size_px=SIZE_PX),
                       options=B_FRAMES)  # fmt: skip


def analyzed(path: Path, sample: SampleOptions) -> tuple[Work, Summary, int]:
    """Analyze, and count the work, what was seen, and the faces."""
    work, tally = Work(), Tally()
    tools = Tools(work.detect, NetClassifier(weights.find("default"), work))
    options = AnalysisOptions(sample=sample, detect=DetectOptions(detect_every_s=0.2))
    with open_analysis(path, options, tools) as analysis:
        n_faces = sum(len(moment.observations) for moment in tally.counting(analysis.moments))
        return work, tally.summary(analysis.recording), n_faces


def test_each_frame_is_decoded_once_and_each_face_classified_in_full_batches(two_faces) -> None:
    work, summary, n_faces = analyzed(two_faces, SampleOptions())
    assert summary.frames_decoded == N_FRAMES
    assert n_faces == 2 * N_FRAMES
    assert work.batches == n_faces / work.batch_size


def test_the_detector_sees_a_small_picture_of_each_key_frame_only(two_faces) -> None:
    work, _, _ = analyzed(two_faces, SampleOptions())
    assert work.detected_shapes == [(120, 160, 3)] * (N_FRAMES // 5)


def test_sampling_saves_decoding_too(two_faces) -> None:
    work, summary, n_faces = analyzed(two_faces, SampleOptions(fps=5))
    assert summary.frames_decoded <= 0.8 * N_FRAMES
    assert (len(work.detected_shapes), n_faces) == (N_FRAMES // 5, 2 * N_FRAMES // 5)
    assert work.batches == n_faces / work.batch_size


def test_no_full_size_picture_is_copied(two_faces) -> None:
    with open_recording(two_faces) as recording:
        frames = list(recording.frames(SampleOptions(), 0.2, 160))
    copied = sum(frame.gray.nbytes for frame in frames if frame.gray.flags.owndata)
    small = sum(frame.rgb.nbytes for frame in frames if frame.rgb is not None)
    assert copied == 0
    assert small / N_FRAMES <= 0.2 * 3 * 160 * 120
