"""Optimizers, and how their learning rate changes over a training."""

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from fer_video.backend import keras
from fer_video.options import TrainOptions

PLATEAU_EPOCHS = 5
"""Epochs without a lower validation loss after which the learning rate falls."""
PLATEAU_FACTOR = 0.5
"""By which it is multiplied then."""
_MOMENTUM = 0.9
"""Of SGD; the usual choice since Krizhevsky, Sutskever and Hinton, NeurIPS 2012."""


def optimizer_for(options: TrainOptions, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """Make the optimizer of a training, with the moving average of the weights.

    Source:
        Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019; Kingma and Ba,
        "Adam: A Method for Stochastic Optimization", ICLR 2015; Sutskever, Martens, Dahl and
        Hinton, "On the importance of initialization and momentum in deep learning", ICML 2013,
        for Nesterov's momentum.
    """
    steps = options.epochs * steps_per_epoch
    make: dict[str, Callable[..., keras.optimizers.Optimizer]] = {
        "adam": _averaging(keras.optimizers.Adam),
        "adamw": _averaging(keras.optimizers.AdamW),
        "rmsprop": _averaging(keras.optimizers.RMSprop),
        "sgd-nesterov": partial(
            _averaging(keras.optimizers.SGD), momentum=_MOMENTUM, nesterov=True
        ),
    }
    optimizer = make[options.optimizer](
        learning_rate=_cosine(options, steps)
        if options.schedule == "cosine"
        else options.learning_rate,
        weight_decay=options.weight_decay,
        use_ema=True,
        ema_momentum=options.ema_share,  # see _Averaging
    )
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer


class _Averaging:
    """Lets the moving average of the weights reach back a share of the steps so far.

    So it is as good where a training ends before its last epoch. Keras is handed the share in the
    place of a constant momentum.

    Source:
        Karras, Aittala, Lehtinen, Hellsten, Aila and Laine, "Analyzing and Improving the Training
        Dynamics of Diffusion Models", CVPR 2024, section 3.1; to first order in 1 / steps.
    """

    iterations: keras.Variable

    @property
    def ema_momentum(self) -> Any:
        """Weight of the average so far; computed by the backend, because the steps are."""
        steps = keras.ops.cast(self.iterations, "float32") + 1
        return 1 - 1 / keras.ops.maximum(1.0, self._share * steps)

    @ema_momentum.setter
    def ema_momentum(self, share: float) -> None:
        self._share = share


def _averaging(optimizer: type) -> Callable[..., keras.optimizers.Optimizer]:
    return type(optimizer.__name__, (_Averaging, optimizer), {})


def _cosine(options: TrainOptions, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """Rise from 0, then fall to 0 along half a cosine.

    Source:
        Loshchilov and Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017;
        Goyal et al., "Accurate, Large Minibatch SGD", arXiv 1706.02677, 2017, for the warm-up.
    """
    warmup_steps = int(options.warmup_share * steps)
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        warmup_target=options.learning_rate,
        warmup_steps=warmup_steps,
        decay_steps=steps - warmup_steps,
    )


# The two below look at all losses so far: unlike Keras' own callbacks, which count in memory, they
# tell a resumed training just what they would have told an uninterrupted one.


def plateau_rate(learning_rate: float, losses: Sequence[float]) -> float:
    """Halve the learning rate after every ``PLATEAU_EPOCHS`` epochs without a lower loss.

    Args:
        learning_rate: At the start.
        losses: Of the epochs so far, on the validation split.

    >>> plateau_rate(0.1, [3, 2, 2, 2, 2, 2]), plateau_rate(0.1, [3, 2, 2, 2, 2, 2, 2])
    (0.1, 0.05)
    """
    lowest, waited = math.inf, 0
    for loss in losses:
        lowest, waited = (loss, 0) if loss < lowest else (lowest, waited + 1)
        if waited == PLATEAU_EPOCHS:
            learning_rate, waited = learning_rate * PLATEAU_FACTOR, 0
    return learning_rate


def epochs_since_best(losses: Sequence[float]) -> int:
    """Count the epochs since the first one with the lowest loss.

    >>> epochs_since_best([3, 1, 2, 1]), epochs_since_best([2]), epochs_since_best([])
    (2, 0, 0)
    """
    return len(losses) - 1 - losses.index(min(losses)) if losses else 0
