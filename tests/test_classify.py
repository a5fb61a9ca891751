from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pytest

from fer_video import weights
from fer_video.backend import keras
from fer_video.classify import (
    CroppedFrame,
    classifier_of,
    classify,
    cut_crops,
    load_classifier,
    temper,
)
from fer_video.errors import OptionError
from fer_video.labels import EMOTIONS
from fer_video.options import ClassifyOptions
from fer_video.types import CropSpec, DetectedFrame, Frame
from tests.learn.faces import some_faces
from tests.scenes import Square, bright_square, picture


def crops(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 48, 48), dtype=np.uint8)


@pytest.fixture(scope="module")
def classifier():
    return load_classifier(ClassifyOptions(batch_size=8))


def test_probabilities_are_one_row_per_crop_and_sum_to_1(classifier) -> None:
    probabilities = classifier(crops(19))
    assert probabilities.shape == (19, len(EMOTIONS))
    assert probabilities.dtype == np.float32
    assert probabilities.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_the_batch_size_changes_no_number() -> None:
    with_keras = replace(weights.find("default"), lite_sha256="")  # LiteRT has a size of its own
    of_8, of_3 = (classifier_of(with_keras, size, "cpu")(crops(10)) for size in (8, 3))
    assert np.abs(of_8 - of_3).max() < 1e-5


def test_a_crop_is_judged_by_itself_whatever_stands_beside_it(classifier) -> None:
    alone = classifier(crops(10)[4:5])
    assert np.abs(alone - classifier(crops(10))[4:5]).max() < 1e-5


def test_no_crops_give_no_rows(classifier) -> None:
    assert classifier(crops(0)).shape == (0, len(EMOTIONS))


def test_the_device_and_what_computes_on_it_are_known_for_the_result(classifier) -> None:
    on_cpu = load_classifier(ClassifyOptions(device="cpu"))
    assert on_cpu.device == "cpu:0"
    assert on_cpu.runtime == {"ai-edge-litert": version("ai-edge-litert")}
    assert classifier.device in ("cpu:0", "gpu:0")


def test_a_model_without_a_file_for_litert_answers_alike_through_keras() -> None:
    spec = weights.find("default")
    lite = classifier_of(spec, 64, "cpu")
    with_keras = classifier_of(replace(spec, lite_sha256=""), 8, "cpu")
    assert with_keras.device == "cpu:0"
    assert with_keras.runtime["keras"] == keras.__version__
    some = np.concatenate([crops(30), some_faces(test=33).images])
    # weights of eight bits against float32
    assert np.abs(lite(some) - with_keras(some)).mean() < 0.01


def test_a_temperature_of_1_changes_nothing_and_a_higher_one_doubts_more() -> None:
    sure = np.array([[0.9, 0.05, 0.05]], np.float32)
    assert temper(sure, 1.0) is sure
    assert temper(sure, 2.0)[0, 0] < 0.9
    assert temper(sure, 2.0).sum() == pytest.approx(1)
    assert temper(temper(sure, 2.0), 0.5) == pytest.approx(sure, abs=1e-5)


def cropped(n_faces: int, time_s: float = 0.0) -> CroppedFrame:
    rgb = picture(*(Square(2 + 20 * n, 8) for n in range(n_faces)))
    (faces,) = bright_square([rgb])
    frame = Frame(0, 0, time_s, rgb[..., 0], full_range=True)
    (item,) = cut_crops([DetectedFrame(frame, faces)], CropSpec())
    return item


class Counting:
    """A classifier that notes how many crops each call had; each crop's mean is its first
    probability, so that rows can be told apart."""

    def __init__(self) -> None:
        self.sizes: list[int] = []

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        self.sizes.append(len(crops))
        first = crops.mean(axis=(1, 2)) / 255
        return np.stack([first, 1 - first], axis=1).astype(np.float32)


def test_every_face_is_cut_out_and_the_frame_let_go() -> None:
    item = cropped(2, time_s=0.5)
    assert item.time_s == 0.5
    assert len(item.faces) == len(item.crops) == 2
    assert {crop.shape for crop in item.crops} == {(48, 48)}


@pytest.mark.parametrize("batch_size", [1, 2, 5, 64])
def test_every_frame_gives_one_moment_in_order_whatever_the_batch(batch_size: int) -> None:
    frames = [cropped(n % 3, time_s=n / 25) for n in range(11)]
    moments = list(classify(frames, Counting(), batch_size))
    assert [moment.time_s for moment in moments] == [frame.time_s for frame in frames]
    assert [len(moment.observations) for moment in moments] == [n % 3 for n in range(11)]
    for frame, moment in zip(frames, moments, strict=True):
        assert tuple(seen.face for seen in moment.observations) == frame.faces
        for seen in moment.observations:
            assert seen.probabilities[0] * 255 == pytest.approx(seen.brightness, abs=0.01)


def test_crops_of_several_frames_and_people_share_a_batch() -> None:
    counting = Counting()
    list(classify([cropped(2)] * 10, counting, 8))
    list(classify([cropped(3)] * 10, counting, 8))
    assert counting.sizes == [8, 8, 4, 8, 8, 8, 6]


def test_a_faceless_hour_neither_waits_for_a_batch_nor_runs_the_network() -> None:
    counting, taken = Counting(), []
    faceless = (taken.append(n) or cropped(0) for n in range(1000))
    next(classify(faceless, counting, 8))
    assert len(taken) == 1
    assert counting.sizes == []


def test_a_face_does_not_wait_for_a_faceless_hour_to_end() -> None:
    counting, taken = Counting(), []
    frames = (taken.append(n) or cropped(int(n == 0)) for n in range(1000))
    assert len(next(classify(frames, counting, 8)).observations) == 1
    assert len(taken) == 33
    assert counting.sizes == [1]


def test_a_face_does_not_wait_where_samples_are_far_apart() -> None:
    counting, taken = Counting(), []
    frames = (taken.append(n) or cropped(1, time_s=4.0 * n) for n in range(1000))
    next(classify(frames, counting, 8))
    assert (len(taken), counting.sizes) == (4, [4])


def test_a_gpu_that_is_not_there_is_refused_with_the_remedy() -> None:
    if keras.distribution.list_devices("gpu"):
        pytest.skip("there is one")
    with pytest.raises(
        OptionError, match=r"--device gpu: no GPU is usable here; take --device cpu"
    ):
        load_classifier(ClassifyOptions(device="gpu"))
