"""What sharpness-aware minimization is worth: one training with it, to compare with ``way_base``.

python benchmarks/sharpness.py START fer2013.csv fer2013new.csv OUT

START is the model that the rows ``way_*`` of docs/experiments.md go on from, OUT the model folder
to write; ``benchmarks/experiments.py note`` keeps the outcome. ``fer-video train`` does not offer
it: each step costs two, and nothing was measured yet that would pay for that.
"""

import sys
from pathlib import Path

import tensorflow as tf

from fer_video import nets
from fer_video.backend import keras
from fer_video.learn.train import train
from fer_video.options import TrainOptions

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


def main(start: str, data: str, ferplus: str, out: str) -> None:
    """Train as ``way_base`` was, but for the step."""
    plain = nets.NETS["slim_se_resnet"]

    def sharpness_aware(n_emotions: int, channels: int) -> keras.Model:
        net = plain(n_emotions, channels)
        return SharpnessAware(net.input, net.output, name=net.name)

    nets.NETS["slim_se_resnet"] = sharpness_aware
    options = TrainOptions(net="slim_se_resnet", start_from=start, learning_rate=0.001, epochs=8,
                           seed=1, precision="bfloat16")  # fmt: skip
    train(Path(data), Path(ferplus), Path(out), options, lambda *told: print(*told, flush=True))


if __name__ == "__main__":
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    main(*sys.argv[1:])
