"""What a model was trained or judged on: the names of the files and their SHA-256."""

from pathlib import Path

from fer_video.errors import DataError
from fer_video.learn.dataset import sha256_of_data


def sources(data: Path, ferplus: Path | None) -> dict[str, str | None]:
    """Name the data as reports and ``model.json`` record it.

    Raises:
        DataError: There is no such file or folder.
    """
    for path in (data, ferplus):
        if path is not None and not path.exists():
            raise DataError(path, "no such file or folder")
    return {
        "data": data.name,
        "data_sha256": sha256_of_data(data),
        "ferplus": None if ferplus is None else ferplus.name,
        "ferplus_sha256": None if ferplus is None else sha256_of_data(ferplus),
    }


def require_photographs(path: Path) -> None:
    """Make sure that ``path`` may hold whole photographs.

    Raises:
        DataError: It is neither a folder nor a zip.
    """
    if not path.is_dir() and path.suffix.lower() != ".zip":
        raise DataError(path, "whole photographs lie in a folder or a zip")
