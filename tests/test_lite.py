import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fer_video import weights
from fer_video.classify import NetClassifier
from fer_video.errors import ModelError
from fer_video.files import sha256_of
from fer_video.lite import LiteNet
from tests.learn.faces import some_faces


@pytest.fixture
def copy(tmp_path: Path) -> weights.ModelSpec:
    """A copy of the shipped model that may be damaged."""
    shutil.copytree(weights.find("default").folder, tmp_path / "copy")
    return weights.find(str(tmp_path / "copy"))


def test_an_answer_is_the_same_to_the_last_bit_wherever_a_crop_stands() -> None:
    classifier = NetClassifier(spec := weights.find("default"), LiteNet(spec))
    crops = some_faces(test=19).images
    together = classifier(crops)
    assert np.array_equal(together, np.concatenate([classifier(crops[:3]), classifier(crops[3:])]))
    assert np.array_equal(together[::-1], classifier(crops[::-1]))


def test_threads_may_share_a_net() -> None:
    classifier = NetClassifier(spec := weights.find("default"), LiteNet(spec))
    batches = np.split(some_faces(test=160).images, 20)
    alone = [classifier(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        assert np.array_equal(list(pool.map(classifier, batches)), alone)


def test_what_is_run_is_what_was_checked(copy: weights.ModelSpec) -> None:
    copy.lite.write_bytes(copy.lite.read_bytes()[::-1])
    with pytest.raises(ModelError, match=r"model\.tflite is not the file .* SHA-256 differs"):
        LiteNet(copy)
    copy.lite.unlink()
    with pytest.raises(ModelError, match=r"model\.tflite is missing"):
        LiteNet(copy)


@pytest.mark.parametrize("content", [b"", b"no model", b"\0" * 5000])
def test_a_file_that_is_no_net_is_one_line_even_if_its_checksum_is_right(
    copy: weights.ModelSpec, content: bytes
) -> None:
    copy.lite.write_bytes(content)
    described = replace(copy, lite_sha256=sha256_of(copy.lite))
    with pytest.raises(ModelError, match=r"^LiteRT cannot run .*model\.tflite [^\n]*$"):
        LiteNet(described)


def test_a_net_for_other_crops_is_refused(copy: weights.ModelSpec) -> None:
    with pytest.raises(ModelError, match=r"model\.tflite"):
        LiteNet(replace(copy, crop=replace(copy.crop, size_px=64)))
