"""What is kept of a training after each epoch, so that a killed run loses no more than one."""

import json
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from fer_video.backend import keras
from fer_video.errors import FerVideoError, MissingExtra, OutputError, cannot_write
from fer_video.files import whole_file
from fer_video.learn.command import flag_of

HISTORY_FILE = "history.csv"
"""The figures of every epoch, in the progress and then in the model folder."""

# a suffix that Keras insists on
_LATEST, _BEST, _UNFINISHED = (f"{name}.weights.h5" for name in ("latest", "best", "unfinished"))
_NOTE_FILE, _LOCK_FILE = "training.json", "lock"

_NAMES = {
    "data": "the name of --data", "data_sha256": "the content of --data",
    "ferplus": "the name of --ferplus", "ferplus_sha256": "the content of --ferplus",
    "start": "the weights of --from", "teachers": "the weights of a --teacher",
    "backend": "the Keras backend",
}  # fmt: skip
"""Of what decides a training beside its options, in words."""

Figures = dict[str, float]
"""Measures of one epoch by name."""


class Progress:
    """A folder with a training's weights, optimizer and figures.

    An epoch is written in an order that makes a run killed at any moment repeat it whole: its
    line in the history, then its state.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextmanager
    def claimed(self, decided_by: dict[str, Any]) -> Iterator[None]:
        """Hold the folder for this very training; what fails in it leaves no folder without state.

        The system lets go of it when the process ends, however it ends.

        Args:
            decided_by: Everything that decides the weights, as JSON can hold it.

        Raises:
            MissingExtra: The package that locks files is not installed.
            OutputError: The folder holds the progress of another training, another process
                trains there now, or it cannot be written.
        """
        with _hold(self.folder):
            self._claim(decided_by)
            try:
                yield
            except FerVideoError:
                if not self.has_state():
                    self.delete()
                raise

    def _claim(self, decided_by: dict[str, Any]) -> None:
        note = self.folder / _NOTE_FILE
        if note.exists() and self.has_state():
            other = _unlike(json.loads(note.read_text(encoding="utf-8")), decided_by)
            if other:
                raise OutputError(
                    self.folder, f"it holds the progress of a training that differs in {other}; "
                    "name another --out, or delete it"
                )  # fmt: skip
        with whole_file(note) as temporary:
            temporary.write_text(json.dumps(decided_by, indent=2), encoding="utf-8")

    def has_state(self) -> bool:
        """Tell whether an epoch was saved, so that there is something to lose."""
        return self._state(_LATEST).exists()

    def history(self) -> pd.DataFrame:
        """Read the figures so far, one row per epoch; without rows before the first."""
        path = self.folder / HISTORY_FILE
        return pd.read_csv(path) if path.exists() else pd.DataFrame({"epoch": [], "val_loss": []})

    def save(self, net: keras.Model, epoch: int, figures: Figures, *, as_best: bool) -> None:
        """Keep the state after an epoch; if asked, as the best so far, too.

        Args:
            net: With the optimizer that it was compiled with.
            epoch: Its number from 0; the history counts from 1, as people and messages do.
            figures: Its measures.
            as_best: Whether it is the best so far.

        Raises:
            OutputError: The folder cannot be written.
        """
        rows = self.history()
        row = pd.DataFrame([{"epoch": epoch + 1} | figures])
        # rows of this epoch and later ones are those of a run that was killed
        rows = pd.concat([rows[rows["epoch"] <= epoch], row]) if epoch else row
        with whole_file(self.folder / HISTORY_FILE) as temporary:
            rows.to_csv(temporary, index=False)
        unfinished = self._state(_UNFINISHED)
        try:
            unfinished.parent.mkdir(parents=True, exist_ok=True)
            net.save_weights(unfinished)
        except OSError as error:
            raise OutputError(unfinished, str(error)) from error
        if as_best:
            with whole_file(self._state(_BEST)) as temporary:
                shutil.copy(unfinished, temporary)
        with whole_file(self._state(_LATEST)) as temporary:
            unfinished.replace(temporary)

    def restore(self, net: keras.Model, *, best: bool = False) -> bool:
        """Load the latest or the best state into a compiled net; False where there is none.

        Raises:
            OutputError: It is damaged.
        """
        state = self._state(_BEST if best else _LATEST)
        if not state.exists():
            return False
        net.optimizer.build(net.trainable_variables)
        try:
            net.load_weights(state)
        except (OSError, KeyError, ValueError) as error:  # what h5py and Keras make of it
            raise OutputError(
                self.folder, "this progress is damaged; name another --out, or delete it"
            ) from error
        return True

    def delete(self) -> None:
        """Forget the training."""
        shutil.rmtree(self.folder)

    def _state(self, name: str) -> Path:
        return self.folder / "state" / name


def _unlike(one: dict[str, Any], other: dict[str, Any]) -> str:
    """Name what differs between two trainings; the data and its counts where no option does."""
    options, others = (decided_by.get("options", {}) for decided_by in (one, other))
    typed = [flag_of(field) for field in options | others if _differ(field, options, others)]
    named = [name for key, name in _NAMES.items() if _differ(key, one, other)]
    return ", ".join(typed or named) or ("" if one == other else "how the data is read")


def _differ(key: str, one: dict[str, Any], other: dict[str, Any]) -> bool:
    return bool(one.get(key) != other.get(key))


def _hold(folder: Path) -> AbstractContextManager[object]:
    """Lock a folder, which is made if need be."""
    try:
        from filelock import FileLock, Timeout
    except ModuleNotFoundError as error:
        raise MissingExtra("train", "training") from error
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / _LOCK_FILE).acquire(timeout=0)
    except Timeout as error:
        raise OutputError(folder, "another process trains here; name another --out") from error
    except OSError as error:
        raise cannot_write(folder, error) from error
