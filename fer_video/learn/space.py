"""What a search varies, and within which limits."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, get_args

from fer_video.learn.study import optuna
from fer_video.options import ClassWeights, Optimizer, Schedule, TrainOptions

Params = Mapping[str, Any]
"""A choice for each name in the space, as Optuna keeps it."""

_Choice = optuna.distributions.CategoricalDistribution
_Range = optuna.distributions.FloatDistribution

Space = dict[str, _Choice | _Range]
"""The limits of everything that is searched, by name."""

_SPACE: Space = {
    "optimizer": _Choice(get_args(Optimizer)),
    # Relative, so that one range suits all optimizers and the search learns from each about all:
    # the learning rate as a multiple of what suits the optimizer, and the weight decay as the
    # share of a weight that a step takes at the highest learning rate.
    "learning_rate_ratio": _Range(0.1, 10, log=True),
    "decay_per_step": _Range(1e-6, 1e-3, log=True),
    "schedule": _Choice(get_args(Schedule)),
    "warmup_share": _Range(0, 0.2),
    "ferplus_share": _Range(0, 1),
    "class_weights": _Choice(get_args(ClassWeights)),
    "label_smoothing": _Range(0, 0.2),
    "augmented_share": _Range(0, 1),
    "erased_share": _Range(0, 0.5),
    "mixup_alpha": _Range(0, 0.5),
    "ema_share": _Range(0, 0.2),
}

_OPTIONS = {"learning_rate_ratio": "learning_rate", "decay_per_step": "weight_decay"}
"""Those that another name in the space decides."""


def space(*, with_votes: bool) -> Space:
    """Say what is searched; the weight of FER+ votes only where there are some."""
    return {
        name: limits for name, limits in _SPACE.items() if with_votes or name != "ferplus_share"
    }


def suggest(trial: optuna.Trial, within: Space) -> dict[str, Any]:
    """Let Optuna choose."""
    return {name: _suggest(trial, name, limits) for name, limits in within.items()}


def _suggest(trial: optuna.Trial, name: str, limits: _Choice | _Range) -> Any:
    if isinstance(limits, _Choice):
        return trial.suggest_categorical(name, limits.choices)
    return trial.suggest_float(name, limits.low, limits.high, log=limits.log)


def options_of(params: Params, fixed: TrainOptions) -> TrainOptions:
    """Turn a choice into the options of a training, in three digits that one can read and repeat.

    >>> choice = {"optimizer": "sgd-nesterov", "learning_rate_ratio": 0.5, "decay_per_step": 1e-5}
    >>> found = options_of(choice, TrainOptions(net="cnn4"))
    >>> found.net, found.learning_rate, found.weight_decay
    ('cnn4', 0.05, 0.0002)
    """
    chosen = dict(params)
    suited = TrainOptions(optimizer=chosen["optimizer"])
    learning_rate = _rounded(chosen.pop("learning_rate_ratio") * suited.learning_rate)
    weight_decay = chosen.pop("decay_per_step") / learning_rate
    return replace(
        fixed,
        learning_rate=learning_rate,
        weight_decay=_rounded(weight_decay),
        **{name: _rounded(value) for name, value in chosen.items()},
    )


def options_decided_by(params: Iterable[str]) -> list[str]:
    """Name the options of a training that a choice decides."""
    return [_OPTIONS.get(name, name) for name in params]


def params_of_defaults(within: Space) -> dict[str, Any]:
    """Write the defaults of a training as a choice within the space."""
    options = TrainOptions()
    derived = {
        "learning_rate_ratio": 1.0,
        "decay_per_step": options.learning_rate * (options.weight_decay or 0),
    }
    return {name: derived[name] if name in derived else getattr(options, name) for name in within}


def _rounded(value: Any) -> Any:
    return float(f"{value:.3g}") if isinstance(value, float) else value
