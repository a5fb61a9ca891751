"""The manifest of a folder run: which recordings were asked for, and how each of them ended.

A file of JSON lines that is only ever added to. A line is one write, so that several processes
may add to the same file; a line that a killed process left torn is passed over. The latest line
about a recording counts.
"""

import errno
import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin

from fer_video.errors import DataError, cannot_write, reason_of

T = TypeVar("T")

MANIFEST_FILE = "manifest.jsonl"
"""In the folder of results."""
MAX_LINE_BYTES = 1 << 26
"""A run of half a million recordings fits in one line; nothing longer is read."""

Verdict = Literal["ok", "partial", "failed"]


@dataclass(frozen=True, slots=True)
class Output:
    """A result file, and what it was made from."""

    size_bytes: int
    sha256: str
    made_from: str
    """Digest of all that decides its content; see ``resume``."""
    version: str = field(default="", compare=False)
    """What the store that it lies on says of it, such as an ETag; empty on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A line: recordings that a run sets out to analyze."""

    inputs: str
    """Stands for what the user named; a later run of the same inputs takes the place of this."""
    recordings: Mapping[str, int]
    """Size in bytes of each, by its name."""
    outputs: list[str]
    """Kinds of results that are wanted of each."""
    model_sha256: str
    options_sha256: str
    force: bool = False
    """Whether all are done again."""
    when: str
    """In UTC, as ISO 8601."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A line: how the work on one recording ended."""

    recording: str
    """Its path below the input folder."""
    verdict: Verdict
    reason: str = ""
    """Why it failed or is partial."""
    exit_code: int = 0
    """Of the error, as if the recording had been asked for by itself."""
    analyzed_s: float = 0.0
    """Seconds of recording."""
    work_s: float = 0.0
    """Seconds that the work took."""
    frames_decoded: int = 0
    frames_sampled: int = 0
    """Analyzed."""
    frames_corrupt: int = 0
    """Skipped."""
    source_bytes: int = 0
    source_sha256: str = ""
    source_version: str = ""
    """What the store that it lies on says of its content; empty on this machine."""
    model: str = ""
    model_sha256: str = ""
    options_sha256: str = ""
    outputs: Mapping[str, Output] = field(default_factory=dict)
    """By kind; also those of earlier runs that this one was not asked for."""
    fer_video: str = ""
    """Version of the tool."""
    when: str
    """In UTC, as ISO 8601."""


def now() -> str:
    """Say what time it is, as the manifest does."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def append(path: Path, entry: Run | Attempt) -> None:
    """Add a line, whole and safe on disk before this returns.

    Raises:
        OutputError: The file cannot be written, or the disk is full.
    """
    kind = "run" if isinstance(entry, Run) else "attempt"
    line = json.dumps({"line": kind, **asdict(entry)}).encode() + b"\n"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b", buffering=0) as file:
            # a killed process may have left a torn line, which must not take this one with it
            if file.write(line if _ends_a_line(file) else b"\n" + line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file.fileno())
    except OSError as error:
        raise cannot_write(path, error) from error


def _ends_a_line(file: Any) -> bool:
    if file.seek(0, os.SEEK_END) == 0:
        return True
    file.seek(-1, os.SEEK_END)
    return bool(file.read(1) == b"\n")


def read(path: Path) -> Iterator[Run | Attempt | None]:
    """Read the lines in order; None for one that is torn or not understood.

    Raises:
        DataError: There is no such file, or it cannot be read.
    """
    if not path.is_file():
        raise DataError(path, "no such file; `fer-video analyze FOLDER --out RESULTS` writes it")
    try:
        with path.open("rb") as file:
            while line := file.readline(MAX_LINE_BYTES):
                if not line.isspace():
                    yield _entry(line)
    except OSError as error:
        raise DataError(path, reason_of(error)) from error


def attempts(path: Path) -> dict[str, Attempt]:
    """Read how each recording ended, by its name; nothing where no run has written yet."""
    if not path.exists():
        return {}
    return {entry.recording: entry for entry in read(path) if isinstance(entry, Attempt)}


def _entry(line: bytes) -> Run | Attempt | None:
    try:
        content = json.loads(line)
        if datetime.fromisoformat(content["when"]).tzinfo is None:
            return None
        return _run(content) if content["line"] == "run" else _attempt(content)
    except (ValueError, TypeError, LookupError, AttributeError, OverflowError, RecursionError):
        return None


def _run(content: Mapping[str, Any]) -> Run:
    run = _checked(Run, content)
    if not all(isinstance(size, int) for size in run.recordings.values()):
        raise TypeError("a size is a number of bytes")
    return run


def _attempt(content: Mapping[str, Any]) -> Attempt:
    if content["line"] != "attempt":
        raise ValueError("a line of a later version")
    outputs = {kind: _checked(Output, one) for kind, one in content["outputs"].items()}
    return _checked(Attempt, {**content, "outputs": outputs})


def _checked(kind: type[T], content: Mapping[str, Any]) -> T:
    """Build a value of the keys that this version knows; the type of each must be right."""
    known = {one.name: one.type for one in fields(kind) if one.name in content}  # type: ignore[arg-type]
    for name, wanted in known.items():
        if not _fits(content[name], wanted):
            raise TypeError(f"{name} cannot be {content[name]!r}")
    return kind(**{name: content[name] for name in known})


def _fits(value: Any, kind: Any) -> bool:
    if get_origin(kind) is Literal:
        return value in get_args(kind)
    if kind is float:
        return isinstance(value, int | float) and math.isfinite(value)
    return isinstance(value, get_origin(kind) or kind)
