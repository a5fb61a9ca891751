"""What happens while recordings are analyzed, as values: the only things an engine moves.

And the trials of a search, which the console shows, too.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fer_video.addresses import Place
from fer_video.errors import FerVideoError
from fer_video.files import Fingerprint, Kind
from fer_video.manifest import Attempt, Output
from fer_video.options import AnalysisOptions, LimitOptions, OutputOptions

Stage = Literal["check", "fetch", "analyze", "annotate", "put"]
Outcome = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True, slots=True)
class Remote:
    """What of a job lies on a store, and the room for its local copies."""

    copies: Path
    """Folder of the copies, in the spool; there while the job is worked on."""
    spool_bytes: int
    """Room for the copies of all jobs in this spool."""
    recording: str = ""
    """Address of the recording; empty where it lies on this machine."""
    size_bytes: int = 0
    """Of that recording."""
    version: str = ""
    """What the store says about its content, such as an ETag; empty if it says nothing."""
    results: str = ""
    """Address of the folder of results; empty where they stay on this machine."""

    @property
    def made(self) -> Path:
        """Folder of the results before they are put to their addresses."""
        return self.copies / "results"


@dataclass(frozen=True, slots=True)
class Job:
    """One recording to analyze, and where its results go."""

    recording: Path
    """A local file; a copy, there while the job is worked on, of what lies on a store."""
    name: str
    """The recording's path below the input it was found by: the ``recording`` column."""
    timeline: Path
    video: Path | None = None
    plot: Path | None = None
    options: AnalysisOptions = field(default_factory=AnalysisOptions)
    output: OutputOptions = field(default_factory=OutputOptions)
    limits: LimitOptions = field(default_factory=LimitOptions)
    remote: Remote | None = None
    """None where recording and results lie on this machine."""

    @property
    def size_bytes(self) -> int:
        """Size of the recording; 0 where it cannot be told."""
        if self.remote is not None and self.remote.recording:
            return self.remote.size_bytes
        try:
            return self.recording.stat().st_size
        except OSError:
            return 0

    @property
    def source(self) -> Place:
        """Where the recording comes from."""
        return self.recording if self.remote is None else self.remote.recording or self.recording

    @property
    def destinations(self) -> tuple[Place, ...]:
        """Where every file that the job writes will be found."""
        return tuple(self.destination_of(path) for path in self.outputs)

    def destination_of(self, path: Path) -> Place:
        """Return where a file that the job writes will be found."""
        if self.remote is None or not self.remote.results:
            return path
        return f"{self.remote.results}/{path.relative_to(self.remote.made).as_posix()}"

    scratch: Path | None = None
    """Folder for the unfinished timeline; None is beside where it will lie."""
    earlier: Attempt | None = field(default=None, compare=False)
    """How the manifest says that the recording ended before; None if it says nothing."""

    @property
    def outputs(self) -> dict[Path, Kind]:
        """Every file that the job writes on this machine, and its kind."""
        places: list[tuple[Path | None, Kind]] = [
            (self.timeline, "timeline"),
            (self.video, "video"),
            (self.plot, "plot"),
        ]
        return {path: kind for path, kind in places if path is not None}


@dataclass(frozen=True, slots=True)
class Summary:
    """What was seen in one recording."""

    analyzed_s: float
    """Time between the first and the last sampled frame, in seconds."""
    frames_decoded: int
    frames_sampled: int
    frames_corrupt: int
    """Skipped: they could not be decoded, the decoder flagged them as corrupt, or their time stamp
    is missing or not after the one before."""
    frames_without_face: int
    tracks: int
    most_faces_at_once: int
    ended_early_s: float | None
    """Seconds that the header promised and the file did not hold; None if it kept its word."""
    frames_undecoded: int = 0
    """Needed by no sample, and referred to by no other frame."""
    missing_bytes: int = 0
    """That the file says it has, and does not have."""

    @property
    def partial(self) -> bool:
        """Whether something of the recording is missing from the timeline."""
        return bool(self.loss)

    @property
    def loss(self) -> str:
        """Say what of the recording is missing from the timeline; empty if nothing is."""
        lost = []
        if self.ended_early_s is not None:
            lost.append(f"it ends {self.ended_early_s:.1f} s before its header says")
        elif self.missing_bytes:
            lost.append(f"its last {self.missing_bytes} bytes are missing")
        if self.frames_corrupt:
            were = "frame was" if self.frames_corrupt == 1 else "frames were"
            lost.append(f"{self.frames_corrupt} corrupt {were} skipped")
        return ", and ".join(lost)


@dataclass(frozen=True, slots=True)
class Started:
    """The work on a recording begins."""

    job: Job


@dataclass(frozen=True, slots=True)
class Resumed:
    """The work on a recording goes on where an earlier run was stopped or killed."""

    job: Job
    at_s: float
    """Seconds from the first frame of the recording."""


@dataclass(frozen=True, slots=True)
class Advanced:
    """The work on a recording went on."""

    job: Job
    stage: Stage
    done_s: float
    """Seconds of the recording that this stage has behind it."""
    total_s: float | None
    """Seconds that it will have to go through; None where the container does not say."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """No machine is left to take a recording; the work goes on as soon as one comes."""

    job: Job
    """One of those that wait."""


@dataclass(frozen=True, slots=True)
class Made:
    """What the results of a recording were made from, and what they are known by."""

    source: Fingerprint
    """The recording."""
    model: str
    """Its name."""
    model_sha256: str
    outputs: Mapping[str, Output]
    """By kind."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A recording is done and its results are whole on disk."""

    job: Job
    summary: Summary
    made: Made | None = None
    fault: str = ""
    """Why results that were there could not be kept; empty if nothing was there."""
    kept: frozenset[Kind] = frozenset()
    """Results that were there and still true, and so were not written."""


@dataclass(frozen=True, slots=True)
class Skipped:
    """A recording was done before: its results are whole on disk, and nothing has changed."""

    job: Job
    summary: Summary
    made: Made


@dataclass(frozen=True, slots=True)
class Failed:
    """A recording could not be analyzed, or one of its results not be made.

    No result is there in part; the timeline stays if only a drawing of it failed.
    """

    job: Job
    error: FerVideoError


@dataclass(frozen=True, slots=True)
class BestTrial:
    """The trial of a search with the highest score so far."""

    number: int
    score: float
    command: str
    """Which repeats it."""


@dataclass(frozen=True, slots=True)
class TrialEnded:
    """A training that tried one choice of options is over."""

    number: int
    """In the search, from 0; those of other processes count, too."""
    outcome: Outcome
    epochs: int
    """That it learned for."""
    score: float | None
    """Accuracy on the validation split; None where it failed."""
    reason: str
    """Why it failed; empty if it did not."""
    best: BestTrial | None
    """None before the first that came to its end."""


@dataclass(frozen=True, slots=True)
class PhotographDone:
    """The face of a photograph was cut out, or it has none that could be."""

    number: int
    """From 1, of ``n_photographs``."""
    n_photographs: int
    problem: str
    """Why no face was cut out, a sentence; empty if one was."""


Event = Started | Resumed | Advanced | Waiting | Finished | Skipped | Failed
