"""Models, networks and measures as aligned text."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fer_video.errors import ModelError
from fer_video.weights import ModelSpec

if TYPE_CHECKING:  # it brings Keras, which most commands do without
    from fer_video.nets import NetSummary

_MEASURES = {
    "n": ("images", "{:,}"),
    "accuracy": ("accuracy", "{:.3f}"),
    "accuracy_interval": ("  95 % interval", "{0[0]:.3f} to {0[1]:.3f}"),
    "accuracy_of_all": ("  no face counted as wrong", "{:.3f}"),
    "macro_f1": ("macro-F1", "{:.3f}"),
    "macro_auc": ("macro AUC, one-vs-rest", "{:.3f}"),
    "top2_accuracy": ("top-2 accuracy", "{:.3f}"),
    "negative_log_likelihood": ("negative log-likelihood", "{:.3f}"),
    "brier_score": ("Brier score, of 0 to 2", "{:.3f}"),
    "calibration_error": ("calibration error", "{:.3f}"),
    "calibration_error_untempered": ("  before the temperature", "{:.3f}"),
    "divergence_from_votes": ("KL from the votes, nats", "{:.3f}"),
}
"""Title and format of each measure of ``learn.measures`` that is shown, in order."""

_MEASURES_BY_EMOTION = ("sensitivity", "specificity", "precision", "f1", "auc")


def metrics_table(metrics: Mapping[str, Any]) -> str:
    """Write the measures of ``learn.evaluate``, a column per test, as aligned text."""
    tests = {name: found for name, found in metrics.items() if isinstance(found, Mapping)}
    measured = [
        (title, form, [found.get(measure) for found in tests.values()])
        for measure, (title, form) in _MEASURES.items()
    ]
    rows = [
        [title, *("" if value is None else form.format(value) for value in values)]
        for title, form, values in measured
        if any(value is not None for value in values)
    ]
    return aligned([["", *tests], *rows])


def emotions_table(per_emotion: Mapping[str, Mapping[str, Any]]) -> str:
    """Write the measures of one test by emotion as aligned text; - where there is none."""
    rows = [
        [emotion, f"{found['n']:,}"]
        + ["-" if found[key] is None else f"{found[key]:.3f}" for key in _MEASURES_BY_EMOTION]
        for emotion, found in per_emotion.items()
    ]
    return aligned([["", "images", "sensitivity", "specificity", "precision", "F1", "AUC"], *rows])


def report_text(report: Mapping[str, Any]) -> str:
    """Write the report of ``learn.evaluate`` on one model as aligned text."""
    tests, main = report["tests"], report["main_test"]
    parts = [
        f"{report['model']}: {report['net']}, {report['parameters']:,} parameters, "
        f"{report['multiply_adds'] / 1e6:.1f} M multiply-adds and "
        f"{report['seconds_per_crop'] * 1000:.2f} ms per crop",
        metrics_table(tests),
        f"{main} by emotion (sensitivity is recall):\n{emotions_table(tests[main]['per_emotion'])}",
    ]
    if "mirrored" in report:
        mirrored = metrics_table(report["mirrored"])
        parts.append(f"averaged over each crop and its mirror image:\n{mirrored}")
    if "without_face" in report:
        n = report["without_face"] + tests["label"]["n"]
        parts.append(f"no face was found in {report['without_face']:,} of {n:,} photographs")
    return "\n\n".join(parts)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Write rows of cells in columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            [row[0].ljust(widths[0])]
            + [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        ).rstrip()
        for row in rows
    )


def models_table(models: Iterable[ModelSpec | ModelError]) -> str:
    """Describe models, each with its test results or the reason why it cannot be used."""
    return (
        "\n\n".join(map(_model, models))
        or "no models: set FER_VIDEO_MODELS to a folder of them, or install fer-video anew"
    )


def _model(model: ModelSpec | ModelError) -> str:
    if isinstance(model, ModelError):
        return str(model)
    return (
        f"{model.name}: {model.net}, {model.parameters:,} parameters, "
        f"{model.multiply_adds / 1e6:.1f} M multiply-adds per crop\n"
        f"SHA-256 {model.sha256}\n{metrics_table(model.metrics)}"
    )


def nets_table(nets: "Iterable[NetSummary]") -> str:
    """Describe architectures as aligned text."""
    return "\n".join(
        [
            f"{'net':<18}{'parameters':>12}{'multiply-adds':>15}",
            *(
                f"{net.name:<18}{net.parameters:>12,}{net.multiply_adds / 1e6:>13.1f} M"
                f"  {net.purpose}"
                for net in nets
            ),
        ]
    )
