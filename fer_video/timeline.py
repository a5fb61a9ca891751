"""The timeline: one tidy table per recording, streamed to disk, whole or absent."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute

from fer_video import storage
from fer_video.errors import DataError
from fer_video.files import check_suffix, is_csv, whole_file
from fer_video.storage import BOX_COLUMNS, LANDMARK_COLUMNS, Row, Sink
from fer_video.storage import Provenance as Provenance
from fer_video.types import Moment, Observation

_ROWS_PER_GROUP = 8192
"""About 1 MB: little is held in memory, and groups are large enough to compress well."""


def emotions_of(table: pd.DataFrame) -> tuple[str, ...]:
    """The emotions that a timeline has probabilities for, in the model's order."""
    return storage.emotions_among(table.columns)


class TimelineWriter:
    """Collects moments and writes them in row groups; see ``open_timeline``."""

    def __init__(self, sink: Sink, recording: str, emotions: Sequence[str]) -> None:
        self._sink = sink
        self._recording = recording
        self._emotions = tuple(emotions)
        self._rows: list[Row] = []
        self.provenance: Provenance = {}
        """To be filled before the writer is closed."""

    def write(self, moment: Moment) -> list[Row]:
        """Add the rows of one moment, and return them: one per face, or one without a face."""
        rows = _rows(moment, self._recording, self._emotions)
        self.write_rows(rows)
        return rows

    def write_rows(self, rows: list[Row]) -> None:
        """Add the rows of one moment, as ``write`` returned them in an earlier run."""
        self._rows += rows
        if len(self._rows) >= _ROWS_PER_GROUP:
            self._flush()

    def close(self) -> None:
        """Write what is left, and the provenance."""
        self._flush()
        self._sink.close(self.provenance)

    def _flush(self) -> None:
        if self._rows:
            self._sink.write(self._rows)
            self._rows.clear()


@contextmanager
def open_timeline(
    path: Path, recording: str, emotions: Sequence[str], scratch: Path | None = None
) -> Iterator[TimelineWriter]:
    """Open a timeline for writing; it appears under ``path`` when the block ends well.

    Args:
        path: Ends in ``.parquet`` or ``.csv``.
        recording: What the ``recording`` column says.
        emotions: Labels of the model, in its order.
        scratch: Folder for the unfinished file; see ``files.whole_file``.

    Raises:
        OutputError: The suffix is unknown, or the file cannot be written.
    """
    check_suffix(path, "timeline")
    with whole_file(path, scratch) as temporary:
        sink = storage.open_sink(temporary, emotions)
        try:
            writer = TimelineWriter(sink, recording, emotions)
            yield writer
            writer.close()
        finally:
            sink.abandon()
        if is_csv(path):
            storage.write_beside(path, temporary, writer.provenance)


def to_frame(moments: Iterable[Moment], recording: str, emotions: Sequence[str]) -> pd.DataFrame:
    """Put moments into the table that ``read_timeline`` gives."""
    rows = [row for moment in moments for row in _rows(moment, recording, tuple(emotions))]
    return _to_pandas(pa.Table.from_pylist(rows, storage.schema(emotions)))


def read_timeline(path: Path | str) -> pd.DataFrame:
    """Read a timeline as a pandas table; ``table.attrs["provenance"]`` says how it was made.

    Raises:
        DataError: The file is missing or is no timeline.
    """
    path = Path(path)
    with storage.reading(path):
        frame = _to_pandas(storage.read_rows(path))
        frame.attrs["provenance"] = storage.read_provenance(path)
    return frame


def read_provenance(path: Path) -> Provenance:
    """Read how a timeline was made, and no row of it.

    Raises:
        DataError: The file is missing, damaged or no timeline.
    """
    with storage.reading(path):
        return storage.read_provenance(path)


def check_whole(path: Path, recording: str) -> None:
    """Read a timeline through, part by part: no bit of a row differs from what was written.

    Args:
        path: The timeline.
        recording: What its ``recording`` column must say.

    Raises:
        DataError: The file is missing or damaged, or tells of another recording.
    """
    with storage.reading(path):
        for names in storage.read_names(path):
            if pa.compute.unique(names).to_pylist() != [recording]:
                raise DataError(path, f"it is not of {recording}")


def smooth(table: pd.DataFrame, seconds: float) -> pd.DataFrame:
    """Average the probabilities of each track over a centred window; a view, never stored.

    Args:
        table: A timeline, or several as one table.
        seconds: Width of the window; 0 returns the table as it is. A window never reaches over
            a gap that is longer than itself, since it has no samples there.

    Returns:
        A copy with smoothed ``p_*`` columns, and ``emotion`` and ``confidence`` to match.
    """
    if seconds <= 0:
        return table
    emotions = emotions_of(table)
    columns = [f"p_{emotion}" for emotion in emotions]
    smoothed = table.reset_index(drop=True)  # whose labels may be those of several tables
    seen = smoothed.dropna(subset=["track"])
    for _, rows in seen.groupby(["recording", "track"], sort=False):
        time_s = rows["time_s"].to_numpy()
        first = np.searchsorted(time_s, time_s - seconds / 2, side="left")
        stop = np.searchsorted(time_s, time_s + seconds / 2, side="right")
        sums = np.vstack([np.zeros(len(columns)), rows[columns].to_numpy(float).cumsum(axis=0)])
        mean = (sums[stop] - sums[first]) / (stop - first)[:, np.newaxis]
        smoothed.loc[rows.index, columns] = mean.astype(np.float32)
        smoothed.loc[rows.index, "confidence"] = mean.max(axis=1).astype(np.float32)
        top = np.array(emotions, dtype=object)[mean.argmax(axis=1)]
        smoothed.loc[rows.index, "emotion"] = top
    smoothed.index, smoothed.attrs = table.index, table.attrs
    return smoothed


def _rows(moment: Moment, recording: str, emotions: tuple[str, ...]) -> list[Row]:
    shared = {
        "recording": recording,
        "frame": moment.index,
        "pts": moment.pts,
        "time_s": moment.time_s,
    }
    if not moment.observations:
        return [shared]
    return [shared | _face_columns(seen, emotions) for seen in moment.observations]


def _face_columns(seen: Observation, emotions: tuple[str, ...]) -> Row:
    top = int(seen.probabilities.argmax())
    return {
        "track": seen.face.track_id,
        **dict(zip(BOX_COLUMNS, seen.face.box, strict=True)),
        "face_score": seen.face.score,
        "interpolated": seen.face.interpolated,
        "sharpness": seen.sharpness,
        "brightness": seen.brightness,
        **dict(zip(LANDMARK_COLUMNS, seen.face.landmarks.ravel().tolist(), strict=True)),
        **{f"p_{name}": float(p) for name, p in zip(emotions, seen.probabilities, strict=True)},
        "emotion": emotions[top],
        "confidence": float(seen.probabilities[top]),
    }


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas()
    return frame.astype(
        {"recording": "str", "track": "Int32", "interpolated": "boolean", "emotion": "str"}
    )
