"""What a user can choose, grouped by stage; validated when built.

With ``options_training`` and ``options_limits``, the only home of defaults.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fer_video.errors import require
from fer_video.labels import Language
from fer_video.options_limits import LimitOptions as LimitOptions
from fer_video.options_training import ClassWeights as ClassWeights
from fer_video.options_training import Keep as Keep
from fer_video.options_training import Optimizer as Optimizer
from fer_video.options_training import Precision as Precision
from fer_video.options_training import Schedule as Schedule
from fer_video.options_training import Score as Score
from fer_video.options_training import TrainOptions as TrainOptions
from fer_video.options_training import TuneOptions as TuneOptions

DetectorName = Literal["yunet", "mtcnn", "haar"]
DeviceChoice = Literal["auto", "cpu", "gpu"]
TableFormat = Literal["parquet", "csv"]
PlotStyle = Literal["area", "lines"]
EngineName = Literal["local", "ray"]
FaceSource = Literal["given", "detect"]
JudgedSplit = Literal["test", "validation"]

_MOST = 1e9
"""Of seconds, GB and samples per second: up to here, no clock and no count overflows."""
_RAREST_KEY_S = 5.0
"""The frames between two key frames are held: 5 s are half a gigabyte at 1080p and 30 per second,
and longer than a face is expected to keep to a line."""


@dataclass(frozen=True, kw_only=True)
class SampleOptions:
    """Which moments of a recording are analyzed."""

    fps: float | None = None
    """Samples per second of recording; None takes every frame."""
    start_s: float = 0.0
    """First moment, in seconds from the first frame of the recording."""
    end_s: float | None = None
    """Moment before which the analysis stops; None goes to the end."""

    def __post_init__(self) -> None:
        if self.fps is not None:
            require(0 < self.fps <= _MOST, "--fps", self.fps, f"above 0, at most {_MOST:g}")
        require(0 <= self.start_s <= _MOST, "--start", self.start_s, f"in [0, {_MOST:g}]")
        if self.end_s is not None:
            require(self.start_s < self.end_s <= _MOST, "--end", self.end_s,
                    f"above {self.start_s:g} s, at most {_MOST:g}")  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Suited:
    """What suits a detector."""

    side_px: int
    """Longest side of the picture that it sees, at most."""
    min_score: float
    min_weak_score: float


_SUITED: dict[DetectorName, _Suited] = {
    # faces across a room are lost on smaller pictures, faces above 300 px on larger ones
    "yunet": _Suited(side_px=640, min_score=0.7, min_weak_score=0.5),
    # surer of itself: on our recordings what it doubts below 0.7 is no face
    "mtcnn": _Suited(side_px=320, min_score=0.9, min_weak_score=0.7),
    "haar": _Suited(side_px=480, min_score=0.8, min_weak_score=0.5),
}


@dataclass(frozen=True, kw_only=True)
class DetectOptions:
    """How faces are found."""

    detector: DetectorName = "yunet"
    detect_every_s: float = 0.2
    """Seconds between key frames, on which the detector runs; 0 runs it on every frame."""
    detect_side_px: int = 0
    """Longest side of the picture that the detector sees, at most; 0 becomes what suits it."""
    min_score: float = 0.0
    """Least confidence that starts a track, in (0, 1]; 0 becomes what suits the detector."""
    min_weak_score: float = 0.0
    """Least confidence that continues one, in (0, min_score]; 0 likewise."""
    min_face_px: int = 24
    """Faces whose shorter side is smaller, in pixels of the full-size picture, are dropped."""

    def __post_init__(self) -> None:
        require(self.detector in _SUITED, "--detector", self.detector, "yunet, mtcnn or haar")
        self._fill_in(_SUITED[self.detector])
        require(self.detect_every_s == 0 or 1 / _MOST <= self.detect_every_s <= _RAREST_KEY_S,
                "--detect-every", self.detect_every_s,
                f"0 or in [{1 / _MOST:g}, {_RAREST_KEY_S:g}]")  # fmt: skip
        require(self.detect_side_px >= 64, "--detect-side", self.detect_side_px, "64 or more")
        require(0 < self.min_score <= 1, "--min-score", self.min_score, "in (0, 1]")
        require(0 < self.min_weak_score <= self.min_score, "--min-weak-score",
                 self.min_weak_score, f"in (0, {self.min_score:g}]")  # fmt: skip
        require(self.min_face_px >= 1, "--min-face", self.min_face_px, "1 or more")

    def _fill_in(self, suited: _Suited) -> None:
        """Put numbers in the place of what was left open, so that a result records them."""
        object.__setattr__(self, "detect_side_px", self.detect_side_px or suited.side_px)
        object.__setattr__(self, "min_score", self.min_score or suited.min_score)
        weak_score = self.min_weak_score or min(suited.min_weak_score, self.min_score)
        object.__setattr__(self, "min_weak_score", weak_score)


@dataclass(frozen=True, kw_only=True)
class TrackOptions:
    """How detections are joined into tracks."""

    min_iou: float = 0.3
    """Least overlap of two boxes on consecutive key frames to be the same face, in (0, 1]."""
    max_gap_s: float = 1.0
    """Longest time in seconds a face may be lost and still keep its track."""

    def __post_init__(self) -> None:
        require(0 < self.min_iou <= 1, "--min-iou", self.min_iou, "in (0, 1]")
        require(0 <= self.max_gap_s <= _MOST, "--max-gap", self.max_gap_s, f"in [0, {_MOST:g}]")


@dataclass(frozen=True, kw_only=True)
class ClassifyOptions:
    """How expressions are classified."""

    model: str = "default"
    """Name of a shipped model, or the folder of one."""
    batch_size: int = 64
    """Crops that Keras classifies together; changes no number in the result. LiteRT takes 8."""
    device: DeviceChoice = "auto"

    def __post_init__(self) -> None:
        require(self.batch_size >= 1, "--batch-size", self.batch_size, "1 or more")
        require(self.device in ("auto", "cpu", "gpu"), "--device", self.device,
                 "auto, cpu or gpu")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class AnalysisOptions:
    """Everything that decides the numbers of a timeline, and is recorded in it."""

    sample: SampleOptions = field(default_factory=SampleOptions)
    detect: DetectOptions = field(default_factory=DetectOptions)
    track: TrackOptions = field(default_factory=TrackOptions)
    classify: ClassifyOptions = field(default_factory=ClassifyOptions)


@dataclass(frozen=True, kw_only=True)
class WorkOptions:
    """Who works, and what one process may take before it is ended; changes no number."""

    engine: EngineName = "local"
    """Processes of this machine, or the machines of a Ray cluster."""
    ray_address: str = ""
    """HOST:PORT of the cluster; ``auto`` is the one that this machine is part of. Empty likewise,
    or one that is started on this machine alone where there is none."""
    jobs: int = 0
    """Recordings at a time, each in another process; 0 is what cores and memory allow."""
    max_memory_gb: float = 4.0
    """Resident memory of one process, in 10^9 bytes."""
    max_cpu_hours: float = 24.0
    """CPU time for one recording, summed over the cores."""
    max_stall_s: float = 300.0
    """Seconds without progress in the recording."""

    def __post_init__(self) -> None:
        require(self.engine in ("local", "ray"), "--engine", self.engine, "local or ray")
        require(self.engine == "ray" or not self.ray_address, "--ray-address", self.ray_address,
                "empty without --engine ray")  # fmt: skip
        require(self.jobs >= 0, "--jobs", self.jobs, "0 or more")
        require(self.max_memory_gb > 0, "--max-memory", self.max_memory_gb, "above 0")
        require(self.max_cpu_hours > 0, "--max-cpu", self.max_cpu_hours, "above 0")
        require(self.max_stall_s > 0, "--max-stall", self.max_stall_s, "above 0")


@dataclass(frozen=True, kw_only=True)
class ViewOptions:
    """How a finished timeline is shown; changes nothing that is stored."""

    language: Language = "en"
    smooth_s: float = 0.0
    """Width in seconds of the centred moving average; 0 shows the stored probabilities."""
    plot_style: PlotStyle = "area"

    def __post_init__(self) -> None:
        require(self.language in ("en", "fr"), "--lang", self.language, "en or fr")
        require(self.smooth_s >= 0, "--smooth", self.smooth_s, "0 or more")
        require(self.plot_style in ("area", "lines"), "--style", self.plot_style,
                 "area or lines")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """What is written, and how; changes no number in the result."""

    force: bool = False
    """Whether existing results are replaced, true or not."""
    resume: bool = False
    """Whether existing results are kept where they are still true, and replaced where not."""
    checkpoint_every_s: float = 180.0
    """Seconds of recording between two checkpoints, by which an analysis that was stopped or
    killed goes on; 0 keeps none."""
    view: ViewOptions = field(default_factory=ViewOptions)

    def __post_init__(self) -> None:
        require(self.checkpoint_every_s >= 0, "--checkpoint-every", self.checkpoint_every_s,
                 "0 or more")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class SpoolOptions:
    """Where the local copies of what lies on a store are kept while they are worked on."""

    folder: Path | None = None
    """A folder of each user is made below it; None takes the system's for temporary files."""
    size_gb: float = 20.0
    """Room for all copies of one user on one machine, in GB of 10^9 bytes."""

    def __post_init__(self) -> None:
        require(0 < self.size_gb <= _MOST, "--spool-gb", self.size_gb,
                f"above 0, at most {_MOST:g}")  # fmt: skip
