"""The file of a search: trials that several processes write, and that outlive them.

The only import of Optuna; others take it from here.
"""

import math
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fer_video.errors import MissingExtra, OutputError, reason_of

try:
    import optuna
    import plotly  # noqa: F401  # draws at the end of the first trial, too late to be missed
    from optuna.storages.journal import JournalFileOpenLock
    from sqlalchemy import URL
    from sqlalchemy.exc import SQLAlchemyError
except ImportError as error:
    raise MissingExtra("train", "a search for options") from error

__all__ = ["open_study", "optuna", "storage_errors"]

_NAME = "fer-video tune"
_DECIDED_BY = "decided by"
"""Of the study's attributes: what two trials must share for their scores to be comparable."""

_DATABASE_WAITS_S = 60
"""For another process to finish writing."""
_HEARTBEAT_S = 30
"""Between two signs of life of a running trial."""
_SILENCE_S = 120
"""After which a trial's process is taken for dead."""
_RETRIES = 1
"""Of a trial whose process died; what kills every process must not be tried for ever."""
_WARMUP_SHARE = 0.25
"""Of the epochs, in which no trial is pruned: a learning rate that still rises looks bad."""


def open_study(
    file: Path, decided_by: Mapping[str, Any], first: Mapping[str, Any], epochs: int
) -> optuna.Study:
    """Open the search in a file, or begin one.

    Args:
        file: SQLite; nothing else may lie beside a new one.
        decided_by: What makes scores comparable, as JSON can hold it, by names that users know.
        first: What a new search tries first.
        epochs: Of each trial.

    Raises:
        OutputError: The file holds another search, the folder other files, or nothing can be
            written there.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with storage_errors(file), _one_at_a_time(file):
        if not file.exists() and _other_files(file):
            raise OutputError(file, f"{file.parent} holds other files; name a new --out")
        try:
            study = _study(file, epochs)
        except RuntimeError as error:  # what Optuna says of tables that it does not know
            reason = "another version of Optuna made it: install that, or name a new --out"
            raise OutputError(file, reason) from error
        recorded = study.user_attrs.get(_DECIDED_BY)
        if recorded is None:
            study.set_user_attr(_DECIDED_BY, dict(decided_by))
            study.enqueue_trial(dict(first))
    if recorded is not None and recorded != decided_by:
        names = sorted(recorded.keys() | decided_by.keys())
        other = [name for name in names if recorded.get(name) != decided_by.get(name)]
        raise OutputError(file, f"it is a search with another {', '.join(other)}; name a new --out")
    return study


@contextmanager
def storage_errors(file: Path) -> Iterator[None]:
    """Turn what Optuna says of its storage into an error that names the file."""
    try:
        yield
    except (optuna.exceptions.StorageInternalError, SQLAlchemyError) as error:
        cause = error.__cause__ or error
        raise OutputError(file, str(getattr(cause, "orig", None) or cause)) from error


@contextmanager
def _one_at_a_time(file: Path) -> Iterator[None]:
    """Let no other process open the file meanwhile: two that make its tables fail."""
    lock = JournalFileOpenLock(str(file))
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except OSError as error:
        raise OutputError(file, reason_of(error)) from error
    try:
        yield
    finally:
        lock.release()


def _other_files(file: Path) -> bool:
    """Tell whether anything lies beside the file; not its lock, nor what a desktop hides."""
    return any(not path.name.startswith((".", file.name)) for path in file.parent.iterdir())


def _study(file: Path, epochs: int) -> optuna.Study:
    with warnings.catch_warnings():
        # heartbeats and retries, which may yet change
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        storage = optuna.storages.RDBStorage(
            # as an address, in which a path may hold any character
            URL.create("sqlite", database=str(file.absolute())).render_as_string(),
            engine_kwargs={"connect_args": {"timeout": _DATABASE_WAITS_S}},
            heartbeat_interval=_HEARTBEAT_S,
            grace_period=_SILENCE_S,
            heartbeat_stale_trial_callback=optuna.storages.RetryHeartbeatStaleTrialCallback(
                max_retry=_RETRIES
            ),
        )
        return optuna.create_study(
            storage=storage,
            study_name=_NAME,
            direction="maximize",
            load_if_exists=True,
            # no seed, so that processes differ; running trials count as bad, so that they spread
            sampler=optuna.samplers.TPESampler(multivariate=True, constant_liar=True),
            # not Hyperband: its brackets need hundreds of trials, and a search here has some tens
            pruner=optuna.pruners.MedianPruner(n_warmup_steps=math.ceil(_WARMUP_SHARE * epochs)),
        )
