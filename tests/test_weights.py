import errno
import json
import shutil
import time
from dataclasses import replace
from pathlib import Path

import h5py
import pytest

from fer_video import weights
from fer_video.errors import ModelError
from fer_video.labels import EMOTIONS


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the shipped model that may be damaged."""
    return Path(shutil.copytree(weights.find("default").folder, tmp_path / "copy"))


@pytest.mark.parametrize(
    ("name", "most_parameters", "most_multiply_adds"),
    [("default", 3_000_000, 45_000_000), ("accurate", 6_000_000, 200_000_000)],
)
def test_both_models_are_shipped_whole(
    name: str, most_parameters: int, most_multiply_adds: int
) -> None:
    spec = weights.find(name)
    assert spec.labels == EMOTIONS
    assert spec.parameters <= most_parameters
    assert spec.multiply_adds <= most_multiply_adds
    assert {"label", "label_without_copies", "ferplus", "ferplus_without_copies"} <= set(
        spec.metrics
    )
    assert (spec.folder / weights.CARD_FILE).is_file()


def test_a_model_is_found_by_folder_and_by_environment(copy: Path, monkeypatch) -> None:
    assert weights.find(str(copy)).folder == copy
    monkeypatch.setenv("FER_VIDEO_MODELS", str(copy.parent))
    assert weights.find("copy").folder == copy
    assert "copy" in {spec.folder.name for spec in weights.available()}


def test_a_model_is_called_by_its_folder_whatever_its_description_says(copy: Path) -> None:
    spec_file = copy / weights.SPEC_FILE
    spec_file.write_text(json.dumps(json.loads(spec_file.read_text()) | {"name": "../../mine"}))
    assert weights.find(str(copy)).name == "copy"
    renamed = copy.rename(copy.with_name("renamed"))
    assert weights.find(str(renamed)).name == "renamed"


def test_a_damaged_model_does_not_hide_the_others(copy: Path, monkeypatch) -> None:
    monkeypatch.setenv("FER_VIDEO_MODELS", str(copy.parent))
    (copy / weights.SPEC_FILE).write_text("{")
    damaged, *others = weights.available()
    assert "copy/model.json does not describe a model" in str(damaged)
    assert {"accurate", "default"} <= {spec.name for spec in others}


def test_an_unknown_model_names_the_places_that_were_searched() -> None:
    with pytest.raises(ModelError, match=r"no model 'nobody': searched nobody, .*models.nobody"):
        weights.find("nobody")


@pytest.mark.parametrize("name", [weights.WEIGHTS_FILE, weights.LITE_FILE])
def test_a_file_with_another_checksum_is_refused(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[-1] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(ModelError, match=rf"{name} is not .* \(its SHA-256 differs\)"):
        weights.find(str(copy))


@pytest.mark.parametrize("name", [weights.WEIGHTS_FILE, weights.LITE_FILE])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    with pytest.raises(ModelError, match=f"{name} is missing"):
        weights.find(str(copy))


def test_a_description_from_before_there_was_a_file_for_litert_is_read(copy: Path) -> None:
    spec_file = copy / weights.SPEC_FILE
    content = json.loads(spec_file.read_text())
    del content["lite_sha256"]
    spec_file.write_text(json.dumps(content))
    (copy / weights.LITE_FILE).unlink()
    assert weights.find(str(copy)).lite_sha256 == ""


@pytest.mark.parametrize(
    "damage",
    [
        {"surprise": 1},
        {"labels": 3},
        {"labels": ["happy", "happy"]},
        {"labels": ["../happy", "sad"]},
        {"crop": {"zoom": 1}},
        {"crop": {"size_px": 1_000_000}},
        {"temperature": 0},
        {"temperature": "hot"},
        {"labels": []},
        {"net": ["slim_se_resnet"]},
        {"parameters": "many"},
        {"metrics": [1]},
        {"crop": {"size_px": 48.5}},
        {"crop": {"margin": -0.5}},
        {"crop": {"margin": "wide"}},
        {"crop": {"margin": float("nan")}},
    ],
)
def test_a_description_that_is_none_is_refused(copy: Path, damage: dict[str, object]) -> None:
    spec_file = copy / weights.SPEC_FILE
    spec_file.write_text(json.dumps(json.loads(spec_file.read_text()) | damage))
    with pytest.raises(ModelError, match="does not describe a model"):
        weights.find(str(copy))


def test_weights_of_another_net_are_refused(copy: Path) -> None:
    from fer_video.classify import classifier_of

    spec = weights.find(str(copy))
    six = replace(spec, labels=spec.labels[:-1])
    with pytest.raises(ModelError, match=r"model\.tflite does not fit the net"):
        classifier_of(six, 8, "cpu")
    with pytest.raises(ModelError, match=r"model\.weights\.h5 does not fit the net"):
        classifier_of(replace(six, lite_sha256=""), 8, "cpu")


def test_crops_of_a_size_that_the_net_does_not_take_are_refused(copy: Path) -> None:
    from fer_video.classify import classifier_of

    spec = weights.find(str(copy))
    large = replace(spec, crop=replace(spec.crop, size_px=64), lite_sha256="")
    with pytest.raises(ModelError, match="has crops of 64 px, no slim_se_resnet"):
        classifier_of(large, 8, "cpu")


@pytest.mark.parametrize("name", [weights.WEIGHTS_FILE, weights.LITE_FILE])
def test_a_file_that_may_not_be_read_is_named(copy: Path, name: str, monkeypatch) -> None:
    real = Path.open

    def guarded(path: Path, *words: object, **more: object) -> object:
        if path.name == name:
            raise PermissionError(errno.EACCES, "Permission denied")
        return real(path, *words, **more)

    monkeypatch.setattr(Path, "open", guarded)
    with pytest.raises(ModelError, match=rf"{name} cannot be read \(Permission denied\)"):
        weights.find(str(copy))
    if name == weights.LITE_FILE:
        with pytest.raises(ModelError, match=rf"{name} cannot be read \(Permission denied\)"):
            weights.read_lite(weights.read_spec(copy))


def test_a_description_in_a_million_brackets_is_refused(copy: Path) -> None:
    (copy / weights.SPEC_FILE).write_text("[" * 1_000_000)
    with pytest.raises(ModelError, match="does not describe a model"):
        weights.find(str(copy))


@pytest.mark.parametrize("name", [weights.SPEC_FILE, weights.WEIGHTS_FILE, weights.LITE_FILE])
def test_a_file_that_is_far_too_large_is_not_read(copy: Path, name: str) -> None:
    with (copy / name).open("r+b") as file:
        file.truncate(2 * weights.MAX_FILE_BYTES)  # without content: it takes no room
    began_s = time.monotonic()
    with pytest.raises(ModelError, match=f"{name} has more than [0-9]+ MiB"):
        weights.find(str(copy))
    assert time.monotonic() - began_s < 1


def _external_link(file: h5py.File) -> None:
    file["more"] = h5py.ExternalLink("/etc/passwd", "/")


def _soft_link(file: h5py.File) -> None:
    file["more"] = h5py.SoftLink("/layers")


def _external_data(file: h5py.File) -> None:
    file.create_dataset("more", (16,), "u1", external=[("/etc/passwd", 0, 16)])


def _virtual_data(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((16,), "u1")
    layout[:] = h5py.VirtualSource("/etc/passwd", "data", (16,))
    file.create_virtual_dataset("more", layout)


def _bomb(file: h5py.File) -> None:
    file.create_dataset("more", (2 * weights.MAX_FILE_BYTES,), "u1", chunks=(2**20,))


@pytest.mark.parametrize(
    ("put", "reason"),
    [
        (_external_link, "leads elsewhere"),
        (_soft_link, "leads elsewhere"),
        (_external_data, "leads elsewhere"),
        (_virtual_data, "leads elsewhere"),
        (_bomb, "unpacks to more than 1024 MiB"),
    ],
)
def test_weights_that_lead_elsewhere_or_are_a_bomb_are_refused(copy: Path, put, reason) -> None:
    from fer_video.keras_net import load_net

    with h5py.File(copy / weights.WEIGHTS_FILE, "a") as file:
        put(file)
    spec = weights.read_spec(copy)
    with pytest.raises(ModelError, match=f"{weights.WEIGHTS_FILE} {reason}"):
        load_net(spec, spec.net)
