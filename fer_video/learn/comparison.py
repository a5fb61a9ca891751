"""Reports on models, side by side: a row for each, to read or to compute with."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fer_video.files import whole_file
from fer_video.learn.charts import plot_report
from fer_video.learn.evaluate import Report

Row = dict[str, Any]


def as_rows(reports: Sequence[Report]) -> list[Row]:
    """Choose what models are compared by: a row per model, and one more if it was mirrored.

    A mirrored model costs twice as much. Accuracies are those of the tests ``ferplus`` (where
    there are votes) and ``label``; the other measures are of the main test, and so is the interval
    from ``accuracy_low`` to ``accuracy_high``.
    """
    return [
        _row(report, tests, name, passes)
        for report in reports
        for tests, name, passes in (
            (report["tests"], report["model"], 1),
            (report.get("mirrored"), f"{report['model']}, mirrored", 2),
        )
        if tests
    ]


def as_cells(reports: Sequence[Report]) -> list[list[str]]:
    """Write the rows as text under a line of headings."""
    cells = [_cells(row) for row in as_rows(reports)]
    return [list(cells[0]), *(list(row.values()) for row in cells)]


def as_markdown(reports: Sequence[Report]) -> str:
    """Write the rows as a Markdown table."""
    header, *rows = (f"| {' | '.join(row)} |" for row in as_cells(reports))
    return "\n".join([header, "|---" * header.count(" | ") + "|---|", *rows]) + "\n"


def write_reports(reports: Sequence[Report], path: Path) -> None:
    """Write the reports whole (``.json``), or their comparison as ``.md`` or ``.csv``.

    Raises:
        OutputError: It cannot be written.
    """
    with whole_file(path) as temporary:
        temporary.write_text(_WRITERS[path.suffix.lower()](reports), encoding="utf-8")


def plot_reports(reports: Sequence[Report], folder: Path) -> None:
    """Draw the main test of each model, in a folder of its name.

    Raises:
        OutputError: It cannot be written.
    """
    for report in reports:
        main = report["tests"][report["main_test"]]
        plot_report(main, report["emotions"], folder / report["model"])


def _as_csv(reports: Sequence[Report]) -> str:
    return pd.DataFrame(as_rows(reports)).to_csv(index=False)


def _as_json(reports: Sequence[Report]) -> str:
    return json.dumps(reports, indent=2) + "\n"


_WRITERS = {".json": _as_json, ".md": as_markdown, ".csv": _as_csv}


def _row(report: Report, tests: Mapping[str, Any], name: str, passes: int) -> Row:
    main = tests[report["main_test"]]
    low, high = main["accuracy_interval"]
    row = {
        "model": name,
        "net": report["net"],
        "split": report["split"],
        "images": main["n"],
        **{f"{test}_accuracy": tests[test]["accuracy"]
           for test in ("ferplus", "label") if test in tests},
        "accuracy_low": low,
        "accuracy_high": high,
        "macro_f1": main["macro_f1"],
        "calibration_error_untempered": main["calibration_error_untempered"],
        "calibration_error": main["calibration_error"],
        "ms_per_crop": passes * report["seconds_per_crop"] * 1000,
        "parameters": report["parameters"],
        "multiply_adds": passes * report["multiply_adds"],
    }  # fmt: skip
    if "without_face" in report:
        row["without_face"] = report["without_face"]
        row["accuracy_of_all"] = main["accuracy_of_all"]
    return row


_COLUMNS = {
    "model": ("model", "{}"),
    "ferplus_accuracy": ("FER+ accuracy", "{:.3f}"),
    "label_accuracy": ("label accuracy", "{:.3f}"),
    "macro_f1": ("macro-F1", "{:.3f}"),
    "calibration_error_untempered": ("cal. before", "{:.3f}"),
    "calibration_error": ("cal. after", "{:.3f}"),
    "without_face": ("without a face", "{:,}"),
    "accuracy_of_all": ("accuracy of all", "{:.3f}"),
    "ms_per_crop": ("ms per crop", "{:.2f}"),
    "parameters": ("parameters", "{:,}"),
    "multiply_adds": ("multiply-adds", "{:,}"),
}
"""Heading and format of what is shown of a row, in order; calibration before and after the
temperature."""


def _cells(row: Row) -> dict[str, str]:
    cells = {key: form.format(row[key]) for key, (_, form) in _COLUMNS.items() if key in row}
    main = "ferplus_accuracy" if "ferplus_accuracy" in row else "label_accuracy"
    cells[main] += f" ({row['accuracy_low']:.3f} to {row['accuracy_high']:.3f})"
    return {_COLUMNS[key][0]: text for key, text in cells.items()}
