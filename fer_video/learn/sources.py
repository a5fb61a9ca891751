"""What a model was trained or judged on: the names of the files and their SHA-256."""

from pathlib import Path
from typing import Any

from fer_video.errors import DataError, OptionError
from fer_video.learn.dataset import TEST, Faces, sha256_of_data
from fer_video.weights import ModelSpec


def sources(data: Path, ferplus: Path | None) -> dict[str, str | None]:
    """Name the data as reports and ``model.json`` record it.

    Raises:
        DataError: There is no such file or folder, or it cannot be read.
    """
    for path in filter(None, (data, ferplus)):  # before one is hashed, which may take long
        _check_kind(path)
    return {
        "data": data.name,
        "data_sha256": _sha256(data),
        "ferplus": None if ferplus is None else ferplus.name,
        "ferplus_sha256": None if ferplus is None else _sha256(ferplus),
    }


def _check_kind(path: Path) -> None:
    if not path.exists():
        raise DataError(path, "no such file or folder")
    if not path.is_file() and not path.is_dir():  # a pipe can be read only once
        raise DataError(path, "it is neither a regular file nor a folder")


def _sha256(path: Path) -> str:
    try:
        return sha256_of_data(path)
    except OSError as error:
        raise DataError(path, f"{error.filename} cannot be read ({error.strerror})") from error


def require_unseen(
    spec: ModelSpec, faces: Faces, data_sha256: str | None, share: float, split: str = TEST
) -> None:
    """Make sure that a model has not learned from images that are held out of the same data.

    Args:
        spec: Of the model.
        faces: As they are split now.
        data_sha256: Of their data set.
        share: That is held out, where the data set has no splits of its own.
        split: That the model is to be judged on.

    Raises:
        OptionError: It has: another share was held out when it was trained.
    """
    training: dict[str, Any] | None = spec.training
    while training and split in faces.held_out:
        then = training.get("options", {}).get("val_share")
        if training.get("data_sha256") == data_sha256 and then != share:
            raise OptionError(
                f"{spec.name} learned from these images with --val-share {then}: with {share} it "
                "would be judged on what it has seen"
            )
        training = (training.get("start") or {}).get("training")


def require_photographs(path: Path) -> None:
    """Make sure that ``path`` may hold whole photographs.

    Raises:
        DataError: It is neither a folder nor a zip.
    """
    if not path.is_dir() and path.suffix.lower() != ".zip":
        raise DataError(path, "whole photographs lie in a folder or a zip")
