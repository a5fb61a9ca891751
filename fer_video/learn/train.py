"""Training, from data to an exported model folder; reads from top to bottom."""

import shutil
from dataclasses import replace
from pathlib import Path

from fer_video.errors import FerVideoError, OutputError, TrainError
from fer_video.labels import emotions_of_count
from fer_video.learn.dataset import read_faces
from fer_video.learn.export import export, provenance
from fer_video.learn.fit import Report, fit, require_usable, settled
from fer_video.learn.pictures import plot_curves
from fer_video.learn.progress import HISTORY_FILE, Progress
from fer_video.options import TrainOptions
from fer_video.weights import SPEC_FILE, ModelSpec

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
        force: Whether a model at ``out`` may be replaced, at the end.

    Raises:
        DataError: The data cannot be used.
        MissingExtra: ``tensorboard`` is asked for, and is not installed.
        ModelError: The net is unknown, or the model to go on from or a teacher is missing,
            damaged, or does not fit.
        OutputError: ``out`` exists, cannot be written, or holds the progress of another training.
        TrainError: Memory is exhausted, and the same call goes on after the last whole epoch; or
            the loss is not a number, and then the weights of the epoch before, if there is one,
            are in ``out``.
    """
    _check_out(out, force)
    options = settled(options)
    require_usable(options, tensorboard)
    faces = read_faces(data, ferplus, options.val_share, emotions_of_count(options.n_emotions))
    progress = Progress(out.with_name(f".{out.name}.progress"))
    decided_by = provenance(data, ferplus, options) | {"data_problems": len(faces.problems)}
    progress.claim(decided_by)
    try:
        trained = fit(faces, options, progress, report, tensorboard)
    except FerVideoError:
        if not progress.has_state():
            progress.delete()
        raise
    model = progress.folder / "model"
    outcome = {"epochs_kept": trained.epochs, "ended": trained.ended}
    try:
        spec = export(trained.net, faces, out.name, model, decided_by | outcome)
        shutil.copy(progress.folder / HISTORY_FILE, model)
        plot_curves(progress.history(), model / CURVES_FILE)
        if out.exists():
            out.rename(progress.folder / "replaced")
        model.rename(out)
    except OSError as error:
        raise OutputError(out, str(error)) from error
    progress.delete()
    if trained.diverged:
        raise TrainError(
            f"{trained.ended}: the weights after epoch {trained.epochs} are in {out}; "
            "try a lower --learning-rate"
        )
    return replace(spec, folder=out)


def _check_out(out: Path, force: bool) -> None:
    if out.name in ("", ".."):
        raise OutputError(out, "a model is called by its folder's name: give the folder one")
    if not out.exists():
        return
    if not force:
        raise OutputError(out, "it exists; name a new model folder, or replace it with --force")
    if not (out / SPEC_FILE).is_file():
        raise OutputError(out, "it exists and is no model folder; name another --out")
