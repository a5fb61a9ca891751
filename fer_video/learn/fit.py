"""The loop over epochs: what happens between data and a trained net."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from fer_video import nets
from fer_video.backend import has_gpu, keras
from fer_video.errors import MissingExtra, ModelError, TrainError, cannot_write
from fer_video.keras_net import load_net
from fer_video.labels import emotions_of_count
from fer_video.learn.batches import TrainingBatches, require_batch, targets, to_input, trainable
from fer_video.learn.dataset import TEST, TRAIN, VALIDATION, Faces
from fer_video.learn.optimize import epochs_since_best, optimizer_for, plateau_rate
from fer_video.learn.progress import Figures, Progress
from fer_video.learn.teachers import load_teachers
from fer_video.learn.validate import validation_figures
from fer_video.options import TrainOptions
from fer_video.quiet import quiet_startup
from fer_video.weights import ModelSpec, find

Report = Callable[[int, Figures], None]
"""Called after each epoch with its number from 0 and its figures. A callback, although the rest
of the project yields events, because Keras owns this loop."""

_STATISTICS_BATCHES = 100
"""Batches that the averaged net's normalization statistics are taken over."""

_MEMORY_IS_EXHAUSTED = ("ResourceExhausted", "RESOURCE_EXHAUSTED", "OutOfMemory", "MemoryError")
"""How TensorFlow, JAX, torch and NumPy say it, in the type or the text of an error."""

_POLICY = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


@dataclass(frozen=True, slots=True)
class Trained:
    """A net at the end of its training."""

    net: keras.Model
    """With the moving average of its weights, float32, without an optimizer."""
    epochs: int
    """That it has learned for."""
    ended: str
    """Why it ended before the last epoch; empty if it did not."""
    diverged: bool
    """Whether that was because the loss was not a number."""


def fit(
    faces: Faces,
    options: TrainOptions,
    progress: Progress,
    report: Report,
    tensorboard: Path | None = None,
) -> Trained:
    """Train a net; a killed run goes on after its last whole epoch.

    Args:
        faces: All splits; exact copies of validation and test images are kept out of training.
        options: How to train.
        progress: Where the state after each epoch is kept.
        report: Told of each epoch.
        tensorboard: Folder to write TensorBoard's event files into, or None.

    Raises:
        DataError: A split is empty, or training has fewer faces than a batch.
        ModelError: The model to go on from or a teacher is missing, damaged, or does not fit.
        OutputError: The progress cannot be written.
        TrainError: The loss is not a number in the first epoch, or memory is exhausted.
    """
    # votes that weigh nothing teach nothing
    learned_from = faces if options.ferplus_share else replace(faces, votes=None)
    learned_from.require(TRAIN, VALIDATION, TEST)
    options = settled(options)
    training = trainable(faces)
    require_batch(training, options.batch_size)
    batches = TrainingBatches(training, options, load_teachers(options, training.emotions))
    net = _compiled(options, steps_per_epoch=len(batches))
    epochs_before = 0
    if progress.restore(net):
        epochs_before = int(keras.ops.convert_to_numpy(net.optimizer.iterations)) // len(batches)
    loop = _EachEpoch(batches, faces.part(VALIDATION), options, progress, report)
    if not loop.is_over(epochs_before):
        with _memory_errors(options.batch_size):
            net.fit(
                batches,
                shuffle=False,  # Keras would shuffle them anew, from a state that is not saved
                initial_epoch=epochs_before,
                epochs=options.epochs,
                callbacks=[loop, *_tensorboard(tensorboard)],
                verbose=0,
            )
    if loop.diverged_in is not None and not progress.restore(net):
        raise TrainError("the loss is not a number in epoch 1: try a lower --learning-rate")
    if options.keep == "best":
        progress.restore(net, best=True)
    return Trained(
        net=_averaged(net, training, options),
        epochs=loop.epochs_kept(),
        ended=loop.ended(),
        diverged=loop.diverged_in is not None,
    )


def require_usable(options: TrainOptions, tensorboard: Path | None = None) -> None:
    """Find at once what a training would find after it had read its data.

    Raises:
        MissingExtra: ``tensorboard`` is asked for, and is not installed.
        ModelError: The net is unknown, or the model to go on from or a teacher is missing,
            damaged, or does not fit.
        OutputError: ``tensorboard`` cannot be made.
    """
    with quiet_startup():
        net = nets.build(options.net, options.n_emotions)
    if options.start_from:
        _go_on_from(find(options.start_from), net, options)
    load_teachers(options, emotions_of_count(options.n_emotions))
    _tensorboard(tensorboard)


def settled(options: TrainOptions) -> TrainOptions:
    """Decide what the options leave to the machine."""
    if options.precision != "auto":
        return options
    return replace(options, precision="bfloat16" if has_gpu() else "float32")


def _compiled(options: TrainOptions, steps_per_epoch: int) -> keras.Model:
    """Build a net in the options' precision, at random or from an earlier model."""
    keras.utils.set_random_seed(options.seed)
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(_POLICY[options.precision])
    try:
        with quiet_startup():
            net = nets.build(options.net, options.n_emotions)
    finally:
        keras.config.set_dtype_policy(policy)
    if options.start_from:
        _go_on_from(find(options.start_from), net, options)
    if options.train_last:
        nets.freeze_all_but_last(net, options.train_last)
    net.compile(
        optimizer=optimizer_for(options, steps_per_epoch),
        loss=keras.losses.CategoricalCrossentropy(label_smoothing=options.label_smoothing),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
    )
    return net


def _go_on_from(spec: ModelSpec, net: keras.Model, options: TrainOptions) -> None:
    if len(spec.labels) != options.n_emotions:
        raise ModelError(
            f"{spec.folder} tells {len(spec.labels)} emotions apart, not {options.n_emotions}: "
            f"use --emotions {len(spec.labels)}"
        )
    net.set_weights(load_net(spec, options.net).get_weights())


def _averaged(net: keras.Model, training: Faces, options: TrainOptions) -> keras.Model:
    """Take the moving average of the weights into a net of its own."""
    net.optimizer.finalize_variable_values(net.trainable_variables)
    averaged = nets.build(options.net, options.n_emotions)
    averaged.set_weights(net.get_weights())
    if not options.train_last:  # else what is frozen keeps the statistics that it was made with
        undisturbed = replace(options, augmented_share=0.0, mixup_alpha=0.0, cutmix_alpha=0.0)
        estimate_statistics(averaged, TrainingBatches(training, undisturbed))
    return averaged


def estimate_statistics(net: keras.Model, batches: TrainingBatches) -> None:
    """Measure the normalization statistics of averaged weights, which no step has seen.

    Of undisturbed faces: disturbances shift the statistics, and the net will be asked without.

    Source:
        Izmailov, Podoprikhin, Garipov, Vetrov and Wilson, "Averaging Weights Leads to Wider
        Optima and Better Generalization", UAI 2018, section 3.2; Touvron, Vedaldi, Douze and
        Jegou, "Fixing the train-test resolution discrepancy", NeurIPS 2019, section 3.
    """
    layers = [x for x in net.layers if isinstance(x, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in layers]
    for number in range(min(_STATISTICS_BATCHES, len(batches))):
        for layer in layers:
            layer.momentum = number / (number + 1)  # makes the moving average a plain mean
        net(batches[number][0], training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum


class _EachEpoch(keras.callbacks.Callback):
    """Make all chance depend on the epoch alone, and keep what a resumed run needs to repeat it."""

    def __init__(
        self,
        batches: TrainingBatches,
        validation: Faces,
        options: TrainOptions,
        progress: Progress,
        report: Report,
    ) -> None:
        super().__init__()
        self._batches = batches
        self._validation = validation
        self._crops = to_input(validation.images)
        self._target = targets(validation, options.ferplus_share)
        self._options = options
        self._progress = progress
        self._report = report
        self.diverged_in: int | None = None
        """Epoch in which the loss was not a number."""

    def is_over(self, epochs: int) -> bool:
        """Tell whether a training ends after so many epochs."""
        patience = self._options.patience
        waited = epochs_since_best(self._losses(epochs))
        return epochs >= self._options.epochs or bool(patience and waited >= patience)

    def epochs_kept(self) -> int:
        """Count the epochs behind the weights that are kept."""
        losses = self._losses()
        return len(losses) - (epochs_since_best(losses) if self._options.keep == "best" else 0)

    def ended(self) -> str:
        """Say why the training ended before its last epoch; empty if it did not."""
        if self.diverged_in is not None:
            return f"the loss was not a number in epoch {self.diverged_in + 1}"
        n_epochs = len(self._losses())
        if n_epochs < self._options.epochs:
            return f"no lower validation loss for {self._options.patience} epochs"
        return ""

    def on_epoch_begin(self, epoch: int, logs: Figures | None = None) -> None:
        options = self._options
        self._batches.epoch = epoch
        if options.schedule == "plateau":
            rate = plateau_rate(options.learning_rate, self._losses(epoch))
            self.model.optimizer.learning_rate = rate
        dropouts = [x for x in self.model.layers if isinstance(x, keras.layers.Dropout)]
        for number, layer in enumerate(dropouts):
            # its state is not among the saved weights; each layer draws a stream of its own
            layer.seed_generator.state.assign([options.seed ^ (number << 24), epoch << 16])

    def on_epoch_end(self, epoch: int, logs: Figures | None = None) -> None:
        figures = {} if logs is None else logs  # the same for the callbacks after this one
        probabilities = self.model.predict(self._crops, batch_size=256, verbose=0)
        # the loss was taken before the last step, which may have spoilt the weights
        if not (math.isfinite(figures["loss"]) and np.isfinite(probabilities).all()):
            self.diverged_in = epoch
            self.model.stop_training = True
            return
        figures["learning_rate"] = float(self.model.optimizer.learning_rate)
        figures |= validation_figures(probabilities, self._target, self._validation)
        is_best = figures["val_loss"] < min(self._losses(epoch), default=math.inf)
        wanted = is_best and self._options.keep == "best"
        self._progress.save(self.model, epoch, figures, as_best=wanted)
        self._report(epoch, figures)
        self.model.stop_training = self.is_over(epoch + 1)

    def _losses(self, epochs: int | None = None) -> list[float]:
        """On the validation split, of the epochs so far."""
        losses: list[float] = self._progress.history()["val_loss"].tolist()
        return losses[:epochs]


def _tensorboard(folder: Path | None) -> list[keras.callbacks.Callback]:
    if folder is None:
        return []
    if find_spec("tensorboard") is None:
        raise MissingExtra("train", "--tensorboard")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
    return [keras.callbacks.TensorBoard(folder, write_graph=False)]


@contextmanager
def _memory_errors(batch_size: int) -> Iterator[None]:
    """Turn what a backend says when memory is exhausted into an error with a remedy."""
    try:
        yield
    except Exception as error:  # each backend has a type of its own
        told = f"{type(error).__name__} {error}"
        if not any(word in told for word in _MEMORY_IS_EXHAUSTED):
            raise
        remedy = f"try --batch-size {batch_size // 2}" if batch_size > 1 else "try a smaller --net"
        raise TrainError(
            f"memory is exhausted at a batch size of {batch_size}: {remedy}"
        ) from error
