"""Training, from data to an exported model folder; reads from top to bottom."""

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from fer_video import nets
from fer_video.backend import keras
from fer_video.classify import load_net
from fer_video.errors import DataError, OutputError, TrainError
from fer_video.files import whole_file
from fer_video.labels import EMOTIONS, FERPLUS_VOTES
from fer_video.learn.augment import augment
from fer_video.learn.dataset import (
    TEST,
    TRAIN,
    VALIDATION,
    Faces,
    ferplus_distribution,
    is_blank,
    is_copy_of,
    read_faces,
)
from fer_video.learn.export import export, provenance
from fer_video.options import TrainOptions
from fer_video.quiet import quiet_startup
from fer_video.weights import ModelSpec, find

Array = np.ndarray[Any, Any]

Report = Callable[[int, dict[str, float]], None]
"""Called after each epoch with its number from 0 and its figures. A callback, although the rest
of the project yields events, because Keras owns this loop."""

STATE_FILE = "state/latest.weights.h5"
"""Weights and optimizer after the last whole epoch, inside the folder of a training's progress."""
HISTORY_FILE = "history.csv"
"""The figures of every epoch, in the progress and then in the model folder."""

_STATISTICS_BATCHES = 100
"""Batches that the averaged net's normalization statistics are taken over."""

_POLICY = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def train(
    data: Path, ferplus: Path | None, out: Path, options: TrainOptions, report: Report
) -> ModelSpec:
    """Train a net and write its model folder, whole or not at all.

    The state after each epoch is kept in a hidden folder beside ``out``: the same call after an
    interruption goes on from there; on a CPU, to the same weights.

    Args:
        data: ``fer2013.csv``, a folder of images or a zip; see ``dataset.read_faces``.
        ferplus: ``fer2013new.csv``, or None to learn from the labels of ``data`` alone.
        out: The model folder to write; its name becomes the model's.
        options: How to train.
        report: Told of each epoch.

    Raises:
        DataError: The data cannot be used.
        ModelError: The model to go on from is missing, damaged, or of another net.
        OutputError: ``out`` exists, cannot be written, or holds the progress of another training.
        TrainError: The loss is not a number.
    """
    if out.exists():
        raise OutputError(out, "it exists; name a new model folder")
    faces = read_faces(data, ferplus, options.val_share)
    progress = out.with_name(f".{out.name}.progress")
    decided_by = provenance(data, ferplus, options) | {"data_problems": len(faces.problems)}
    _claim(progress, decided_by)
    try:
        net = fit(faces, options, progress, report)
    except TrainError:
        shutil.rmtree(progress)  # the remedy is another training
        raise
    model = progress / "model"
    try:
        spec = export(net, faces, out.name, model, decided_by)
        shutil.copy(progress / HISTORY_FILE, model)
        model.rename(out)
    except OSError as error:
        raise OutputError(out, str(error)) from error
    shutil.rmtree(progress)
    return replace(spec, folder=out)


def _claim(progress: Path, decided_by: dict[str, Any]) -> None:
    """Make sure that saved progress, if there is any, is of this very training."""
    note = progress / "training.json"
    saved = note.exists() and (progress / STATE_FILE).exists()
    if saved and json.loads(note.read_text(encoding="utf-8")) != decided_by:
        raise OutputError(
            progress, "it holds the progress of a training with other options or data; "
            "name another --out, or delete it"
        )  # fmt: skip
    with whole_file(note) as temporary:
        temporary.write_text(json.dumps(decided_by, indent=2), encoding="utf-8")


def fit(faces: Faces, options: TrainOptions, progress: Path, report: Report) -> keras.Model:
    """Train a net; a killed run goes on after its last whole epoch.

    Args:
        faces: All splits; exact copies of validation and test images are kept out of training.
        options: How to train.
        progress: Folder for the state after each epoch.
        report: Told of each epoch.

    Returns:
        The net with the moving average of its weights, float32, without an optimizer.

    Raises:
        DataError: A split is empty, or training has fewer faces than a batch.
        ModelError: The model to go on from is missing, damaged, or of another net.
        OutputError: ``progress`` cannot be written.
        TrainError: The loss is not a number.
    """
    faces.require(TRAIN, VALIDATION, TEST)
    keras.utils.set_random_seed(options.seed)
    training, validation = trainable(faces), faces.part(VALIDATION)
    batches = TrainingBatches(training, targets(training, options), options)
    if not len(batches):
        reason = f"a batch of {options.batch_size} is more than its {len(training)} training faces"
        raise DataError(faces.source, f"{reason}: lower --batch-size")
    with quiet_startup():
        net = _compiled(options, steps_per_epoch=len(batches))
        if options.start_from:
            net.set_weights(load_net(find(options.start_from), options.net).get_weights())
    net.fit(
        batches,
        shuffle=False,  # Keras would shuffle them anew, from a state that is not saved
        initial_epoch=_restored(net, progress, steps_per_epoch=len(batches)),
        epochs=options.epochs,
        validation_data=(to_input(validation.images), targets(validation, options)),
        validation_batch_size=256,
        callbacks=[_EachEpoch(batches, options.seed, progress, report)],
        verbose=0,
    )
    # Keras has put the average of the weights in their place by now
    averaged = nets.build(options.net, len(EMOTIONS))
    averaged.set_weights(net.get_weights())
    batches.epoch = options.epochs
    _estimate_statistics(averaged, batches)
    return averaged


def _compiled(options: TrainOptions, steps_per_epoch: int) -> keras.Model:
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(_POLICY[options.precision])
    try:
        net = nets.build(options.net, len(EMOTIONS))
    finally:
        keras.config.set_dtype_policy(policy)
    net.compile(
        optimizer=_optimizer(options, steps_per_epoch),
        loss=keras.losses.CategoricalCrossentropy(),
        metrics=[keras.metrics.CategoricalAccuracy(name="accuracy")],
    )
    return net


def _restored(net: keras.Model, progress: Path, steps_per_epoch: int) -> int:
    """Load the saved state, if there is one; return the number of epochs that it has seen."""
    if not (progress / STATE_FILE).exists():
        return 0
    net.optimizer.build(net.trainable_variables)
    net.load_weights(progress / STATE_FILE)
    return int(keras.ops.convert_to_numpy(net.optimizer.iterations)) // steps_per_epoch


def _save_state(net: keras.Model, progress: Path) -> None:
    state = progress / STATE_FILE
    unfinished = state.with_name("unfinished.weights.h5")  # a suffix that Keras insists on
    try:
        state.parent.mkdir(parents=True, exist_ok=True)
        net.save_weights(unfinished)
        unfinished.replace(state)
    except OSError as error:
        raise OutputError(state, str(error)) from error


def _save_figures(epoch: int, figures: dict[str, float], path: Path) -> None:
    """Add the line of an epoch to the history, after those of the epochs before it."""
    before = path.read_text(encoding="utf-8").splitlines()[1 : 1 + epoch] if path.exists() else []
    names = sorted(figures)
    lines = [
        ",".join(["epoch", *names]),
        *before,
        ",".join([str(epoch), *(str(figures[name]) for name in names)]),
    ]
    with whole_file(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _estimate_statistics(net: keras.Model, batches: "TrainingBatches") -> None:
    """Measure the normalization statistics of averaged weights, which no step has seen.

    Source:
        Izmailov, Podoprikhin, Garipov, Vetrov and Wilson, "Averaging Weights Leads to Wider
        Optima and Better Generalization", UAI 2018, section 3.2.
    """
    layers = [x for x in net.layers if isinstance(x, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in layers]
    for number in range(min(_STATISTICS_BATCHES, len(batches))):
        for layer in layers:
            layer.momentum = number / (number + 1)  # makes the moving average a plain mean
        crops, _ = batches[number]
        net(crops, training=True)
    for layer, momentum in zip(layers, momenta, strict=True):
        layer.momentum = momentum


def to_input(images: Array) -> Array:
    """uint8 ``(n, 48, 48)`` to the net's float32 ``(n, 48, 48, 1)`` in [0, 1]."""
    return np.asarray(images[..., np.newaxis] / 255, np.float32)


def targets(faces: Faces, options: TrainOptions) -> Array:
    """Mix the FER+ vote shares with the FER2013 label, float32 ``(n, 7)``; rows sum to 1.

    Where nobody voted for one of the seven emotions, the label stands alone.
    """
    label: Array = np.eye(len(EMOTIONS), dtype=np.float32)[faces.labels]
    if faces.votes is None:
        return label
    votes = ferplus_distribution(faces.votes)
    share = options.ferplus_share * (votes.sum(axis=1, keepdims=True) > 0)
    return np.asarray(share * votes + (1 - share) * label, np.float32)


class TrainingBatches(keras.utils.PyDataset):
    """Shuffled, augmented batches that depend only on the seed, the epoch and the position."""

    def __init__(self, faces: Faces, target: Array, options: TrainOptions) -> None:
        super().__init__()
        self._images = faces.images
        self._targets = target
        self._options = options
        self.epoch = 0

    def __len__(self) -> int:
        return len(self._images) // self._options.batch_size

    def __getitem__(self, position: int) -> tuple[Array, Array]:
        seed, size = self._options.seed, self._options.batch_size
        order = np.random.default_rng((seed, self.epoch)).permutation(len(self._images))
        chosen = order[position * size : (position + 1) * size]
        rng = np.random.default_rng((seed, self.epoch, position + 1))
        return to_input(augment(self._images[chosen], rng)), self._targets[chosen]


class _EachEpoch(keras.callbacks.Callback):
    """Make all chance depend on the epoch alone, and keep what a resumed run needs to repeat it."""

    def __init__(self, batches: TrainingBatches, seed: int, progress: Path, report: Report) -> None:
        super().__init__()
        self._batches = batches
        self._seed = seed
        self._progress = progress
        self._report = report

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._batches.epoch = epoch
        for layer in self.model.layers:
            if isinstance(layer, keras.layers.Dropout):
                # its state is not among the saved weights
                layer.seed_generator.state.assign([self._seed, epoch << 16])

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        figures = logs or {}
        if not math.isfinite(figures["loss"]):
            raise TrainError(
                f"the loss is not a number in epoch {epoch + 1}: try a lower --learning-rate"
            )
        # the history first: a resumed run repeats the epoch and its line, or neither
        _save_figures(epoch, figures, self._progress / HISTORY_FILE)
        _save_state(self.model, self._progress)
        self._report(epoch, figures)


def trainable(faces: Faces) -> Faces:
    """The training split without copies of judged images and without what is no face."""
    training = faces.part(TRAIN)
    judged = faces.where(faces.split != TRAIN)
    keep = ~is_copy_of(training, judged)
    keep &= ~is_blank(training)
    if training.votes is not None:
        not_a_face = training.votes[:, FERPLUS_VOTES.index("NF")]
        keep &= not_a_face <= training.votes.sum(axis=1) / 2
    return training.where(keep)


def _optimizer(options: TrainOptions, steps_per_epoch: int) -> keras.optimizers.Optimizer:
    """AdamW on a cosine with warm-up.

    Source:
        Loshchilov and Hutter, "Decoupled Weight Decay Regularization", ICLR 2019, and "SGDR:
        Stochastic Gradient Descent with Warm Restarts", ICLR 2017.
    """
    steps = options.epochs * steps_per_epoch
    warmup_steps = int(options.warmup_share * steps)
    schedule = keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        warmup_target=options.learning_rate,
        warmup_steps=warmup_steps,
        decay_steps=steps - warmup_steps,
    )
    optimizer = keras.optimizers.AdamW(
        schedule,
        weight_decay=options.weight_decay,
        use_ema=True,
        ema_momentum=1 - 1 / max(1.0, options.ema_share * steps),
    )
    optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
    return optimizer
