"""A timeline on disk: its columns, and how Parquet and CSV files hold them."""

import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from fer_video.errors import DataError
from fer_video.files import is_csv, json_beside, sha256_of, whole_file
from fer_video.labels import EMOTION_SETS
from fer_video.types import LANDMARKS

_PROVENANCE_KEY = b"fer_video"
_EMOTIONS_KEY = b"fer_video_emotions"
"""Emotions of the model, in its order: a Parquet file has columns for the others, too."""
_CSV_SHA256 = "csv_sha256"
"""In the file beside a CSV: of the table that it belongs to, since a CSV has no checksums."""
_CSV_TEXT = pa.csv.ParseOptions(newlines_in_values=True)
"""A name may have several lines."""

BOX_COLUMNS = ("left", "top", "right", "bottom")
LANDMARK_COLUMNS = tuple(f"{point}_{axis}" for point in LANDMARKS for axis in "xy")

Provenance = dict[str, Any]
"""How a timeline was made; see docs/timeline.md."""

Row = dict[str, Any]
"""A row of a timeline by its columns; what is not known may be left out."""


def schema(emotions: Sequence[str]) -> pa.Schema:
    """Columns and types of a timeline whose model knows these emotions."""
    text = pa.dictionary(pa.int32(), pa.string())
    found = [*BOX_COLUMNS, "face_score"]
    measured = ["sharpness", "brightness", *LANDMARK_COLUMNS]
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


def emotions_among(columns: Iterable[str]) -> tuple[str, ...]:
    """Give the emotions that a table with these columns has probabilities for, in order."""
    return tuple(name.removeprefix("p_") for name in columns if name.startswith("p_"))


class Sink:
    """A table on disk that grows by row groups."""

    schema: pa.Schema

    def __init__(self, path: Path, emotions: Sequence[str]) -> None:
        self._file = _opened(path, "wb")
        self._writer = self._begin(self._file, emotions)

    def _begin(self, file: Any, emotions: Sequence[str]) -> Any:
        raise NotImplementedError

    def write(self, rows: list[Row]) -> None:
        """Add a row group."""
        self._writer.write_table(pa.Table.from_pylist(rows, self.schema))

    def close(self, provenance: Provenance) -> None:
        """End the file; a Parquet file takes the provenance in."""
        self.abandon()

    def abandon(self) -> None:
        """Close the file after an error; a second close does nothing."""
        with closing(self._file):
            self._writer.close()


def open_sink(path: Path, emotions: Sequence[str]) -> Sink:
    """Open a file for the rows of a model with these emotions, in the format of its suffix."""
    return (_CsvSink if is_csv(path) else _ParquetSink)(path, emotions)


class _ParquetSink(Sink):
    def _begin(self, file: Any, emotions: Sequence[str]) -> Any:
        known = {_EMOTIONS_KEY: json.dumps(list(emotions))}
        self.schema = _data_set_schema(emotions).with_metadata(known)
        # without checksums, two of three flipped bits are read as other numbers
        return pa.parquet.ParquetWriter(
            file, self.schema, compression="zstd", write_page_checksum=True
        )

    def close(self, provenance: Provenance) -> None:
        self._writer.add_key_value_metadata({_PROVENANCE_KEY: json.dumps(provenance)})
        super().close(provenance)


def _data_set_schema(emotions: Sequence[str]) -> pa.Schema:
    """Columns that are the same whichever of our models was used: many files are one table."""
    every = EMOTION_SETS[8]
    return schema([*every, *(emotion for emotion in emotions if emotion not in every)])


class _CsvSink(Sink):
    def _begin(self, file: Any, emotions: Sequence[str]) -> Any:
        # text instead of dictionary columns, which a CSV cannot hold
        plain = [
            pa.field(field.name, pa.string()) if pa.types.is_dictionary(field.type) else field
            for field in schema(emotions)
        ]
        self.schema = pa.schema(plain)
        return pa.csv.CSVWriter(file, self.schema)


def write_part(path: Path, rows: list[Row], emotions: Sequence[str]) -> None:
    """Write rows of a timeline that is not finished, in a file that only ``read_part`` knows."""
    table = pa.Table.from_pylist(rows, schema(emotions))
    how = pa.ipc.IpcWriteOptions(compression="zstd", use_threads=False)
    with (
        _opened(path, "wb") as file,
        pa.ipc.new_stream(file, table.schema, options=how) as writer,
    ):
        writer.write_table(table)


def read_part(path: Path) -> list[Row]:
    """Read what ``write_part`` wrote; whether it is still that, the caller knows."""
    with _opened(path) as file, pa.ipc.open_stream(file) as reader:
        rows: list[Row] = reader.read_all().to_pylist()
    return rows


def write_beside(path: Path, table: Path, provenance: Provenance) -> None:
    """Write the provenance of a CSV beside it.

    Args:
        path: The CSV, as it will be called.
        table: Where it lies now, complete.
        provenance: Of the timeline.
    """
    content = provenance | {_CSV_SHA256: sha256_of(table)}
    with whole_file(json_beside(path)) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turn what a file does to its reader into one error.

    Raises:
        DataError: The file is missing, damaged or no timeline.
    """
    if not path.is_file():
        raise DataError(path, "no such file")
    try:
        yield
    except (
        pa.ArrowException,
        OSError,
        ValueError,
        LookupError,
        TypeError,
        RecursionError,
    ) as error:
        raise DataError(path, "it is damaged or not a timeline written by fer-video") from error


def read_rows(path: Path) -> pa.Table:
    """Read the rows, with the columns of the emotions that the model knows."""
    if is_csv(path):
        return _read_csv(path)
    with _open_parquet(path) as file:
        emotions = _metadata(file).get(_EMOTIONS_KEY)
        return file.read(None if emotions is None else schema(json.loads(emotions)).names)


def read_provenance(path: Path) -> Provenance:
    """Read how a timeline was made, and no row of it; nothing is known of a CSV that lies alone."""
    if not is_csv(path):
        with _open_parquet(path) as file:
            return _as_object(json.loads(_metadata(file)[_PROVENANCE_KEY]))
    content = _read_beside(path) if json_beside(path).is_file() else {}
    content.pop(_CSV_SHA256, None)
    return content


def read_names(path: Path) -> Iterator[Any]:
    """Read all rows and check their checksums; give the ``recording`` column of each part."""
    if is_csv(path):
        if _read_beside(path)[_CSV_SHA256] != sha256_of(path):
            raise ValueError("the file beside the table describes another one")
        # a type that is guessed from the first rows may not fit the others
        convert = pa.csv.ConvertOptions(
            column_types={"recording": pa.string()}, include_columns=["recording"]
        )
        with (
            _opened(path) as file,
            pa.csv.open_csv(file, parse_options=_CSV_TEXT, convert_options=convert) as batches,
        ):
            yield from (batch["recording"] for batch in batches)
        return
    with _open_parquet(path) as file:
        promised = _data_set_schema(json.loads(_metadata(file)[_EMOTIONS_KEY]))
        if not file.schema_arrow.equals(promised):
            raise ValueError("it has other columns")
        for index in range(file.num_row_groups):
            yield file.read_row_group(index)["recording"]


def _opened(path: Path, mode: Literal["rb", "wb"] = "rb") -> Any:
    # by its bytes: Arrow takes a name for UTF-8, which it need not be
    return pa.OSFile(os.fsencode(path), mode)


@contextmanager
def _open_parquet(path: Path) -> Iterator[Any]:
    with (
        _opened(path) as source,
        pa.parquet.ParquetFile(source, page_checksum_verification=True) as file,
    ):
        yield file


def _metadata(file: Any) -> dict[bytes, bytes]:
    return file.metadata.metadata or {}


def _read_beside(path: Path) -> Provenance:
    return _as_object(json.loads(json_beside(path).read_text(encoding="utf-8")))


def _as_object(content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise ValueError("a provenance is a JSON object")
    return content


def _read_csv(path: Path) -> pa.Table:
    with path.open(encoding="utf-8") as file:
        header = pd.read_csv(file, nrows=0)
    types = {field.name: field.type for field in schema(emotions_among(header.columns))}
    convert = pa.csv.ConvertOptions(
        column_types=types,
        include_columns=list(types),
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,  # a recording may be called NA
    )
    with _opened(path) as table:
        return pa.csv.read_csv(table, parse_options=_CSV_TEXT, convert_options=convert)
