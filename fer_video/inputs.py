"""From what a user names to recordings, each once and by a name of its own.

Names are paths: below the folder, pattern or prefix that was named, or else the file's own name.
They are the same in each run over the same inputs, in whatever order these are given.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import NoReturn

from fer_video import stores
from fer_video.addresses import Place, place_of
from fer_video.errors import OptionError, OutputError, VideoError, one_line, reason_of
from fer_video.files import as_text, check_exists
from fer_video.lists import lines_of
from fer_video.manifest import MANIFEST_FILE
from fer_video.stores import Stored

VIDEO_SUFFIXES = frozenset(
    [
        ".mp4",
        ".m4v",
        ".mov",
        ".qt",
        ".f4v",
        ".3gp",
        ".3g2",
        ".mkv",
        ".webm",
        ".avi",
        ".ts",
        ".mts",
        ".m2ts",
        ".m2t",
        ".ogv",
        ".ogg",
        ".wmv",
        ".asf",
        ".flv",
        ".gif",
    ]
)
"""What a folder, a pattern or a prefix takes for a recording, in any case."""

_MAGIC = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Source:
    """A recording that was found."""

    name: str
    """What it is called in the results: a path, in valid text."""
    place: Path | Stored

    @property
    def identity(self) -> str:
        """The same for the same recording, however it was reached."""
        if isinstance(self.place, Stored):
            return self.place.address
        return os.path.realpath(self.place)

    def __str__(self) -> str:
        return one_line(self.place.address if isinstance(self.place, Stored) else self.place)


def single_file(words: Sequence[str]) -> Path | None:
    """Return the path where the user named one local file; None for all that may be many.

    Raises:
        OptionError: An address carries credentials.
        VideoError: It is one of the web.
    """
    if len(words) != 1 or _list_of(words[0]) is not None:
        return None
    place = place_of(words[0])
    if isinstance(place, str) or os.path.isdir(place):
        return None
    return place if os.path.lexists(place) or not _is_pattern(place) else None


def is_by_itself(words: Sequence[str], sources: Sequence[Source]) -> bool:
    """Whether one word was all that was named, and is the recording that was found."""
    places = [one.place.address if isinstance(one.place, Stored) else one.place for one in sources]
    return len(words) == 1 and [place_of(words[0])] == places


def find_recordings(words: Iterable[str], out: Place) -> list[Source]:
    """Find all recordings that the words of a command name: each once.

    Args:
        words: Files, folders, patterns, ``@list`` or addresses.
        out: Folder of results; what lies in it is an input only where a word names it.

    Raises:
        VideoError: A word names nothing, or something that cannot be read.
        OptionError: Two recordings would have the same name, or a word is impossible.
        OutputError: ``out`` is one of the folders to be read.
    """
    found = [source for word in words for source in _named_by(word, out)]
    return _distinct(found)


def _named_by(word: str, out: Place) -> Iterator[Source]:
    path = _list_of(word)
    if path is None:
        yield from _found_at(place_of(word), out)
    elif isinstance(path, str):
        raise VideoError(path, "a list is a local file: download it first")
    else:
        yield from _found_by_list(path, out)


def _list_of(word: str) -> Place | None:
    """Return the list that ``@list.txt`` names; a file may be called so, too."""
    return place_of(word[1:]) if word.startswith("@") and not os.path.lexists(word) else None


def _found_at(place: Place, out: Place) -> Iterator[Source]:
    if isinstance(place, str):
        yield from _found_on_store(place, out)
    elif os.path.isdir(place):
        yield from _found_below(place, out)
    elif os.path.exists(place) or not _is_pattern(place):
        check_exists(place)
        yield _source(place, place.parent)
    else:
        yield from _matching(place, out)


def _found_below(folder: Path, out: Place) -> Iterator[Source]:
    """Find recordings below a folder; results of an earlier run and hidden files are none."""
    if isinstance(out, Path) and os.path.realpath(out) == os.path.realpath(folder):
        raise OutputError(out, f"it is an input, too: name another folder, as {out / 'results'}")
    n_found = 0
    for parent, folders, files in os.walk(folder, onerror=_raise_unreadable):
        folders[:] = sorted(
            name for name in folders if _is_shown(name) and not _is_results(Path(parent, name), out)
        )
        for name in sorted(files):
            if _is_recording(name):
                n_found += 1
                yield _source(Path(parent, name), folder)
    if not n_found:
        raise VideoError(folder, "no recording lies in or below this folder")


def _raise_unreadable(error: OSError) -> NoReturn:
    """Stop at a folder that cannot be read, which ``os.walk`` would pass over in silence."""
    raise VideoError(Path(error.filename), reason_of(error)) from error


def _matching(pattern: Path, out: Place) -> Iterator[Source]:
    """Find what matches a pattern: files, by the same rules as below a folder."""
    parts = pattern.parts
    n_fixed = next(n for n, part in enumerate(parts) if _MAGIC & set(part))
    base, rest = Path(*parts[:n_fixed]), parts[n_fixed:]
    if rest[-1] == "**":  # only folders before Python 3.13
        rest = (*rest, "*")
    try:
        _require_readable(base, rest)
        # pathlib's ** follows no links, which may lead in a circle
        matches = [
            path
            for path in sorted(base.glob("/".join(rest)))
            if _counts(path.relative_to(base), base, out) and path.is_file()
        ]
    except OSError as error:
        _raise_unreadable(error)
    except (ValueError, NotImplementedError) as error:
        raise OptionError(f"{one_line(pattern)} is no pattern: {error}") from error
    if not matches:
        raise VideoError(pattern, "no recording matches this pattern")
    yield from (_source(path, base) for path in matches)


def _require_readable(base: Path, rest: Sequence[str]) -> None:
    """Look into each folder that a pattern goes through, since ``glob`` passes over failures.

    Raises:
        OSError: One cannot be read.
    """
    for n_parts in range(len(rest)):
        before = rest[:n_parts]
        for folder in base.glob("/".join(before)) if before else [base]:
            is_hidden = not all(map(_is_shown, folder.relative_to(base).parts))
            # ** follows no links, but from Python 3.13 on it names those to folders
            if folder.is_dir() and not is_hidden and not ("**" in before and folder.is_symlink()):
                os.scandir(folder).close()


def _counts(below: Path, base: Path, out: Place) -> bool:
    return (
        _is_recording(below.name)
        and all(map(_is_shown, below.parts))
        and not any(_is_results(base / folder, out) for folder in below.parents if folder.parts)
        and not _is_same(base, out)
    )


def _found_on_store(address: str, out: Place) -> Iterator[Source]:
    if address == out:
        raise OutputError(address, f"it is an input, too: name another, as {address}/results")
    files = stores.files_at(address)
    if len(files) == 1 and files[0].address == address:
        yield Source(as_text(files[0].name), files[0])
        return
    results = [
        file.address.removesuffix(MANIFEST_FILE)
        for file in files
        if file.name.endswith(f"/{MANIFEST_FILE}")
    ]
    recordings = [
        file
        for file in files
        if all(map(_is_shown, file.name.split("/")))
        and _is_recording(file.name)
        and not file.address.startswith((f"{out}/", *results))
    ]
    if not recordings:
        raise VideoError(address, "no recording lies below this address")
    yield from (Source(as_text(file.name), file) for file in recordings)


def _found_by_list(path: Path, out: Place) -> Iterator[Source]:
    """Find what the lines of a text file name, each like a word of the command."""
    n_lines = 0
    for number, line in lines_of(path):
        n_lines += 1
        try:
            yield from (_renamed(source, path.parent) for source in _on_line(line, path, out))
        except VideoError as error:
            raise VideoError(error.path, f"{error.reason} (line {number} of {path})") from error
        except OptionError as error:
            raise OptionError(f"{error} (line {number} of {one_line(path)})") from error
    if not n_lines:
        raise VideoError(path, "this list names no recording")


def _on_line(line: str, path: Path, out: Place) -> Iterator[Source]:
    place = place_of(line)
    if isinstance(place, str):
        return _found_at(place, out)
    place = path.parent / place
    if line.startswith("@") and not os.path.lexists(place):
        raise VideoError(Path(line), "a list may not name another list")
    return _found_at(place, out)


def _renamed(source: Source, folder: Path) -> Source:
    """Name what lies below a list's folder by its path there, since lists join many folders."""
    if not isinstance(source.place, Path):
        return source
    below = Path(os.path.relpath(source.place, folder))
    is_outside = os.pardir in below.parts
    return source if is_outside else replace(source, name=as_text(below.as_posix()))


def _distinct(found: Iterable[Source]) -> list[Source]:
    """Keep each recording once, by the deepest of its names, and refuse a name used twice."""
    by_identity: dict[str, Source] = {}
    for source in found:
        known = by_identity.get(source.identity, source)
        by_identity[source.identity] = max(known, source, key=_rank)
    by_name: dict[str, Source] = {}
    for source in by_identity.values():
        other = by_name.setdefault(source.name, source)
        if other is not source:
            raise OptionError(
                f"{other} and {source} would both be {one_line(source.name)} in the results: "
                "name a folder that holds both, or analyze them with an --out each"
            )
    return list(by_identity.values())


def _rank(source: Source) -> tuple[int, str]:
    """Order the names of a recording independently of the order of the inputs."""
    return len(PurePosixPath(source.name).parts), source.name


def _source(path: Path, folder: Path) -> Source:
    return Source(as_text(path.relative_to(folder).as_posix()), path)


def _is_pattern(path: Path) -> bool:
    return bool(_MAGIC & set(str(path)))


def _is_shown(name: str) -> bool:
    return not name.startswith(".")


def _is_recording(name: str) -> bool:
    return _is_shown(name) and PurePosixPath(name).suffix.lower() in VIDEO_SUFFIXES


def _is_results(folder: Path, out: Place) -> bool:
    """Tell whether a folder holds the results of this run or another one."""
    return _is_same(folder, out) or os.path.lexists(folder / MANIFEST_FILE)


def _is_same(path: Path, out: Place) -> bool:
    return isinstance(out, Path) and os.path.realpath(path) == os.path.realpath(out)
