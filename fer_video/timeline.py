"""The timeline: one tidy table per recording, streamed to disk, whole or absent."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from fer_video.errors import DataError
from fer_video.files import check_suffix, sha256_of, whole_file
from fer_video.types import LANDMARKS, Moment, Observation

_ROWS_PER_GROUP = 8192
"""About 1 MB: little is held in memory, and groups are large enough to compress well."""
_PROVENANCE_KEY = b"fer_video"

_BOX = ("left", "top", "right", "bottom")
_LANDMARK_COLUMNS = tuple(f"{point}_{axis}" for point in LANDMARKS for axis in "xy")

Provenance = dict[str, Any]
"""How a timeline was made; see docs/timeline.md."""


def schema(emotions: Sequence[str]) -> pa.Schema:
    """Columns and types of a timeline whose model knows these emotions."""
    text = pa.dictionary(pa.int32(), pa.string())
    found = [*_BOX, "face_score"]
    measured = ["sharpness", "brightness", *_LANDMARK_COLUMNS]
    kinds: dict[str, pa.DataType] = {
        "recording": text,
        "frame": pa.int64(),
        "pts": pa.int64(),
        "time_s": pa.float64(),
        "track": pa.int32(),
        **dict.fromkeys(found, pa.float32()),
        "interpolated": pa.bool_(),
        **dict.fromkeys(measured, pa.float32()),
        **{f"p_{emotion}": pa.float32() for emotion in emotions},
        "emotion": text,
        "confidence": pa.float32(),
    }
    return pa.schema(list(kinds.items()))


def emotions_of(table: pd.DataFrame) -> tuple[str, ...]:
    """The emotions that a timeline has probabilities for, in the model's order."""
    return tuple(name.removeprefix("p_") for name in table.columns if name.startswith("p_"))


class TimelineWriter:
    """Collects moments and writes them in row groups; see ``open_timeline``."""

    def __init__(self, sink: "_Sink", recording: str, emotions: Sequence[str]) -> None:
        self._sink = sink
        self._recording = recording
        self._emotions = tuple(emotions)
        self._rows: list[dict[str, Any]] = []
        self.provenance: Provenance = {}
        """To be filled before the writer is closed."""

    def write(self, moment: Moment) -> None:
        """Add the rows of one moment: one per face, or one without a face."""
        self._rows.extend(_rows(moment, self._recording, self._emotions))
        if len(self._rows) >= _ROWS_PER_GROUP:
            self._flush()

    def close(self) -> None:
        """Write what is left, and the provenance."""
        self._flush()
        self._sink.close(self.provenance)

    def _flush(self) -> None:
        if self._rows:
            self._sink.write(pa.Table.from_pylist(self._rows, self._sink.schema))
            self._rows.clear()


@contextmanager
def open_timeline(path: Path, recording: str, emotions: Sequence[str]) -> Iterator[TimelineWriter]:
    """Open a timeline for writing; it appears under ``path`` when the block ends well.

    Args:
        path: Ends in ``.parquet`` or ``.csv``.
        recording: What the ``recording`` column says.
        emotions: Labels of the model, in its order.

    Raises:
        OutputError: The suffix is unknown, or the file cannot be written.
    """
    check_suffix(path, "timeline")
    with whole_file(path) as temporary:
        sink = (_CsvSink if _is_csv(path) else _ParquetSink)(temporary, schema(emotions))
        try:
            writer = TimelineWriter(sink, recording, emotions)
            yield writer
            writer.close()
        finally:
            sink.abandon()
        if _is_csv(path):
            _write_json(_json_beside(path), writer.provenance)


def to_frame(moments: Iterable[Moment], recording: str, emotions: Sequence[str]) -> pd.DataFrame:
    """Put moments into the table that ``read_timeline`` gives."""
    rows = [row for moment in moments for row in _rows(moment, recording, tuple(emotions))]
    return _to_pandas(pa.Table.from_pylist(rows, schema(emotions)))


def read_timeline(path: Path | str) -> pd.DataFrame:
    """Read a timeline as a pandas table; ``table.attrs["provenance"]`` says how it was made.

    Raises:
        DataError: The file is missing or is no timeline.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(path, "no such file")
    try:
        table, provenance = _read_csv(path) if _is_csv(path) else _read_parquet(path)
    except (pa.ArrowInvalid, OSError, ValueError, KeyError) as error:
        raise DataError(path, "it is not a timeline written by fer-video") from error
    frame = _to_pandas(table)
    frame.attrs["provenance"] = provenance
    return frame


def check_source(table: pd.DataFrame, timeline: Path, recording: Path) -> None:
    """Make sure that a timeline was made from a recording, as far as it says from what.

    Raises:
        DataError: It was made from another file.
    """
    source = table.attrs["provenance"].get("source")
    if source and source["sha256"] != sha256_of(recording):
        raise DataError(timeline, f"it is not of {recording}, but of a file {source['name']}")


def smooth(table: pd.DataFrame, seconds: float) -> pd.DataFrame:
    """Average the probabilities of each track over a centred window; a view, never stored.

    Args:
        table: A timeline.
        seconds: Width of the window; 0 returns the table as it is. A window never reaches over
            a gap that is longer than itself, since it has no samples there.

    Returns:
        A copy with smoothed ``p_*`` columns, and ``emotion`` and ``confidence`` to match.
    """
    if seconds <= 0:
        return table
    columns = [f"p_{emotion}" for emotion in emotions_of(table)]
    smoothed = table.copy()
    smoothed.attrs = table.attrs
    for _, rows in table.dropna(subset=["track"]).groupby("track", sort=False):
        time_s = rows["time_s"].to_numpy()
        first = np.searchsorted(time_s, time_s - seconds / 2, side="left")
        stop = np.searchsorted(time_s, time_s + seconds / 2, side="right")
        sums = np.vstack([np.zeros(len(columns)), rows[columns].to_numpy(float).cumsum(axis=0)])
        mean = (sums[stop] - sums[first]) / (stop - first)[:, np.newaxis]
        smoothed.loc[rows.index, columns] = mean.astype(np.float32)
        smoothed.loc[rows.index, "confidence"] = mean.max(axis=1).astype(np.float32)
        top = np.array(emotions_of(table), dtype=object)[mean.argmax(axis=1)]
        smoothed.loc[rows.index, "emotion"] = top
    return smoothed


def _rows(moment: Moment, recording: str, emotions: tuple[str, ...]) -> list[dict[str, Any]]:
    shared = {
        "recording": recording,
        "frame": moment.index,
        "pts": moment.pts,
        "time_s": moment.time_s,
    }
    if not moment.observations:
        return [shared]
    return [shared | _face_columns(seen, emotions) for seen in moment.observations]


def _face_columns(seen: Observation, emotions: tuple[str, ...]) -> dict[str, Any]:
    top = int(seen.probabilities.argmax())
    return {
        "track": seen.face.track_id,
        **dict(zip(_BOX, seen.face.box, strict=True)),
        "face_score": seen.face.score,
        "interpolated": seen.face.interpolated,
        "sharpness": seen.sharpness,
        "brightness": seen.brightness,
        **dict(zip(_LANDMARK_COLUMNS, seen.face.landmarks.ravel().tolist(), strict=True)),
        **{f"p_{name}": float(p) for name, p in zip(emotions, seen.probabilities, strict=True)},
        "emotion": emotions[top],
        "confidence": float(seen.probabilities[top]),
    }


class _Sink:
    """A table on disk that grows by row groups."""

    def __init__(self, path: Path, columns: pa.Schema) -> None:
        self.schema = columns
        self._writer = self._open(path)

    def _open(self, path: Path) -> Any:
        raise NotImplementedError

    def write(self, rows: pa.Table) -> None:
        self._writer.write_table(rows)

    def close(self, provenance: Provenance) -> None:
        self._writer.close()

    def abandon(self) -> None:
        """Close the file after an error; a second close does nothing."""
        self._writer.close()


class _ParquetSink(_Sink):
    def _open(self, path: Path) -> Any:
        return pa.parquet.ParquetWriter(path, self.schema, compression="zstd")

    def close(self, provenance: Provenance) -> None:
        self._writer.add_key_value_metadata({_PROVENANCE_KEY: json.dumps(provenance)})
        super().close(provenance)


class _CsvSink(_Sink):
    def _open(self, path: Path) -> Any:
        # text instead of dictionary columns, which a CSV cannot hold
        plain = [
            pa.field(field.name, pa.string()) if pa.types.is_dictionary(field.type) else field
            for field in self.schema
        ]
        self.schema = pa.schema(plain)
        return pa.csv.CSVWriter(path, self.schema)


def _is_csv(path: Path) -> bool:
    return path.suffix.lower() == ".csv"


def _json_beside(path: Path) -> Path:
    return path.with_name(f"{path.name}.json")


def _write_json(path: Path, provenance: Provenance) -> None:
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(provenance, indent=2) + "\n", encoding="utf-8")


def _read_parquet(path: Path) -> tuple[pa.Table, Provenance]:
    with pa.parquet.ParquetFile(path) as file:
        return file.read(), json.loads(file.metadata.metadata[_PROVENANCE_KEY])


def _read_csv(path: Path) -> tuple[pa.Table, Provenance]:
    with path.open(encoding="utf-8") as file:
        header = pd.read_csv(file, nrows=0)
    types = {field.name: field.type for field in schema(emotions_of(header))}
    convert = pa.csv.ConvertOptions(
        column_types=types, include_columns=list(types), strings_can_be_null=True
    )
    beside = _json_beside(path)
    provenance = json.loads(beside.read_text(encoding="utf-8")) if beside.is_file() else {}
    return pa.csv.read_csv(path, convert_options=convert), provenance


def _to_pandas(table: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = table.to_pandas()
    return frame.astype(
        {"recording": "str", "track": "Int32", "interpolated": "boolean", "emotion": "str"}
    )
