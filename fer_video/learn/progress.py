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

HISTORY_FILE = "history.csv"
"""The figures of every epoch, in the progress and then in the model folder."""

_LATEST, _BEST = "latest.weights.h5", "best.weights.h5"  # a suffix that Keras insists on
_NOTE_FILE, _LOCK_FILE = "training.json", "lock"

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
        saved = note.exists() and self.has_state()
        if saved and json.loads(note.read_text(encoding="utf-8")) != decided_by:
            raise OutputError(
                self.folder, "it holds the progress of a training with other options, data or "
                "Keras backend; name another --out, or delete it"
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

        Raises:
            OutputError: The folder cannot be written.
        """
        rows = self.history()
        row = pd.DataFrame([{"epoch": epoch} | figures])
        # rows of this epoch and later ones are those of a run that was killed
        rows = pd.concat([rows[rows["epoch"] < epoch], row]) if epoch else row
        with whole_file(self.folder / HISTORY_FILE) as temporary:
            rows.to_csv(temporary, index=False)
        state = self._state(_LATEST)
        unfinished = state.with_name("unfinished.weights.h5")
        try:
            state.parent.mkdir(parents=True, exist_ok=True)
            net.save_weights(unfinished)
            if as_best:
                shutil.copy(unfinished, self._state(_BEST))
            unfinished.replace(state)
        except OSError as error:
            raise OutputError(state, str(error)) from error

    def restore(self, net: keras.Model, *, best: bool = False) -> bool:
        """Load the latest or the best state into a compiled net; False where there is none."""
        state = self._state(_BEST if best else _LATEST)
        if not state.exists():
            return False
        net.optimizer.build(net.trainable_variables)
        net.load_weights(state)
        return True

    def delete(self) -> None:
        """Forget the training."""
        shutil.rmtree(self.folder)

    def _state(self, name: str) -> Path:
        return self.folder / "state" / name


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
