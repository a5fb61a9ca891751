"""Reports on models, side by side: a row for each, to read or to compute with."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from fer_video.files import whole_file
from fer_video.learn.charts import plot_report
from fer_video.learn.evaluate import Judgement, Report
from fer_video.learn.measures import paired_interval

Row = dict[str, Any]


def reports_of(judgements: Sequence[Judgement]) -> list[Report]:
    """Give the report on each model; of each but the first, ``compared`` with the first.

    Returns:
        Reports. ``compared`` has the name of the first model (``with``), the ``difference`` of the
        accuracies on the main test and its 95 % ``interval``, and how many images only this model
        (``n_gained``) or only the first (``n_lost``) got right.
    """
    first, *others = judgements
    return [first.report, *(one.report | {"compared": _compared(first, one)} for one in others)]


def _compared(first: Judgement, other: Judgement) -> dict[str, Any]:
    n_gained = int((other.right & ~first.right).sum())
    n_lost = int((first.right & ~other.right).sum())
    n = len(first.right)
    return {
        "with": first.report["model"],
        "difference": (n_gained - n_lost) / n,
        "interval": paired_interval(n_gained, n_lost, n),
        "n_gained": n_gained,
        "n_lost": n_lost,
    }


def as_rows(reports: Sequence[Report]) -> list[Row]:
    """Choose what models are compared by: a row per model, and one more if it was mirrored.

    A mirrored model costs twice as much. Accuracies are those of the tests ``ferplus`` (where
    there are votes) and ``label``; the other measures are of the main test, and so is the interval
    from ``accuracy_low`` to ``accuracy_high``. The ``difference`` to the first model is missing in
    its own row, and where answers are mirrored.
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
    headings = [heading for heading, _ in _COLUMNS.values() if any(heading in row for row in cells)]
    return [headings, *([row.get(heading, "") for heading in headings] for row in cells)]


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
    row: Row = {
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
    if passes == 1 and "compared" in report:
        compared = report["compared"]
        row["compared_with"] = compared["with"]
        row["difference"] = compared["difference"]
        row["difference_low"], row["difference_high"] = compared["interval"]
    if "without_face" in report:
        row["without_face"] = report["without_face"]
        row["accuracy_of_all"] = main["accuracy_of_all"]
    return row


_COLUMNS = {
    "model": ("model", "{}"),
    "ferplus_accuracy": ("FER+ accuracy", "{:.3f}"),
    "label_accuracy": ("label accuracy", "{:.3f}"),
    "difference": ("difference to the first", "{:+.3f}"),
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
    if "difference" in row:
        cells["difference"] += f" ({row['difference_low']:+.3f} to {row['difference_high']:+.3f})"
    return {_COLUMNS[key][0]: text for key, text in cells.items()}
