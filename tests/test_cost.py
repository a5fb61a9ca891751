"""What an analysis costs, in counts: they are the same on every machine, seconds are not."""

import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame
from av.video.reformatter import VideoReformatter

from fer_video import classify, decoding, samples, weights
from fer_video.detect import detect
from fer_video.options import AnalysisOptions, DetectOptions, SampleOptions
from fer_video.pipeline import Tools, open_analysis
from fer_video.track import track
from fer_video.types import CropSpec, Face, Floats, Image
from fer_video.video import open_recording
from tests.scenes import Square, bright_square, picture, steady, write_video

N_FRAMES = 120
N_KEYS = N_FRAMES // 5
SIZE_PX = (320, 240)
FACES = (Square(40, 60, 60), Square(200, 80, 50))
# groups IBBBPBBBPBBP; no frame refers to a B
B_FRAMES = {"preset": "medium", "bf": "3", "g": "12", "b_strategy": "0", "b-pyramid": "none"}


class Work:
    """Counts what is done from the decoder to the net; detector and net answer at once."""

    batch_size = 8
    device = "cpu:0"

    def __init__(self, every: int) -> None:
        self.every = every
        """Distance of two samples, in frames."""
        self.runtime: dict[str, str] = {}
        self.opened = 0
        self.decoded: list[VideoFrame] = []
        self.converted: list[int] = []
        """Bytes of every picture that was made of another one."""
        self.detected_shapes: list[tuple[int, ...]] = []
        self.cut_from: list[Image] = []
        self.batches = 0
        self.faces = 0

    def detect(self, pictures: Sequence[Image]) -> list[tuple[Face, ...]]:
        self.detected_shapes += [one.shape for one in pictures]
        return bright_square(pictures)

    def __call__(self, crops: Floats) -> Floats:
        self.batches += 1
        return np.full((len(crops), 7), 1 / 7, np.float32)

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        """Count what cannot be handed in."""
        open_file, decode, crop_face = av.open, decoding._decode, classify.crop_face

        def open_and_count(*args: Any, **options: Any) -> Any:
            self.opened += 1
            return open_file(*args, **options)

        def decode_and_count(packet: Any) -> list[Any]:
            frames = decode(packet)
            self.decoded += filter(None, frames)
            return [frame and WatchedFrame(frame, self.converted) for frame in frames]

        def crop_and_count(gray: Image, *rest: Any) -> Image:
            self.cut_from.append(gray)
            return crop_face(gray, *rest)

        patch.setattr(av, "open", open_and_count)
        patch.setattr(decoding, "_decode", decode_and_count)
        patch.setattr(classify, "crop_face", crop_and_count)
        patch.setattr(samples, "VideoReformatter", lambda: WatchedReformatter(self.converted))


class WatchedFrame:
    """A frame of PyAV that notes the bytes of each picture made of it."""

    def __init__(self, frame: VideoFrame, converted: list[int]) -> None:
        self.frame, self._converted = frame, converted

    def __getattr__(self, name: str) -> Any:
        value = getattr(self.frame, name)
        assert not callable(value), f"what {name} makes is not counted"
        return value

    def to_ndarray(self, *args: Any, **options: Any) -> Image:
        array = self.frame.to_ndarray(*args, **options)
        self._converted.append(array.nbytes)
        return array

    def reformat(self, *args: Any, **options: Any) -> "WatchedFrame":
        return WatchedReformatter(self._converted).reformat(self, *args, **options)


class WatchedReformatter:
    """A scaler of PyAV that notes the bytes of each picture it makes."""

    def __init__(self, converted: list[int]) -> None:
        self._reformatter, self._converted = VideoReformatter(), converted

    def reformat(self, frame: WatchedFrame, *args: Any, **options: Any) -> WatchedFrame:
        made = self._reformatter.reformat(frame.frame, *args, **options)
        self._converted.append(made.width * made.height * made.format.bits_per_pixel // 8)
        return WatchedFrame(made, self._converted)


@pytest.fixture(scope="module")
def two_faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Almost five seconds of two faces that stay."""
    path = tmp_path_factory.mktemp("cost") / "two_faces.mp4"
    return write_video(path, steady(N_FRAMES), lambda _: picture(*FACES, size_px=SIZE_PX),
                       options=B_FRAMES)  # fmt: skip


@pytest.fixture(scope="module", params=[None, 5], ids=["every frame", "every fifth"])
def work(two_faces: Path, request: pytest.FixtureRequest) -> Work:
    """What an analysis did."""
    work = Work(every=5 if request.param else 1)
    tools = Tools(work.detect, classify.NetClassifier(weights.find("default"), work))
    options = AnalysisOptions(
        sample=SampleOptions(fps=request.param), detect=DetectOptions(detect_every_s=0.2)
    )
    with pytest.MonkeyPatch.context() as patch:
        work.watch(patch)
        with open_analysis(two_faces, options, tools) as analysis:
            work.faces = sum(len(moment.observations) for moment in analysis.moments)
    return work


def test_each_frame_is_decoded_once_and_with_fps_only_those_that_are_needed(work: Work) -> None:
    # frames of I and P are referred to, others are needed as samples only
    needed = [at % 12 in (0, 4, 8, 11) or at % work.every == 0 for at in range(N_FRAMES)]
    # the first one is decoded when the recording is opened, too
    assert len(work.decoded) == sum(needed) + 1
    assert work.opened == 2


def test_the_detector_sees_a_small_picture_of_each_key_frame_only(work: Work) -> None:
    assert work.detected_shapes == [(120, 160, 3)] * N_KEYS


def test_each_face_is_cut_once_and_classified_in_full_batches(work: Work) -> None:
    assert work.faces == 2 * N_FRAMES / work.every
    assert len(work.cut_from) == work.faces
    assert work.batches == work.faces / work.batch_size


def test_faces_are_cut_out_of_the_memory_of_the_decoder(work: Work) -> None:
    planes = [np.frombuffer(memoryview(frame.planes[0]), np.uint8) for frame in work.decoded]
    assert all(any(np.shares_memory(gray, plane) for plane in planes) for gray in work.cut_from)


def test_only_small_pictures_of_key_frames_are_converted(work: Work) -> None:
    # shrunk in YUV, which has 1.5 bytes a pixel; then RGB; then its array
    assert sum(work.converted) == N_KEYS * 160 * 120 * (1.5 + 3 + 3)


def test_no_stage_needs_the_room_of_a_full_size_picture(tmp_path: Path) -> None:
    path = write_video(tmp_path / "large.mp4", steady(30), lambda _: picture(size_px=(1280, 960)))
    options = AnalysisOptions()
    face = bright_square([picture(Square(40, 30, 40), size_px=(160, 120))])
    with open_recording(path) as recording:
        frames = recording.frames(options.sample, options.detect.detect_every_s, 160)
        found = detect(frames, lambda _: face, options.detect)
        cropped = classify.cut_crops(track(found, options.track, 0.7), CropSpec())
        next(cropped)
        tracemalloc.start()
        n_crops = sum(len(frame.crops) for frame in cropped)
        _, most_bytes = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert n_crops == 29
    assert most_bytes < 1280 * 960
