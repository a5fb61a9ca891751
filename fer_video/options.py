"""What a user can choose, grouped by stage. The only home of defaults; validated when built."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fer_video.errors import OptionError
from fer_video.labels import Language, emotions_of_count

DetectorName = Literal["yunet", "mtcnn", "haar"]
DeviceChoice = Literal["auto", "cpu", "gpu"]
TableFormat = Literal["parquet", "csv"]
PlotStyle = Literal["area", "lines"]
Precision = Literal["auto", "float32", "bfloat16"]
Optimizer = Literal["adamw", "adam", "sgd-nesterov", "rmsprop"]
Schedule = Literal["cosine", "plateau", "constant"]
ClassWeights = Literal["none", "balanced"]
Keep = Literal["last", "best"]
FaceSource = Literal["given", "detect"]
Score = Literal["ferplus", "label"]


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
            _require(self.fps > 0, "--fps", self.fps, "above 0")
        _require(self.start_s >= 0, "--start", self.start_s, "0 or more")
        if self.end_s is not None:
            _require(self.end_s > self.start_s, "--end", self.end_s, f"above {self.start_s:g} s")


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
        _require(self.detector in _SUITED, "--detector", self.detector, "yunet, mtcnn or haar")
        self._fill_in(_SUITED[self.detector])
        _require(self.detect_every_s >= 0, "--detect-every", self.detect_every_s, "0 or more")
        _require(self.detect_side_px >= 64, "--detect-side", self.detect_side_px, "64 or more")
        _require(0 < self.min_score <= 1, "--min-score", self.min_score, "in (0, 1]")
        _require(0 < self.min_weak_score <= self.min_score, "--min-weak-score",
                 self.min_weak_score, f"in (0, {self.min_score:g}]")  # fmt: skip
        _require(self.min_face_px >= 1, "--min-face", self.min_face_px, "1 or more")

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
    """Longest time in seconds a face may be lost and still keep its identity."""

    def __post_init__(self) -> None:
        _require(0 < self.min_iou <= 1, "--min-iou", self.min_iou, "in (0, 1]")
        _require(self.max_gap_s >= 0, "--max-gap", self.max_gap_s, "0 or more")


@dataclass(frozen=True, kw_only=True)
class ClassifyOptions:
    """How expressions are classified."""

    model: str = "default"
    """Name of a shipped model, or the folder of one."""
    batch_size: int = 64
    """Crops that Keras classifies together; changes no number in the result. LiteRT takes 8."""
    device: DeviceChoice = "auto"

    def __post_init__(self) -> None:
        _require(self.batch_size >= 1, "--batch-size", self.batch_size, "1 or more")
        _require(self.device in ("auto", "cpu", "gpu"), "--device", self.device,
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
    """How many processes work, and what one may take before it is ended; changes no number."""

    jobs: int = 0
    """Recordings at a time, each in a process of its own; 0 is what cores and memory allow."""
    max_memory_gb: float = 4.0
    """Resident memory of one process, in 10^9 bytes."""
    max_cpu_hours: float = 24.0
    """CPU time for one recording, summed over the cores."""
    max_stall_s: float = 300.0
    """Seconds without progress in the recording."""

    def __post_init__(self) -> None:
        _require(self.jobs >= 0, "--jobs", self.jobs, "0 or more")
        _require(self.max_memory_gb > 0, "--max-memory", self.max_memory_gb, "above 0")
        _require(self.max_cpu_hours > 0, "--max-cpu", self.max_cpu_hours, "above 0")
        _require(self.max_stall_s > 0, "--max-stall", self.max_stall_s, "above 0")


@dataclass(frozen=True, kw_only=True)
class ViewOptions:
    """How a finished timeline is shown; changes nothing that is stored."""

    language: Language = "en"
    smooth_s: float = 0.0
    """Width in seconds of the centred moving average; 0 shows the stored probabilities."""
    plot_style: PlotStyle = "area"

    def __post_init__(self) -> None:
        _require(self.language in ("en", "fr"), "--lang", self.language, "en or fr")
        _require(self.smooth_s >= 0, "--smooth", self.smooth_s, "0 or more")
        _require(self.plot_style in ("area", "lines"), "--style", self.plot_style,
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
        _require(self.checkpoint_every_s >= 0, "--checkpoint-every", self.checkpoint_every_s,
                 "0 or more")  # fmt: skip


@dataclass(frozen=True, slots=True)
class _SuitedRate:
    """What suits an optimizer."""

    learning_rate: float
    weight_decay: float


_SUITED_RATES: dict[Optimizer, _SuitedRate] = {
    "adamw": _SuitedRate(learning_rate=2e-3, weight_decay=0.05),
    "adam": _SuitedRate(learning_rate=1e-3, weight_decay=0.0),
    "sgd-nesterov": _SuitedRate(learning_rate=0.1, weight_decay=5e-4),
    "rmsprop": _SuitedRate(learning_rate=1e-3, weight_decay=0.0),
}


@dataclass(frozen=True, kw_only=True)
class SpoolOptions:
    """Where the local copies of what lies on a store are kept while they are worked on."""

    folder: Path | None = None
    """A folder of each user is made below it; None takes the system's for temporary files."""
    size_gb: float = 20.0
    """Room for all copies of one user on one machine, in GB of 10^9 bytes."""

    def __post_init__(self) -> None:
        _require(self.size_gb > 0, "--spool-gb", self.size_gb, "above 0")


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How a net is trained."""

    net: str = "compact_se_resnet"
    """A name in ``fer_video.nets.NETS``."""
    start_from: str = ""
    """Name or folder of a model of the same net to go on from; empty starts at random."""
    train_last: int = 0
    """Layers with weights that may change, the last ones, when going on from a model; 0 is all."""
    epochs: int = 60
    batch_size: int = 128
    optimizer: Optimizer = "adamw"
    learning_rate: float = 0.0
    """At its highest; 0 becomes what suits the optimizer."""
    weight_decay: float | None = None
    """Decoupled, per unit of the learning rate; None becomes what suits the optimizer."""
    schedule: Schedule = "cosine"
    """Of the learning rate: a warm-up and half a cosine, halved on each plateau, or constant."""
    warmup_share: float = 0.05
    """Share of all steps over which the cosine's learning rate rises from 0, in [0, 1)."""
    ferplus_share: float = 0.5
    """Weight of the FER+ votes in the target, in [0, 1]; the rest is the data set's label."""
    teachers: tuple[str, ...] = ()
    """Names or folders of models whose averaged answers to each disturbed crop are learned, too."""
    teacher_share: float = 0.7
    """Weight of the teachers in the target, in (0, 1]; the rest is the mix of votes and label."""
    class_weights: ClassWeights = "none"
    """Whether rare emotions count more in the loss, so that all together count alike."""
    label_smoothing: float = 0.0
    """Share of the target that is spread over all emotions, in [0, 1)."""
    augmented_share: float = 1.0
    """Share of the crops that are disturbed as recordings disturb them, in [0, 1]."""
    erased_share: float = 0.25
    """Share of the disturbed crops of which a rectangle is painted over, in [0, 1]."""
    mixup_alpha: float = 0.0
    """Parameter of the Beta distribution that two faces are mixed by; 0 mixes none."""
    ema_share: float = 0.075
    """Length of the moving average of the weights that is exported, as a share of all steps, in
    [0, 1); where it is shorter than a step, the last weights are exported."""
    patience: int = 0
    """Epochs without a lower validation loss after which training stops early; 0 never does."""
    keep: Keep = "last"
    """Whether the last epoch is exported, or the one with the lowest validation loss."""
    precision: Precision = "auto"
    """What the net computes in while it trains; bfloat16 is twice as fast on recent CPUs. auto
    takes it where there is a GPU."""
    n_emotions: int = 7
    """6, 7 or 8: without disgust, the usual ones, or with contempt."""
    val_share: float = 0.1
    """Share of the images that becomes validation, and test in one folder of emotions, where a
    folder has no such split; in (0, 0.5)."""
    seed: int = 0

    def __post_init__(self) -> None:
        _require(self.optimizer in _SUITED_RATES, "--optimizer", self.optimizer,
                 "adamw, adam, sgd-nesterov or rmsprop")  # fmt: skip
        self._fill_in(_SUITED_RATES[self.optimizer])
        _require(self.epochs >= 1, "--epochs", self.epochs, "1 or more")
        _require(self.batch_size >= 1, "--batch-size", self.batch_size, "1 or more")
        _require(self.train_last >= 0, "--train-last", self.train_last, "0 or more")
        _require(not self.train_last or bool(self.start_from), "--train-last", self.train_last,
                 "0 without --from")  # fmt: skip
        _require(self.seed >= 0, "--seed", self.seed, "0 or more")
        _require(self.learning_rate > 0, "--learning-rate", self.learning_rate, "above 0")
        _require((self.weight_decay or 0) >= 0, "--weight-decay", self.weight_decay, "0 or more")
        _require(self.schedule in ("cosine", "plateau", "constant"), "--schedule", self.schedule,
                 "cosine, plateau or constant")  # fmt: skip
        _require(0 <= self.warmup_share < 1, "--warmup-share", self.warmup_share, "in [0, 1)")
        _require(0 <= self.ferplus_share <= 1, "--ferplus-share", self.ferplus_share, "in [0, 1]")
        _require(0 < self.teacher_share <= 1, "--teacher-share", self.teacher_share, "in (0, 1]")
        _require(self.class_weights in ("none", "balanced"), "--class-weights",
                 self.class_weights, "none or balanced")  # fmt: skip
        _require(0 <= self.label_smoothing < 1, "--label-smoothing", self.label_smoothing,
                 "in [0, 1)")  # fmt: skip
        _require(0 <= self.augmented_share <= 1, "--augmented-share", self.augmented_share,
                 "in [0, 1]")  # fmt: skip
        _require(0 <= self.erased_share <= 1, "--erased-share", self.erased_share, "in [0, 1]")
        _require(self.mixup_alpha >= 0, "--mixup", self.mixup_alpha, "0 or more")
        _require(0 <= self.ema_share < 1, "--ema-share", self.ema_share, "in [0, 1)")
        _require(self.patience >= 0, "--patience", self.patience, "0 or more")
        _require(self.keep in ("last", "best"), "--keep", self.keep, "last or best")
        _require(self.precision in ("auto", "float32", "bfloat16"), "--precision", self.precision,
                 "auto, float32 or bfloat16")  # fmt: skip
        emotions_of_count(self.n_emotions)
        _require(0 < self.val_share < 0.5, "--val-share", self.val_share, "in (0, 0.5)")

    def _fill_in(self, suited: _SuitedRate) -> None:
        """Put numbers in the place of what was left open, so that a model records them."""
        object.__setattr__(self, "learning_rate", self.learning_rate or suited.learning_rate)
        if self.weight_decay is None:
            object.__setattr__(self, "weight_decay", suited.weight_decay)


@dataclass(frozen=True, kw_only=True)
class TuneOptions:
    """How the options of a training are searched for, and those that are the same in each trial."""

    net: str = TrainOptions.net
    epochs: int = 20
    batch_size: int = TrainOptions.batch_size
    precision: Precision = TrainOptions.precision
    n_emotions: int = TrainOptions.n_emotions
    val_share: float = TrainOptions.val_share
    seed: int = TrainOptions.seed
    score: Score | None = None
    """Truth of the validation accuracy to raise; None becomes ferplus where there are votes."""
    trials: int = 50
    """At most, in this call; a search goes on in the next one."""
    timeout_s: float | None = None
    """Seconds after which no trial starts; None sets no end."""

    def __post_init__(self) -> None:
        _ = self.fixed  # checks its part
        _require(self.score in (None, "ferplus", "label"), "--score", self.score,
                 "ferplus or label")  # fmt: skip
        _require(self.trials >= 1, "--trials", self.trials, "1 or more")
        _require((self.timeout_s or 1) > 0, "--timeout", self.timeout_s, "above 0")

    @property
    def fixed(self) -> TrainOptions:
        """A training with what is the same in each trial, and the defaults of what is searched."""
        return TrainOptions(
            net=self.net,
            epochs=self.epochs,
            batch_size=self.batch_size,
            precision=self.precision,
            n_emotions=self.n_emotions,
            val_share=self.val_share,
            seed=self.seed,
        )


def _require(holds: bool, option: str, value: object, allowed: str) -> None:
    if not holds:
        raise OptionError(f"{option} must be {allowed}, got {value}")
