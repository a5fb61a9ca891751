import json
import shutil
from pathlib import Path

import pytest

from fer_video import weights
from fer_video.errors import ModelError
from fer_video.labels import EMOTIONS


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the shipped model that may be damaged."""
    return Path(shutil.copytree(weights.find("default").folder, tmp_path / "copy"))


def test_the_default_model_is_shipped_whole() -> None:
    spec = weights.find("default")
    assert spec.labels == EMOTIONS
    assert spec.parameters < 2_000_000
    assert spec.multiply_adds < 80_000_000
    assert {"label", "label_without_copies", "ferplus", "ferplus_without_copies"} <= set(
        spec.metrics
    )
    assert (spec.folder / weights.CARD_FILE).is_file()


def test_a_model_is_found_by_folder_and_by_environment(copy: Path, monkeypatch) -> None:
    assert weights.find(str(copy)).folder == copy
    monkeypatch.setenv("FER_VIDEO_MODELS", str(copy.parent))
    assert weights.find("copy").folder == copy
    assert "copy" in {spec.folder.name for spec in weights.available()}


def test_an_unknown_model_names_the_places_that_were_searched() -> None:
    with pytest.raises(ModelError, match=r"no model 'nobody': searched nobody, .*models.nobody"):
        weights.find("nobody")


def test_weights_with_another_checksum_are_refused(copy: Path) -> None:
    content = bytearray((copy / weights.WEIGHTS_FILE).read_bytes())
    content[-1] ^= 1
    (copy / weights.WEIGHTS_FILE).write_bytes(content)
    with pytest.raises(ModelError, match="its SHA-256 differs"):
        weights.find(str(copy))


def test_missing_weights_are_named(copy: Path) -> None:
    (copy / weights.WEIGHTS_FILE).unlink()
    with pytest.raises(ModelError, match=r"model\.weights\.h5 is missing"):
        weights.find(str(copy))


@pytest.mark.parametrize("damage", [{"surprise": 1}, {"labels": 3}, {"crop": {"zoom": 1}}])
def test_a_description_that_is_none_is_refused(copy: Path, damage: dict[str, object]) -> None:
    spec_file = copy / weights.SPEC_FILE
    spec_file.write_text(json.dumps(json.loads(spec_file.read_text()) | damage))
    with pytest.raises(ModelError, match="does not describe a model"):
        weights.find(str(copy))


def test_weights_of_another_net_are_refused(copy: Path) -> None:
    from fer_video.classify import load_classifier
    from fer_video.options import ClassifyOptions

    spec_file = copy / weights.SPEC_FILE
    content = json.loads(spec_file.read_text())
    spec_file.write_text(json.dumps(content | {"labels": content["labels"][:-1]}))
    with pytest.raises(ModelError, match="does not fit the net"):
        load_classifier(ClassifyOptions(model=str(copy)))
