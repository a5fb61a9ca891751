"""What each way of training is worth: eight epochs, and one thing changed from one row to another.

python benchmarks/ways.py START fer2013.csv fer2013new.csv FOLDER [WAY ...]  # goes on where it was

START is the model that the ways go on from, FOLDER takes their model folders, WAYs are some of
those below and all where none is named. Notes lie in benchmarks/experiments, accuracy in them is on
PublicTest. What no option of ``fer-video train`` changes, because nobody would want a net without,
is changed here.
"""

import sys
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import tensorflow as tf
from experiments import note

from fer_video import nets
from fer_video.backend import keras
from fer_video.learn import augment
from fer_video.learn.train import train
from fer_video.nets import resnet
from fer_video.options import TrainOptions

NET = "slim_se_resnet"
RADIUS = 0.05
"""By how much the weights are moved, as a Euclidean norm: the authors' choice for CIFAR-10."""


class SharpnessAware(keras.Model):
    """A net that steps along the gradient of the worst weights nearby; on Keras' TensorFlow.

    Source:
        Foret, Kleiner, Mobahi and Neyshabur, "Sharpness-Aware Minimization for Efficiently
        Improving Generalization", ICLR 2021, algorithm 1.
    """

    def train_step(self, data: tuple) -> dict:
        """Take one step; what Keras calls for each batch."""
        crops, target, weight = keras.utils.unpack_x_y_sample_weight(data)
        weights = self.trainable_weights
        _, _, gradients = self._gradients(crops, target, weight)
        scale = RADIUS / (tf.linalg.global_norm(gradients) + 1e-12)
        for variable, gradient in zip(weights, gradients, strict=True):
            variable.assign_add(scale * gradient)
        answer, loss, worst = self._gradients(crops, target, weight)
        for variable, gradient in zip(weights, gradients, strict=True):
            variable.assign_sub(scale * gradient)
        self.optimizer.apply_gradients(zip(worst, weights, strict=True))
        for metric in self.metrics:
            if metric.name == "loss":
                metric.update_state(loss)
        return self.compute_metrics(crops, target, answer, weight)

    def _gradients(self, crops: tf.Tensor, target: tf.Tensor, weight: tf.Tensor | None) -> tuple:
        """Answers, loss, and gradients of the loss by the weights."""
        with tf.GradientTape() as tape:
            answer = self(crops, training=True)
            loss = self.compute_loss(crops, target, answer, weight)
        return answer, loss, tape.gradient(loss, [w.value for w in self.trainable_weights])


@dataclass(frozen=True, kw_only=True)
class Way:
    """One training."""

    why: str
    """What it tries, for the table."""
    options: dict[str, Any] = field(default_factory=dict)
    """That differ from those of ``way_base``."""
    change: Callable[[], AbstractContextManager] = nullcontext
    """What differs and is no option, for as long as the net is built and trained."""


def _sharpness_aware() -> AbstractContextManager:
    plain = nets.NETS[NET]

    def build(n_emotions: int, channels: int) -> keras.Model:
        net = plain(n_emotions, channels)
        return SharpnessAware(net.input, net.output, name=net.name)

    return patch.dict(nets.NETS, {NET: build})


def _plain_blocks() -> AbstractContextManager:
    return patch.object(resnet, "_squeeze_excite", lambda x, filters: x)


_FROM_SCRATCH = {"start_from": "", "learning_rate": 0.002, "ferplus_share": 0.65}

WAYS = {
    "base": Way(why="eight epochs on an even mix; each row way_* changes one thing of it"),
    "cutmix": Way(why="CutMix", options={"cutmix_alpha": 1.0}),
    "mixup": Way(why="mixup", options={"mixup_alpha": 0.2}),
    "undisturbed": Way(why="nothing disturbed", options={"augmented_share": 0.0}),
    "half_disturbed": Way(why="half of the crops disturbed", options={"augmented_share": 0.5}),
    "none_erased": Way(why="no rectangle painted over", options={"erased_share": 0.0}),
    "unmirrored": Way(why="no crop mirrored",
                      change=partial(patch.object, augment, "MIRRORED_SHARE", 0.0)),
    "unmoved": Way(why="no crop shifted, rotated or scaled",
                   change=partial(patch.multiple, augment, MAX_SHIFT=0.0, MAX_ROTATION_DEG=0.0,
                                  SCALE_RANGE=(1.0, 1.0))),
    "smoothed": Way(why="label smoothing", options={"label_smoothing": 0.1}),
    "constant": Way(why="a constant learning rate", options={"schedule": "constant"}),
    "no_warmup": Way(why="no warm-up", options={"warmup_share": 0.0}),
    "no_average": Way(why="the last weights, no moving average", options={"ema_share": 0.0}),
    "sharpness_aware": Way(why="sharpness-aware minimization", change=_sharpness_aware),
    "no_squeeze_excite": Way(why="from scratch as stem48_w32-56-112_d1-2-2, without squeeze-excite",
                             options=_FROM_SCRATCH, change=_plain_blocks),
}  # fmt: skip


def train_ways(
    start: str, data: Path, ferplus: Path, folder: Path, names: Iterable[str] = WAYS
) -> None:
    """Train those that have no model folder yet, and note what came out."""
    base = TrainOptions(net=NET, start_from=start, learning_rate=0.001, epochs=8, seed=1,
                        precision="bfloat16")  # fmt: skip
    for name in names:
        way, out = WAYS[name], folder / f"way_{name}"
        if not out.exists():
            with way.change():
                train(data, ferplus, out, replace(base, **way.options), partial(_tell, name))
        note(out, way.why, data, ferplus)


def _tell(name: str, epoch: int, figures: dict[str, float]) -> None:
    print(f"{name}: epoch {epoch + 1}, FER+ {figures['val_ferplus_accuracy']:.3f}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) < 5 or not set(sys.argv[5:]) <= set(WAYS):
        sys.exit(f"{__doc__}\nWAYs: {', '.join(WAYS)}")
    train_ways(sys.argv[1], *map(Path, sys.argv[2:5]), sys.argv[5:] or WAYS)
