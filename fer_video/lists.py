"""Text files that name recordings, one on each line."""

from collections.abc import Iterator
from pathlib import Path

from fer_video.errors import VideoError, reason_of
from fer_video.files import check_exists

_MOST_BYTES = 16 * 2**20
"""Enough for 100,000 long paths."""


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """Read the lines of a list that name something, with their numbers from 1.

    Raises:
        VideoError: It is no regular file, larger than 16 MB, or not UTF-8.
    """
    check_exists(path)
    if not path.is_file():
        raise VideoError(path, "a list is a text file with a path on each line")
    if path.stat().st_size > _MOST_BYTES:
        raise VideoError(path, f"a list has {_MOST_BYTES >> 20} MB at most: split it")
    try:
        with path.open("rb") as file:
            text = file.read(_MOST_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise VideoError(path, reason_of(error)) from error
    except UnicodeDecodeError as error:
        raise VideoError(path, f"it is not UTF-8 text (byte {error.start}): save it so") from error
    # not splitlines: a name may hold characters that it takes for the end of a line
    for number, line in enumerate(text.split("\n"), start=1):
        line = line.removesuffix("\r")
        if line.strip() and not line.startswith("#"):
            yield number, line
