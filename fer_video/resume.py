"""What an earlier run left of a job, as far as it is still true.

A timeline proves itself: it says what it was made from, and its checksums say that it is whole. A
video or a plot says neither, so the manifest has to: what it was made from, and its SHA-256. The
manifest's SHA-256 of a timeline is held against it, too.
"""

import hashlib
import json
from collections.abc import Generator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from fer_video import stores
from fer_video.errors import DataError, FerVideoError, cannot_write
from fer_video.events import Job, Made, Summary
from fer_video.files import Fingerprint, Kind, hashed, json_beside
from fer_video.jobs import TIMELINES
from fer_video.manifest import Output
from fer_video.options import (
    AnalysisOptions,
    DetectOptions,
    SampleOptions,
    TrackOptions,
    ViewOptions,
)
from fer_video.provenance import REVISION
from fer_video.stores import Stored
from fer_video.timeline import Provenance, check_whole, read_provenance
from fer_video.weights import ModelSpec

OUTDATED = "outdated"
"""Folder in that of the results."""
_CHANGED, _DAMAGED = "changed recording", "damaged timeline"
_UNREADABLE = "unreadable file"
"""Why it is that, the work itself says better."""
_UNKNOWN = "recording not known to be the same"
"""A store's, which would have to be fetched to find out: the work does that anyway."""

_SHOWN: Mapping[Kind, tuple[str, ...]] = {
    "video": ("language", "smooth_s"),
    "plot": ("language", "smooth_s", "plot_style"),
}
"""The options of a view that decide how a result looks."""


@dataclass(frozen=True, slots=True)
class Kept:
    """Results of a job that need not be made again."""

    provenance: Provenance | None = None
    """Of the timeline; None if it has to be made."""
    outputs: Mapping[Kind, Output] = field(default_factory=dict)
    """Those that are still true, by kind."""
    fault: str = ""
    """Why one of the others cannot be kept; empty if nothing was there."""

    @property
    def misleads(self) -> bool:
        """Whether the timeline that is there is no timeline of this recording, or cannot be read.

        One of other options or another model is true of what it says.
        """
        return self.fault in (_CHANGED, _DAMAGED)


class _Untrue(Exception):
    """A result that is there cannot be kept."""


def kept(job: Job, model: ModelSpec) -> Generator[None, None, Kept]:
    """Find out which results of a job are whole, and are what the work would give again.

    What costs little is looked at first; the recording is read last. Yields while files are read.

    Args:
        job: Whose ``earlier`` is how the manifest says that it ended before.
        model: That the options name.
    """
    if job.output.force or not job.output.resume:
        return Kept()
    try:
        made, timeline = yield from _kept_timeline(job, model)
    except _Untrue as untrue:
        return Kept(fault=str(untrue))
    outputs: dict[Kind, Output] = {"timeline": timeline}
    faults = []
    for path, kind in job.outputs.items():
        if kind != "timeline":
            try:
                outputs[kind] = yield from _kept_drawing(job, kind, path, timeline)
            except _Untrue as untrue:
                faults.append(str(untrue))
            except OSError:
                faults.append(_UNREADABLE)
    return Kept(made, outputs, faults[0] if faults else "")


def _kept_timeline(job: Job, model: ModelSpec) -> Generator[None, None, tuple[Provenance, Output]]:
    path, earlier = job.timeline, _earlier(job, "timeline")
    if not path.is_file():
        raise _Untrue("missing timeline" if earlier else "")
    try:
        made = read_provenance(path)
        _check_made(made, job, model)
        timeline = yield from timeline_of(job, made)
        if earlier and earlier.made_from == timeline.made_from and earlier != timeline:
            raise _Untrue(_DAMAGED)
        if earlier == timeline:
            timeline = earlier  # which knows what a store says of it
        check_whole(path, job.name)
        if not (yield from _is_source(job, made["source"]["sha256"])):
            raise _Untrue(_CHANGED)
    except (DataError, KeyError, TypeError) as error:
        raise _Untrue(_DAMAGED) from error
    except OSError as error:
        raise _Untrue(_UNREADABLE) from error
    return made, timeline


def _check_made(made: Provenance, job: Job, model: ModelSpec) -> None:
    """Compare what a timeline says of itself with the work at hand."""
    if made.get("revision") != REVISION:
        raise _Untrue("other version of fer-video")
    if made["source"]["bytes"] != job.size_bytes:
        raise _Untrue(_CHANGED)
    if (made["model"]["sha256"], made["model"]["lite_sha256"]) != (model.sha256, model.lite_sha256):
        raise _Untrue("other model")
    recorded = _recorded(made["options"])
    if recorded != replace(job.options, classify=recorded.classify):
        raise _Untrue("other options")
    Summary(**made["seen"])


def _recorded(options: Any) -> AnalysisOptions:
    """Build the options that a timeline records; one that was not there yet has its default."""
    try:
        return AnalysisOptions(
            sample=SampleOptions(**options["sample"]),
            detect=DetectOptions(**options["detect"]),
            track=TrackOptions(**options["track"]),
        )
    except (FerVideoError, TypeError) as error:
        raise _Untrue("other options") from error


def _is_source(job: Job, sha256: str) -> Generator[None, None, bool]:
    """Whether a job's recording is what it was; one on a store is not fetched to find out."""
    if job.remote is None or not job.remote.recording:
        return (yield from hashed(job.recording)) == sha256
    version, earlier = job.remote.version, job.earlier
    if not (version and earlier and earlier.source_version and earlier.source_sha256 == sha256):
        raise _Untrue(_UNKNOWN)
    return earlier.source_version == version


def _kept_drawing(
    job: Job, kind: Kind, path: Path, timeline: Output
) -> Generator[None, None, Output]:
    earlier, destination = _earlier(job, kind), job.destination_of(path)
    stored = stores.find(destination) if isinstance(destination, str) else None
    if stored is None and not path.is_file():
        raise _Untrue(f"missing {kind}")
    if earlier is None or earlier.made_from != drawing_of(kind, timeline, job.output.view):
        raise _Untrue(f"outdated {kind}")
    same = _is_version(stored, earlier) if stored else (yield from _has_content(path, earlier))
    if not same:
        raise _Untrue(f"damaged {kind}")
    return earlier


def _has_content(path: Path, output: Output) -> Generator[None, None, bool]:
    if path.stat().st_size != output.size_bytes:
        return False
    return (yield from hashed(path)) == output.sha256


def _is_version(stored: Stored, output: Output) -> bool:
    """Whether a store says that what lies there is what was put there."""
    known = (output.size_bytes, output.version)
    return bool(stored.version) and (stored.size_bytes, stored.version) == known


def _earlier(job: Job, kind: Kind) -> Output | None:
    return job.earlier.outputs.get(kind) if job.earlier else None


def set_aside(job: Job) -> None:
    """Take a timeline that misleads out of the data set, whatever becomes of the next one.

    Raises:
        OutputError: It cannot be moved.
    """
    if job.scratch is None or not job.timeline.exists():
        return
    results = job.scratch.parent
    for path in (job.timeline, json_beside(job.timeline)):
        if path.exists():
            aside = results / OUTDATED / path.relative_to(results / TIMELINES)
            try:
                aside.parent.mkdir(parents=True, exist_ok=True)
                path.replace(aside)
            except OSError as error:
                raise cannot_write(aside, error) from error


def made_of(
    job: Job, provenance: Provenance, known: Mapping[Kind, Output]
) -> Generator[None, None, Made]:
    """Say what the results of a job were made from, once all are there.

    Yields while they are read.

    Args:
        job: Which was done.
        provenance: Of its timeline.
        known: The timeline, and other results that were there before and are true.
    """
    source, model = provenance["source"], provenance["model"]
    outputs: dict[str, Output] = dict(known.items())
    for path, kind in job.outputs.items():
        if kind not in outputs:
            made_from = drawing_of(kind, outputs["timeline"], job.output.view)
            outputs[kind] = yield from _output(path, made_from)
    return Made(
        Fingerprint(source["bytes"], source["sha256"]), model["name"], model["sha256"], outputs
    )


def timeline_of(job: Job, made: Provenance) -> Generator[None, None, Output]:
    """Describe the timeline that is there; yields while it is read."""
    model = made["model"]
    options = options_digest(_recorded(made["options"]))
    rows = [made["revision"], made["source"]["sha256"], model["sha256"], model["lite_sha256"]]
    return (yield from _output(job.timeline, _digest([*rows, options, job.timeline.suffix])))


def drawing_of(kind: Kind, timeline: Output, view: ViewOptions) -> str:
    """Digest of what decides how a video or a plot looks."""
    shown = [getattr(view, name) for name in _SHOWN[kind]]
    return _digest([kind, timeline.sha256, shown])


def options_digest(options: AnalysisOptions) -> str:
    """Digest of the options that decide the rows of a timeline.

    The model counts by its SHA-256, wherever it lies. The batch size changes no bit; the device
    changes probabilities by 0.001 on average, which makes no timeline outdated.
    """
    return _digest([asdict(options.sample), asdict(options.detect), asdict(options.track)])


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _output(path: Path, made_from: str) -> Generator[None, None, Output]:
    return Output(path.stat().st_size, (yield from hashed(path)), made_from)
