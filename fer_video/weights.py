"""Trained models on disk: find one, check it, describe it. Nothing in them is ever executed."""

import hashlib
import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fer_video.errors import ModelError
from fer_video.files import sha256_of
from fer_video.types import CropSpec

SPEC_FILE = "model.json"
WEIGHTS_FILE = "model.weights.h5"
LITE_FILE = "model.tflite"
REPORT_FILE = "report.json"
CARD_FILE = "README.md"

MAX_SPEC_BYTES = 16 * 2**20
MAX_FILE_BYTES = 2**30
"""Of the weights, and of the file for LiteRT: ten times our largest net."""
_MOST_SIDE_PX = 1024
"""Of a crop."""
_LEAST_MARGIN, _MOST_MARGIN = -0.4, 2.0
"""Of a crop, as a share of the face's width: from a fifth of the face to five times its width."""

_PACKAGE = Path(__file__).parent


@dataclass(frozen=True, kw_only=True)
class ModelSpec:
    """What is known of a trained model: the content of its ``model.json``."""

    name: str
    """That of its folder, by which ``find`` knows it."""
    net: str
    """A name in ``fer_video.nets.NETS``."""
    sha256: str
    """Of the weights file, in hexadecimal."""
    lite_sha256: str = ""
    """Of the same net for LiteRT; empty where there is none, and Keras has to run it."""
    labels: tuple[str, ...]
    """Emotions in the order of the net's outputs."""
    crop: CropSpec
    """How faces must be cut for this net."""
    temperature: float = 1.0
    """Divides the logits, so that a confidence is right as often as it says."""
    parameters: int = 0
    multiply_adds: int = 0
    """Per crop."""
    metrics: dict[str, Any] = field(default_factory=dict)
    """By test, the measures to know it by, and ``seconds_per_crop``; ``report.json`` has all."""
    training: dict[str, Any] = field(default_factory=dict)
    """Options, data checksums and versions that decided the weights."""
    licence: str = ""
    """Of the weights; empty where nobody gave them one."""
    folder: Path = field(default=Path(), compare=False)
    """Where the model was found; not stored."""

    @property
    def weights(self) -> Path:
        """The weights file."""
        return self.folder / WEIGHTS_FILE

    @property
    def lite(self) -> Path:
        """The file for LiteRT, if ``lite_sha256`` says that there is one."""
        return self.folder / LITE_FILE


def find(name: str) -> ModelSpec:
    """Find a model by its name or folder, and check its files.

    Searched in this order: a folder of that path, ``$FER_VIDEO_MODELS``, the checkout that this
    code runs in, the installed package.

    Raises:
        ModelError: There is none, its ``model.json`` is not one, or the files are not those
            that it describes.
    """
    candidates = [Path(name), *(folder / name for folder in _model_folders())]
    for folder in candidates:
        if (folder / SPEC_FILE).is_file():
            return verify(read_spec(folder))
    places = ", ".join(str(folder) for folder in candidates)
    raise ModelError(f"no model {name!r}: searched {places}; `fer-video models` lists them")


def available() -> Iterator[ModelSpec | ModelError]:
    """Describe every model that ``find`` knows by name, or say why it cannot be used.

    The first of a name counts.
    """
    seen = set()
    for models in _model_folders():
        for spec_file in sorted(models.glob(f"*/{SPEC_FILE}")):
            if spec_file.parent.name not in seen:
                seen.add(spec_file.parent.name)
                try:
                    yield read_spec(spec_file.parent)
                except ModelError as error:
                    yield error


def read_spec(folder: Path) -> ModelSpec:
    """Read a model's description without looking at its weights.

    Raises:
        ModelError: The file is not a model description.
    """
    path = folder / SPEC_FILE
    try:
        _check_size(path, MAX_SPEC_BYTES)
        content = json.loads(path.read_text(encoding="utf-8"))
        spec = ModelSpec(
            **content
            | {
                "labels": tuple(content["labels"]),
                "crop": CropSpec(**content["crop"]),
                "folder": folder,
                "name": folder.absolute().name,  # it may have been renamed
            }
        )
        _check_types(spec)
        _check_values(spec)
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ModelError(f"{path} does not describe a model ({error})") from error
    return spec


def _check_types(spec: ModelSpec) -> None:
    """Refuse what is of another type than it is read as."""
    types: dict[type, tuple[str, ...]] = {
        str: ("net", "sha256", "lite_sha256", "licence"),
        int: ("parameters", "multiply_adds"),
        dict: ("metrics", "training"),
    }
    for type_, names in types.items():
        for name in names:
            if not isinstance(getattr(spec, name), type_):
                raise TypeError(f"{name} is no {type_.__name__}")
    if not isinstance(spec.crop.size_px, int) or not isinstance(spec.crop.align, bool):
        raise TypeError("a crop of another form")


def _check_values(spec: ModelSpec) -> None:
    """Refuse what would fail, or take the memory, only when the first face is classified."""
    if not (0 < spec.temperature < math.inf):
        raise ValueError(f"a temperature of {spec.temperature}")
    if not 1 <= spec.crop.size_px <= _MOST_SIDE_PX:
        raise ValueError(f"crops of {spec.crop.size_px} pixels")
    if not _LEAST_MARGIN <= spec.crop.margin <= _MOST_MARGIN:
        raise ValueError(f"a margin of {spec.crop.margin} around faces")
    labels = spec.labels
    if not labels or len(set(labels)) < len(labels) or not all(map(str.isidentifier, labels)):
        raise ValueError("labels that are no names, or not one for each output")


def verify(spec: ModelSpec) -> ModelSpec:
    """Check that the files are those that the spec describes, and return the spec.

    Raises:
        ModelError: One is missing or differs.
    """
    _require_same(spec.weights, spec.sha256)
    if spec.lite_sha256:
        _require_same(spec.lite, spec.lite_sha256)
    return spec


def read_lite(spec: ModelSpec) -> bytes:
    """Read the file for LiteRT; the bytes that are returned are those that were checked.

    Raises:
        ModelError: It is missing, or not the one that the spec describes.
    """
    if not spec.lite.is_file():
        raise _missing(spec.lite)
    _check_size(spec.lite, MAX_FILE_BYTES)
    try:
        content = spec.lite.read_bytes()
    except OSError as error:
        raise _unreadable(spec.lite, error) from error
    if hashlib.sha256(content).hexdigest() != spec.lite_sha256:
        raise _other(spec.lite)
    return content


def _require_same(path: Path, sha256: str) -> None:
    if not path.is_file():
        raise _missing(path)
    _check_size(path, MAX_FILE_BYTES)
    try:
        found = sha256_of(path)
    except OSError as error:
        raise _unreadable(path, error) from error
    if found != sha256:
        raise _other(path)


def _check_size(path: Path, most_bytes: int) -> None:
    """Look before reading."""
    if not path.is_file():  # a pipe would be waited for
        raise ModelError(f"{path} is no regular file")
    if path.stat().st_size > most_bytes:
        raise ModelError(f"{path} has more than {most_bytes >> 20} MiB, as no model of ours")


def _missing(path: Path) -> ModelError:
    return ModelError(f"{path} is missing: install fer-video or copy the model anew")


def _unreadable(path: Path, error: OSError) -> ModelError:
    return ModelError(f"{path} cannot be read ({error.strerror})")


def _other(path: Path) -> ModelError:
    return ModelError(
        f"{path} is not the file that {SPEC_FILE} describes (its SHA-256 differs): "
        "install fer-video or copy the model anew"
    )


def _model_folders() -> list[Path]:
    named = os.environ.get("FER_VIDEO_MODELS")
    checkout, installed = _PACKAGE.parent / "models", _PACKAGE / "models"
    return [*([Path(named)] if named else []), checkout, installed]
