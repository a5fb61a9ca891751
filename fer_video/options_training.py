"""How nets are trained, and how the options of a training are searched for."""

from dataclasses import dataclass
from math import inf
from typing import Literal

from fer_video.errors import require
from fer_video.labels import emotions_of_count

Precision = Literal["auto", "float32", "bfloat16"]
Optimizer = Literal["adamw", "adam", "sgd-nesterov", "rmsprop"]
Schedule = Literal["cosine", "plateau", "constant"]
ClassWeights = Literal["none", "balanced"]
Keep = Literal["last", "best"]
Score = Literal["ferplus", "label"]


@dataclass(frozen=True, slots=True)
class _SuitedRate:
    """What suits an optimizer."""

    learning_rate: float
    weight_decay: float


_SUITED_RATES: dict[Optimizer, _SuitedRate] = {
    "adamw": _SuitedRate(learning_rate=2e-3, weight_decay=0.05),
    "adam": _SuitedRate(learning_rate=1e-3, weight_decay=0.0),
    # 5e-4 in the loss, as most studies have it, comes to ten times that at a momentum of 0.9
    "sgd-nesterov": _SuitedRate(learning_rate=0.1, weight_decay=5e-3),
    "rmsprop": _SuitedRate(learning_rate=1e-3, weight_decay=0.0),
}


@dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How a net is trained."""

    net: str = "slim_se_resnet"
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
    """Names or folders of models whose averaged answers to each crop are learned, too."""
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
    cutmix_alpha: float = 0.0
    """Parameter of the Beta distribution that gives the area of a face that is left when a
    rectangle of another one is pasted in; 0 pastes none. With mixup, every other batch."""
    ema_share: float = 0.075
    """Length of the moving average of the weights that is exported, as a share of all steps, in
    [0, 1); where it is shorter than a step, the last weights are exported."""
    patience: int = 0
    """Epochs without a lower validation loss after which training stops early; 0 never does."""
    keep: Keep = "last"
    """Whether the last epoch is exported, or the one with the lowest validation loss."""
    precision: Precision = "auto"
    """What the net computes in while it trains; bfloat16 is faster on recent CPUs. auto
    takes it where there is a GPU."""
    n_emotions: int = 7
    """6, 7 or 8: without disgust, the usual ones, or with contempt."""
    val_share: float = 0.1
    """Share of the images that becomes validation, and test in one folder of emotions, where a
    folder has no such split; in (0, 0.5)."""
    seed: int = 0
    """In [0, 2^32), as NumPy takes it."""

    def __post_init__(self) -> None:
        require(self.optimizer in _SUITED_RATES, "--optimizer", self.optimizer,
                 "adamw, adam, sgd-nesterov or rmsprop")  # fmt: skip
        self._fill_in(_SUITED_RATES[self.optimizer])
        require(self.epochs >= 1, "--epochs", self.epochs, "1 or more")
        require(self.batch_size >= 1, "--batch-size", self.batch_size, "1 or more")
        require(self.train_last >= 0, "--train-last", self.train_last, "0 or more")
        require(not self.train_last or bool(self.start_from), "--train-last", self.train_last,
                 "0 without --from")  # fmt: skip
        require(0 <= self.seed < 2**32, "--seed", self.seed, "in [0, 4294967295]")
        require(0 < self.learning_rate < inf, "--learning-rate", self.learning_rate, "above 0")
        require(0 <= (self.weight_decay or 0) < inf, "--weight-decay", self.weight_decay,
                 "0 or more")  # fmt: skip
        require(self.schedule in ("cosine", "plateau", "constant"), "--schedule", self.schedule,
                 "cosine, plateau or constant")  # fmt: skip
        require(0 <= self.warmup_share < 1, "--warmup-share", self.warmup_share, "in [0, 1)")
        require(0 <= self.ferplus_share <= 1, "--ferplus-share", self.ferplus_share, "in [0, 1]")
        require(0 < self.teacher_share <= 1, "--teacher-share", self.teacher_share, "in (0, 1]")
        require(self.class_weights in ("none", "balanced"), "--class-weights",
                 self.class_weights, "none or balanced")  # fmt: skip
        require(0 <= self.label_smoothing < 1, "--label-smoothing", self.label_smoothing,
                 "in [0, 1)")  # fmt: skip
        require(0 <= self.augmented_share <= 1, "--augmented-share", self.augmented_share,
                 "in [0, 1]")  # fmt: skip
        require(0 <= self.erased_share <= 1, "--erased-share", self.erased_share, "in [0, 1]")
        require(0 <= self.mixup_alpha < inf, "--mixup", self.mixup_alpha, "0 or more")
        require(0 <= self.cutmix_alpha < inf, "--cutmix", self.cutmix_alpha, "0 or more")
        require(0 <= self.ema_share < 1, "--ema-share", self.ema_share, "in [0, 1)")
        require(self.patience >= 0, "--patience", self.patience, "0 or more")
        require(self.keep in ("last", "best"), "--keep", self.keep, "last or best")
        require(self.precision in ("auto", "float32", "bfloat16"), "--precision", self.precision,
                 "auto, float32 or bfloat16")  # fmt: skip
        emotions_of_count(self.n_emotions)
        require(0 < self.val_share < 0.5, "--val-share", self.val_share, "in (0, 0.5)")

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
        require(self.score in (None, "ferplus", "label"), "--score", self.score,
                 "ferplus or label")  # fmt: skip
        require(self.trials >= 1, "--trials", self.trials, "1 or more")
        if self.timeout_s is not None:
            require(self.timeout_s > 0, "--timeout", self.timeout_s, "above 0")

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
