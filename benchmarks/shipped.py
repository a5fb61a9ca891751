"""How good the shipped models are, from their reports into the pages that say so.

python benchmarks/shipped.py

``models/*/report.json`` is written by ``fer-video train``; tests hold the pages to it.
"""

import json
from collections.abc import Callable
from pathlib import Path

from machine import Figures, table
from page import ACCURACY, replace_table

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
MODELS = ("default", "accurate")

_IN_SHORT = {
    "ferplus": "what most voters saw (FER+ majority, {n:,} images)",
    "label": "FER2013's own label ({n:,} images)",
}
_TESTS = {
    "ferplus": "FER+ majority, seven emotions",
    "ferplus_without_copies": "the same, without copies of training images",
    "label": "FER2013 label",
    "label_without_copies": "the same, without copies of training images",
}


def main() -> None:
    """Write all tables."""
    for (page, name), write in TABLES.items():
        replace_table(page, name, write())


def in_short() -> str:
    """Accuracy, macro-F1 and calibration of both models on both truths."""
    head = ["against"]
    for model in MODELS:
        head += [f"`{model}`", "macro-F1", "calibration error"]
    rows = []
    for test, words in _IN_SHORT.items():
        row = [words.format(n=_tests(MODELS[0])[test]["n"])]
        for model in MODELS:
            found = _tests(model)[test]
            row += [_percent(found["accuracy"]), *_figures(found, "macro_f1", "calibration_error")]
        rows.append(row)
    return table(head, rows)


def with_intervals() -> str:
    """The same with intervals, and without test images that stand in the training data."""
    head = ["PrivateTest against", "images"]
    for number, model in enumerate(MODELS):
        accuracy = f"`{model}`" if number else f"`{model}` (95 % interval)"
        head += [accuracy, "macro-F1", "calibration error, 15 bins"]
    rows = []
    for test, words in _TESTS.items():
        row = [words, f"{_tests(MODELS[0])[test]['n']:,}"]
        for model in MODELS:
            found = _tests(model)[test]
            low, high = (f"{100 * end:.1f}" for end in found["accuracy_interval"])
            row.append(f"{_percent(found['accuracy'])} ({low} to {high})")
            row += _figures(found, "macro_f1", "calibration_error")
        rows.append(row)
    return table(head, rows)


def other_measures() -> str:
    """What else was measured in the same evaluation."""
    head = ["PrivateTest against", "AUC, macro", "top-2", "log-likelihood, negative",
            "Brier score", "calibration error before and after the temperature",
            "divergence from the votes"]  # fmt: skip
    rows = []
    for test, words in (("ferplus", "FER+ majority"), ("label", "FER2013 label")):
        for model in MODELS:
            found = _tests(model)[test]
            before, after = _figures(found, "calibration_error_untempered", "calibration_error")
            (auc,) = _figures(found, "macro_auc")
            rows.append([
                f"{words}, `{model}`", auc, _percent(found["top2_accuracy"]),
                *_figures(found, "negative_log_likelihood", "brier_score"),
                f"{before}, {after}", *_figures(found, "divergence_from_votes"),
            ])  # fmt: skip
    return table(head, rows)


TABLES: dict[tuple[Path, str], Callable[[], str]] = {
    (README, "shipped.py"): in_short,
    (ACCURACY, "shipped.py, accuracy"): with_intervals,
    (ACCURACY, "shipped.py, other measures"): other_measures,
}
"""By page and name of the table."""


def _tests(model: str) -> Figures:
    tests: Figures = json.loads((ROOT / "models" / model / "report.json").read_text("utf-8"))[
        "tests"
    ]
    return tests


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _figures(found: Figures, *names: str) -> list[str]:
    return [f"{found[name]:.3f}" for name in names]


if __name__ == "__main__":
    main()
