"""Training, from data to an exported model folder; reads from top to bottom."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from fer_video.backend import keras
from fer_video.errors import OutputError, TrainError
from fer_video.labels import emotions_of_count
from fer_video.learn.dataset import SPLITS, Faces, read_faces
from fer_video.learn.export import export, provenance
from fer_video.learn.fit import Report, fit, require_usable, settled
from fer_video.learn.pictures import plot_curves
from fer_video.learn.progress import HISTORY_FILE, Progress
from fer_video.learn.report import remarks_on
from fer_video.learn.sources import require_unseen
from fer_video.options import TrainOptions
from fer_video.weights import SPEC_FILE, ModelSpec, find

CURVES_FILE = "curves.png"


def train(
    data: Path,
    ferplus: Path | None,
    out: Path,
    options: TrainOptions,
    report: Report,
    tensorboard: Path | None = None,
    *,
    force: bool = False,
    remark: Callable[[str], None] | None = None,
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
        tensorboard: Folder for TensorBoard's event files, or None.
        force: Whether a model at ``out`` may be replaced, at the end; by one whose loss was at
            last not a number it never is.
        remark: Told what must be known of the data, before the first epoch.

    Raises:
        DataError: The data cannot be used.
        MissingExtra: ``tensorboard`` is asked for, and is not installed.
        ModelError: The net is unknown, or the model to go on from or a teacher is missing,
            damaged, or does not fit.
        OptionError: A model to go on from or to learn from has seen what would now be held out.
        OutputError: ``out`` exists, cannot be written, or holds the progress of another training.
        TrainError: Memory is exhausted, and the same call goes on after the last whole epoch; or
            the loss is not a number, and then the weights of the epoch before, if there is one,
            are in ``out``, or beside it if a model is there.
    """
    _check_out(out, force)
    beside = out.with_name(f"{out.name}-diverged")
    if force:
        _check_out(beside, force)
    options = settled(options)
    require_usable(options, tensorboard)
    decided_by = provenance(data, ferplus, options)
    faces = read_faces(data, ferplus, options.val_share, emotions_of_count(options.n_emotions))
    if remark is not None:
        for one in remarks_on(faces):
            remark(one)
    for name in filter(None, (options.start_from, *options.teachers)):
        for split in faces.held_out:
            require_unseen(find(name), faces, decided_by["data_sha256"], options.val_share, split)
    decided_by |= {
        "data_problems": len(faces.problems),
        "data_left_out": len(faces.left_out),
        "data_held_out": list(faces.held_out),
        "images": {split: int((faces.split == split).sum()) for split in SPLITS},
    }
    progress = Progress(out.with_name(f".{out.name}.progress"))
    with progress.claimed(decided_by):
        trained = fit(faces, options, progress, report, tensorboard)
        outcome = {"epochs_kept": trained.epochs, "ended": trained.ended}
        # what is there may have learned well
        place = beside if trained.diverged and out.exists() else out
        spec = _write(trained.net, faces, place, progress, decided_by | outcome, force)
    if trained.diverged:
        raise TrainError(
            f"{trained.ended}: the weights after epoch {trained.epochs} are in {place}; "
            "try a lower --learning-rate"
        )
    return spec


def _write(
    net: keras.Model,
    faces: Faces,
    out: Path,
    progress: Progress,
    training: dict[str, Any],
    force: bool,
) -> ModelSpec:
    """Put a whole model folder in its place, and forget the progress."""
    model = progress.folder / "model"
    try:
        spec = export(net, faces, out.name, model, training)
        shutil.copy(progress.folder / HISTORY_FILE, model)
        plot_curves(progress.history(), model / CURVES_FILE)
        _check_out(out, force)  # hours have passed
        if out.exists():
            out.rename(progress.folder / "replaced")
        model.rename(out)
    except OSError as error:
        raise OutputError(out, str(error)) from error
    progress.delete()
    return replace(spec, folder=out)


def _check_out(out: Path, force: bool) -> None:
    if out.name in ("", ".."):
        raise OutputError(out, "a model is called by its folder's name: give the folder one")
    if not out.exists():
        return
    if not (out / SPEC_FILE).is_file():
        raise OutputError(out, "it exists and is no model folder; name another --out")
    if not force:
        raise OutputError(out, "it exists; name a new model folder, or replace it with --force")
