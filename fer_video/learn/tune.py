"""The search for a training's options, by Optuna; several processes may share it."""

import math
import shlex
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from fer_video.backend import keras
from fer_video.errors import DataError, OptionError, TrainError
from fer_video.events import BestTrial, TrialEnded
from fer_video.labels import emotions_of_count
from fer_video.learn.batches import require_batch, targets, to_input, trainable
from fer_video.learn.command import flag_of, record_of, words_of
from fer_video.learn.dataset import (
    TEST,
    TRAIN,
    VALIDATION,
    Faces,
    ferplus_majority,
    read_faces,
)
from fer_video.learn.findings import OUTCOMES, REASON, write_command, write_findings
from fer_video.learn.fit import Report, Trained, fit, require_usable, settled
from fer_video.learn.progress import Figures, Progress
from fer_video.learn.sources import sources
from fer_video.learn.space import (
    Space,
    options_decided_by,
    options_of,
    params_of_defaults,
    space,
    suggest,
)
from fer_video.learn.study import open_study, optuna, storage_errors
from fer_video.learn.validate import validation_figures
from fer_video.options import Score, TrainOptions, TuneOptions
from fer_video.quiet import quiet_retracing

SEARCH_FILE = "search.sqlite3"


def tune(
    data: Path, ferplus: Path | None, out: Path, options: TuneOptions, report: Report
) -> Iterator[TrialEnded]:
    """Search for the options of a training that raise the accuracy on the validation split.

    A call goes on with the search that is in ``out``, and calls of several processes share it.
    The test split is never looked at, except to keep copies of its images out of training. After
    each trial ``out`` holds all trials as a table, their plots, and the command of the best.

    Args:
        data: ``fer2013.csv``, a folder of images or a zip; see ``dataset.read_faces``.
        ferplus: ``fer2013new.csv``, or None.
        out: Folder of the search.
        options: What to search, and for how long.
        report: Told of each epoch of each trial.

    Yields:
        Each trial of this call, when it is over.

    Raises:
        DataError: The data cannot be used.
        MissingExtra: Plotly is not installed.
        ModelError: No net has this name.
        OptionError: There are no votes to score by.
        OutputError: ``out`` holds another search or other files, or cannot be written.
        TrainError: All trials failed.
    """
    fixed = settled(options.fixed)
    require_usable(fixed)
    files = sources(data, ferplus)
    faces = read_faces(data, ferplus, fixed.val_share, emotions_of_count(fixed.n_emotions))
    faces.require(TRAIN, VALIDATION, TEST)
    require_batch(trainable(faces), fixed.batch_size)
    score = _score(faces, options.score)
    within = space(with_votes=faces.votes is not None)
    decided_by = _decided_by(files, score, fixed, within)
    file = out / SEARCH_FILE
    study = open_study(file, decided_by, params_of_defaults(within), fixed.epochs)
    words = ["--data", str(data), *(["--ferplus", str(ferplus)] if ferplus else [])]
    words += ["--out", f"models/{out.absolute().name}"]
    ended = None
    for trial in _trials(study, _objective(faces, fixed, score, within, report), options, file):
        ended = _ended(trial, _best(study, options.fixed, words))
        write_findings(out, study, fixed, f"Search for options of {fixed.net}, score: {score}")
        if ended.best:
            write_command(out, ended.best.command)
        yield ended
    if ended and not ended.best:
        raise TrainError(f"no trial came to its end; the last one: {ended.reason}")


def _decided_by(
    files: dict[str, str | None], score: Score, fixed: TrainOptions, within: Space
) -> dict[str, Any]:
    """Describe everything that makes the scores of two trials comparable."""
    same = {
        flag_of(name): value
        for name, value in record_of(fixed).items()
        if name not in options_decided_by(within)
    }
    return same | {
        "--data": files["data_sha256"],
        "--ferplus": files["ferplus_sha256"],
        "--score": score,
        "space of options": {
            name: optuna.distributions.distribution_to_json(limits)
            for name, limits in within.items()
        },
    }


def _score(faces: Faces, wanted: Score | None) -> Score:
    """Decide which truth counts, and make sure that validation can be judged by it."""
    if faces.votes is None and wanted == "ferplus":
        raise OptionError("--score must be label without --ferplus, got ferplus")
    score: Score = wanted or ("label" if faces.votes is None else "ferplus")
    votes = faces.part(VALIDATION).votes
    if (
        score == "ferplus"
        and votes is not None
        and (ferplus_majority(votes, faces.emotions) < 0).all()
    ):
        reason = "no face of its validation split has a majority of votes: take --score label"
        raise DataError(faces.source, reason)
    return score


def _objective(
    faces: Faces,
    fixed: TrainOptions,
    score: Score,
    within: Space,
    report: Report,
) -> Callable[[optuna.Trial], float]:
    """Make the function that trains a net with options of Optuna's choice and scores it."""
    figure = f"val_{score}_accuracy"

    def objective(trial: optuna.Trial) -> float:
        def prune(epoch: int, figures: Figures) -> None:
            report(epoch, figures)
            trial.report(figures[figure], epoch)
            if epoch + 1 < fixed.epochs and trial.should_prune():
                raise optuna.TrialPruned

        options = options_of(suggest(trial, within), fixed)
        try:
            with TemporaryDirectory(prefix="fer-video-") as folder:
                trained = fit(faces, options, Progress(Path(folder)), prune)
            if trained.diverged:
                raise TrainError(trained.ended)
            return _figures(trained, faces.part(VALIDATION), options)[figure]
        except TrainError as error:
            trial.set_user_attr(REASON, str(error))
            raise
        except KeyboardInterrupt:
            trial.set_user_attr(REASON, "interrupted; it waits to be run again")
            trial.study.enqueue_trial(trial.params)
            raise
        finally:
            keras.utils.clear_session()  # else the graphs of all trials stay in memory

    return objective


def _figures(trained: Trained, validation: Faces, options: TrainOptions) -> Figures:
    """Measure the net that a training would export: with averaged weights, unlike its epochs."""
    crops = to_input(validation.images)
    probabilities = trained.net.predict(crops, batch_size=256, verbose=0)
    return validation_figures(probabilities, targets(validation, options.ferplus_share), validation)


def _trials(
    study: optuna.Study,
    objective: Callable[[optuna.Trial], float],
    options: TuneOptions,
    file: Path,
) -> Iterator[optuna.trial.FrozenTrial]:
    """Run trials until one of the limits is reached, at least one."""
    ends_s = time.monotonic() + (math.inf if options.timeout_s is None else options.timeout_s)
    ended: list[optuna.trial.FrozenTrial] = []

    def take(_: optuna.Study, trial: optuna.trial.FrozenTrial) -> None:
        ended.append(trial)

    for _ in range(options.trials):
        with storage_errors(file), quiet_retracing():
            study.optimize(objective, n_trials=1, catch=(TrainError,), callbacks=[take])
        yield ended[-1]
        if time.monotonic() >= ends_s:
            return


def _ended(trial: optuna.trial.FrozenTrial, best: BestTrial | None) -> TrialEnded:
    return TrialEnded(
        number=trial.number,
        outcome=OUTCOMES[trial.state.name],
        epochs=len(trial.intermediate_values),
        score=trial.value,
        reason=trial.user_attrs.get(REASON, ""),
        best=best,
    )


def _best(study: optuna.Study, fixed: TrainOptions, files: list[str]) -> BestTrial | None:
    """Find the best trial that came to its end, of all processes and calls."""
    complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if not complete:
        return None
    trial = max(complete, key=lambda trial: (trial.value, -trial.number))
    words = ["fer-video", "train", *files, *words_of(options_of(trial.params, fixed))]
    return BestTrial(trial.number, float(trial.value or 0), shlex.join(words))
