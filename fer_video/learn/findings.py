"""What a search leaves beside its own file: a table of trials, Optuna's plots, the best command."""

import html
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from fer_video.events import Outcome
from fer_video.files import whole_file
from fer_video.learn.space import options_decided_by, options_of, space
from fer_video.learn.study import optuna
from fer_video.options import TrainOptions

TRIALS_FILE = "trials.csv"
PLOTS_FILE = "plots.html"
COMMAND_FILE = "best-command.txt"

REASON = "reason"
"""Of a trial's attributes: why it failed."""

OUTCOMES: Mapping[str, Outcome] = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
"""By the name of Optuna's state; trials in other states have not ended."""

_HEIGHT_PX = 560
"""Of a plot on the page."""

_MOST_IMPORTANT = 3
"""Options of which each pair is plotted; of all there would be over a hundred pairs."""


def write_findings(folder: Path, study: optuna.Study, fixed: TrainOptions, title: str) -> None:
    """Write the trials so far and their plots, each whole or not at all.

    Args:
        folder: Of the search.
        study: With at least one trial that has ended.
        fixed: What is the same in each trial.
        title: Of the plots' page.

    Raises:
        OutputError: The folder cannot be written.
    """
    with whole_file(folder / TRIALS_FILE) as temporary:
        trials_table(study, fixed).to_csv(temporary, index=False)
    with whole_file(folder / PLOTS_FILE) as temporary:
        temporary.write_text(_page(study, title), encoding="utf-8")


def write_command(folder: Path, command: str) -> None:
    """Write the command that repeats the best trial.

    Raises:
        OutputError: The folder cannot be written.
    """
    with whole_file(folder / COMMAND_FILE) as temporary:
        temporary.write_text(f"{command}\n", encoding="utf-8")


def trials_table(study: optuna.Study, fixed: TrainOptions) -> pd.DataFrame:
    """One row per trial that has ended: how it went, and its options as ``train`` takes them."""
    ended = [t for t in study.get_trials(deepcopy=False) if t.state.name in OUTCOMES]
    return pd.DataFrame([_row(trial, fixed) for trial in ended])


def _row(trial: optuna.trial.FrozenTrial, fixed: TrainOptions) -> dict[str, Any]:
    row = {
        "trial": trial.number,
        "outcome": OUTCOMES[trial.state.name],
        "score": trial.value,
        "epochs": len(trial.intermediate_values),
        "started": trial.datetime_start,
        "duration_s": None if trial.duration is None else trial.duration.total_seconds(),
        "reason": trial.user_attrs.get(REASON, ""),
    }
    if not set(space(with_votes=False)) <= set(trial.params):  # interrupted while choosing
        return row
    options = options_of(trial.params, fixed)
    return row | {name: getattr(options, name) for name in options_decided_by(trial.params)}


def _page(study: optuna.Study, title: str) -> str:
    """Put all plots on one page that loads nothing: the drawing code is in it, once."""
    from plotly.offline import get_plotlyjs

    parts = [
        f"<h2>{html.escape(heading)}</h2>\n<p>{html.escape(text)}</p>\n"
        f'<div class="plot">{_drawing(figure)}</div>'
        for heading, text, figure in _figures(study)
    ]
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{html.escape(title)}</title>\n"
        "<style>body { font-family: sans-serif; margin: 2em } .plot { overflow-x: auto }</style>\n"
        f"<script>{get_plotlyjs()}</script>\n</head>\n<body>\n<h1>{html.escape(title)}</h1>\n"
        + "\n".join(parts)
        + "\n</body>\n</html>\n"
    )


def _drawing(figure: Any) -> str:
    return str(
        figure.to_html(full_html=False, include_plotlyjs=False, default_height=f"{_HEIGHT_PX}px")
    )


def _figures(study: optuna.Study) -> Iterator[tuple[str, str, Any]]:
    """Draw what the trials at hand allow: heading, explanation, figure."""
    visualization = optuna.visualization
    named: dict[str, Any] = {"target_name": "accuracy on the validation split"}
    yield (
        "Timeline",
        "When each trial ran; trials of several processes lie side by side.",
        visualization.plot_timeline(study),
    )
    yield (
        "Learning",
        "Accuracy after each epoch, of the weights as they were then. A line that ends early was "
        "pruned.",
        visualization.plot_intermediate_values(study),
    )
    complete = study.get_trials(deepcopy=False, states=(optuna.trial.TrialState.COMPLETE,))
    if not complete:
        return
    plots: list[tuple[str, str, Callable[..., Any]]] = [
        ("History", "The score of each trial, and the best so far.",
         visualization.plot_optimization_history),
        ("Distribution", "Share of the trials that score at most so much.", visualization.plot_edf),
        ("Options side by side", "One line per trial; drag along an axis to choose some.",
         visualization.plot_parallel_coordinate),
        ("Options one by one", "The score over each option.", visualization.plot_slice),
    ]  # fmt: skip
    for heading, text, plot in plots:
        yield heading, text, plot(study, **named)
    if len({trial.value for trial in complete}) == 1:
        return  # nothing made a difference
    yield (
        "Importance",
        "How much of the difference between good trials and all others each option explains. "
        "Below some tens of trials this says little.",
        visualization.plot_param_importances(study, **named),
    )
    most_important = list(optuna.importance.get_param_importances(study))[:_MOST_IMPORTANT]
    yield (
        "Pairs of options",
        "The score over the most important options, two by two.",
        visualization.plot_contour(study, params=most_important, **named),
    )
