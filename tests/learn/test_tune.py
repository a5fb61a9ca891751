import re
import shlex
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
from typer.testing import CliRunner

from fer_video import nets
from fer_video.backend import keras
from fer_video.cli import app
from fer_video.errors import DataError, ModelError, OptionError, OutputError, TrainError
from fer_video.events import TrialEnded
from fer_video.learn import study as study_module
from fer_video.learn.batches import targets, to_input
from fer_video.learn.dataset import VALIDATION, read_faces
from fer_video.learn.fit import fit
from fer_video.learn.progress import Progress
from fer_video.learn.space import options_decided_by, options_of, params_of_defaults, space
from fer_video.learn.tune import SEARCH_FILE, tune
from fer_video.learn.validate import validation_figures
from fer_video.options import TrainOptions, TuneOptions
from tests.learn.faces import csv_rows, some_faces, votes, votes_rows, write_csv
from tests.learn.test_command import parsed
from tests.learn.training import Killed, faces, ignore, killed_after

OPTIONS = TuneOptions(net="tiny", epochs=2, batch_size=16, precision="float32", trials=1)
FILES = ["best-command.txt", "plots.html", "search.sqlite3", "trials.csv"]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_csv(tmp_path / "fer2013.csv", csv_rows(faces()))


@pytest.fixture(scope="module")
def searched(tmp_path_factory) -> tuple[Path, list[TrialEnded]]:
    """A search of two trials, gone on with for two more."""
    folder = tmp_path_factory.mktemp("searched")
    drawn = some_faces(train=60, validation=140, test=14)  # enough to tell two nets apart
    data = write_csv(folder / "fer2013.csv", csv_rows(drawn))
    out = folder / "a {odd}? name%20"
    two = replace(OPTIONS, trials=2)
    first = list(tune(data, None, out, two, ignore))
    assert names(out) == FILES
    return out, first + list(tune(data, None, out, two, ignore))


def test_a_batch_larger_than_the_data_is_refused_before_there_is_a_search(data, tmp_path) -> None:
    out = tmp_path / "search"
    with pytest.raises(DataError, match=r"a batch of 61 is more .* lower --batch-size"):
        next(tune(data, None, out, replace(OPTIONS, batch_size=61), ignore))
    assert len(list(tune(data, None, out, replace(OPTIONS, epochs=1), ignore))) == 1


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def study_in(out: Path) -> optuna.Study:
    return optuna.load_study(study_name=None, storage=f"sqlite:///{out / SEARCH_FILE}")


def test_the_defaults_are_tried_first_and_lie_within_the_space() -> None:
    within = space(with_votes=True)
    defaults = params_of_defaults(within)
    assert options_of(defaults, TrainOptions()) == TrainOptions()
    assert all(limits._contains(limits.to_internal_repr(defaults[name]))
               for name, limits in within.items())  # fmt: skip


def test_everything_searched_is_an_option_of_a_training() -> None:
    options = options_decided_by(space(with_votes=True))
    assert set(options) <= set(TrainOptions.__dataclass_fields__)
    assert len(set(options)) == 12
    assert "ferplus_share" not in space(with_votes=False)


def test_a_search_goes_on_where_it_was(searched) -> None:
    out, trials = searched
    assert [trial.number for trial in trials] == [0, 1, 2, 3]
    rows = pd.read_csv(out / "trials.csv")
    assert rows["trial"].tolist() == [0, 1, 2, 3]
    assert rows["score"].tolist() == pytest.approx([trial.score for trial in trials])
    assert rows["outcome"].tolist() == [trial.outcome for trial in trials]
    first = rows.iloc[0]
    assert all(first[name] == getattr(TrainOptions(), name) for name in ("optimizer", "ema_share"))
    assert len(rows.drop_duplicates(options_decided_by(space(with_votes=False)))) == 4


def test_the_best_trial_is_a_ready_command(searched) -> None:
    out, trials = searched
    command = (out / "best-command.txt").read_text()
    best = trials[-1].best
    assert command == f"{best.command}\n"
    assert best.score == max(trial.score for trial in trials if trial.outcome == "complete")
    program, subcommand, *words = shlex.split(command)
    assert (program, subcommand) == ("fer-video", "train")
    assert words[:4] == ["--data", str(out.parent / "fer2013.csv"), "--out", f"models/{out.name}"]
    assert not re.search(r"\.\d{7}", command)  # short enough to read
    row = pd.read_csv(out / "trials.csv").set_index("trial").loc[best.number]
    options = parsed(words[4:])
    assert (options.net, options.epochs, options.batch_size) == ("tiny", 2, 16)
    for name in options_decided_by(space(with_votes=False)):
        assert row[name] == getattr(options, name)


def test_the_score_is_that_of_the_net_which_the_command_trains(searched, tmp_path) -> None:
    out, trials = searched
    best = trials[-1].best
    options = parsed(shlex.split(best.command)[6:])
    read = read_faces(out.parent / "fer2013.csv")
    net = fit(read, options, Progress(tmp_path), ignore).net
    judged = read.part(VALIDATION)
    found = net.predict_on_batch(to_input(judged.images))
    figures = validation_figures(found, targets(judged, 0), judged)
    assert figures["val_label_accuracy"] == pytest.approx(best.score)


def test_the_plots_are_one_page_that_loads_nothing(searched) -> None:
    page = (searched[0] / "plots.html").read_text(encoding="utf-8")
    assert page.count("Plotly.newPlot(") >= 6
    assert "<h2>Timeline</h2>" in page
    assert "<h2>Options one by one</h2>" in page
    assert not re.search(r"<(script|img|iframe)[^>]* src=|<link|@import", page[:2000])
    assert not re.search(r"<script[^>]* src=", page)


def test_the_test_split_changes_no_score(data, tmp_path) -> None:
    (one,) = tune(data, None, tmp_path / "one", OPTIONS, ignore)
    other = faces()
    other.labels[-14:] = np.roll(other.labels[-14:], 1)
    write_csv(data, csv_rows(other))
    (two,) = tune(data, None, tmp_path / "two", OPTIONS, ignore)
    assert one.score == two.score


def test_the_votes_count_where_there_are_votes(data, tmp_path) -> None:
    seen = [votes(happiness=6, neutral=4)] * len(faces())
    ferplus = write_csv(tmp_path / "fer2013new.csv", votes_rows(faces(), seen))
    told: list[float] = []
    (trial,) = tune(
        data, ferplus, tmp_path / "s", OPTIONS,
        lambda _, figures: told.append(figures["val_ferplus_accuracy"]),
    )  # fmt: skip
    assert list(study_in(tmp_path / "s").trials[0].intermediate_values.values()) == told
    assert "ferplus_share" in pd.read_csv(tmp_path / "s" / "trials.csv")
    assert f"--ferplus {ferplus}" in trial.best.command
    with pytest.raises(OutputError, match="it is a search with another --score; name a new --out"):
        next(tune(data, ferplus, tmp_path / "s", replace(OPTIONS, score="label"), ignore))


def test_votes_that_are_not_there_cannot_count(data, tmp_path) -> None:
    with pytest.raises(OptionError, match="--score must be label without --ferplus"):
        next(tune(data, None, tmp_path / "s", replace(OPTIONS, score="ferplus"), ignore))
    torn = [votes(happiness=5, neutral=5)] * len(faces())
    ferplus = write_csv(tmp_path / "fer2013new.csv", votes_rows(faces(), torn))
    with pytest.raises(DataError, match="has a majority of votes: take --score label"):
        next(tune(data, ferplus, tmp_path / "s", OPTIONS, ignore))
    assert not (tmp_path / "s").exists()


def test_a_trial_that_is_worse_than_most_is_pruned(data, tmp_path) -> None:
    options = replace(OPTIONS, epochs=4)
    list(tune(data, None, tmp_path / "s", options, ignore))
    study = study_in(tmp_path / "s")
    done = study.trials[0]
    for _ in range(6):  # better than any can be
        study.add_trial(
            optuna.create_trial(
                params=done.params, distributions=done.distributions, value=2.0,
                intermediate_values=dict.fromkeys(range(4), 2.0),
            )
        )  # fmt: skip
    (trial,) = tune(data, None, tmp_path / "s", options, ignore)
    assert (trial.outcome, trial.epochs) == ("pruned", 2)
    assert trial.best.number == 1
    assert pd.read_csv(tmp_path / "s" / "trials.csv")["outcome"].tolist()[-1] == "pruned"


@pytest.fixture
def bomb(monkeypatch) -> Iterator[str]:
    """A net whose loss is no number from the third step on, which is in the first epoch."""

    class Bomb(keras.layers.Layer):
        def build(self, _):
            self.steps = self.add_weight(name="n", shape=(), initializer="zeros", trainable=False)

        def call(self, x, training=False):
            if not training:
                return x
            self.steps.assign_add(1.0)
            return keras.ops.where(self.steps > limit, np.nan, x)

    def bomb(n_emotions: int, channels: int) -> keras.Model:
        tiny = nets.NETS["tiny"](n_emotions, channels)
        return keras.Model(tiny.input, Bomb()(tiny.output), name="bomb")

    limit = 4
    monkeypatch.setitem(nets.NETS, "bomb", bomb)
    return "bomb"


def test_a_trial_that_diverges_fails_and_the_search_goes_on(data, tmp_path, bomb) -> None:
    trials = []
    with pytest.raises(TrainError, match="no trial came to its end; the last one: the loss was"):
        trials += tune(data, None, tmp_path / "s", replace(OPTIONS, net=bomb, trials=2), ignore)
    rows = pd.read_csv(tmp_path / "s" / "trials.csv")
    assert rows["outcome"].tolist() == ["failed", "failed"]
    assert rows["reason"].tolist() == ["the loss was not a number in epoch 2"] * 2
    assert names(tmp_path / "s") == FILES[1:]


def test_an_interrupted_trial_is_run_again_and_those_before_are_kept(data, tmp_path) -> None:
    out, ended = tmp_path / "s", []

    def interrupt(epoch: int, _: dict[str, float]) -> None:
        if len(ended) == 1 and epoch == 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ended.extend(tune(data, None, out, replace(OPTIONS, trials=3), interrupt))
    assert names(out) == FILES
    assert ended[0].outcome == "complete"
    (again,) = tune(data, None, out, OPTIONS, ignore)
    rows = pd.read_csv(out / "trials.csv")
    assert rows["outcome"].tolist() == ["complete", "failed", "complete"]
    assert rows["reason"][1] == "interrupted; it waits to be run again"
    chosen = options_decided_by(space(with_votes=False))
    assert rows.loc[1, chosen].equals(rows.loc[2, chosen])
    assert again.number == 2


def test_a_trial_whose_process_died_is_run_again(data, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(study_module, "_HEARTBEAT_S", 1)
    monkeypatch.setattr(study_module, "_SILENCE_S", 1)
    out = tmp_path / "s"
    with pytest.raises(Killed):
        next(tune(data, None, out, OPTIONS, killed_after(0)))
    assert study_in(out).trials[0].state.name == "RUNNING"
    time.sleep(2.1)  # SQLite tells time in whole seconds
    (again,) = tune(data, None, out, OPTIONS, ignore)
    dead, retried = study_in(out).trials
    assert dead.state.name == "FAIL"
    assert dead.params == retried.params
    assert again.number == 1


def test_no_weights_of_a_trial_stay_behind(data, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    list(tune(data, None, tmp_path / "s", OPTIONS, ignore))
    assert names(tmp_path / "temporary") == []


def test_a_search_ends_at_its_timeout_after_at_least_one_trial(data, tmp_path) -> None:
    options = replace(OPTIONS, trials=9, timeout_s=0.01)
    assert len(list(tune(data, None, tmp_path / "s", options, ignore))) == 1


def test_another_data_set_or_net_is_refused(data, tmp_path) -> None:
    out = tmp_path / "s"
    list(tune(data, None, out, OPTIONS, ignore))
    with pytest.raises(OutputError, match="search with another --epochs, --net; name a new --out"):
        next(tune(data, None, out, replace(OPTIONS, net="cnn4", epochs=3), ignore))
    write_csv(data, csv_rows(faces())[::-1])
    with pytest.raises(OutputError, match=r"search\.sqlite3: it is a search with another --data;"):
        next(tune(data, None, out, OPTIONS, ignore))
    with pytest.raises(ModelError, match="unknown net 'huge'"):
        next(tune(data, None, out, replace(OPTIONS, net="huge"), ignore))


def test_a_search_of_another_optuna_is_refused(tmp_path) -> None:
    file = tmp_path / "s" / SEARCH_FILE
    study_module.open_study(file, {}, {}, epochs=2)
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("UPDATE version_info SET schema_version = 99")
        database.execute("UPDATE alembic_version SET version_num = 'v99'")
    with pytest.raises(OutputError, match="another version of Optuna made it"):
        study_module.open_study(file, {}, {}, epochs=2)


def test_a_folder_of_other_things_is_not_touched(data, tmp_path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "trials.csv").write_text("precious")
    with pytest.raises(OutputError, match="thesis holds other files; name a new --out"):
        next(tune(data, None, tmp_path / "thesis", OPTIONS, ignore))
    assert names(tmp_path / "thesis") == ["trials.csv"]
    with pytest.raises(OutputError, match=r"cannot write .*fer2013\.csv.search\.sqlite3"):
        next(tune(data, None, data, OPTIONS, ignore))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / SEARCH_FILE).write_text("dear diary" * 1000)
    with pytest.raises(OutputError, match="file is not a database"):
        next(tune(data, None, tmp_path / "broken", OPTIONS, ignore))


def test_processes_that_begin_a_search_at_once_share_it(tmp_path) -> None:
    code = (
        "import sys, pathlib\n"
        "from fer_video.learn.study import open_study\n"
        "study = open_study(pathlib.Path(sys.argv[1]), {'--data': 'same'}, {'x': 0.5}, 2)\n"
        "study.optimize(lambda trial: trial.suggest_float('x', 0, 1), n_trials=3)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "s" / SEARCH_FILE)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(4)]
    assert [process.communicate(timeout=60)[1] for process in processes] == [b""] * 4
    trials = study_in(tmp_path / "s").trials
    assert [trial.number for trial in trials] == list(range(12))
    assert {trial.state.name for trial in trials} == {"COMPLETE"}
    assert [trial.params["x"] for trial in trials].count(0.5) == 1
    assert len({trial.params["x"] for trial in trials}) == 12


def test_the_command_shows_every_trial_and_the_best(data, tmp_path) -> None:
    words = ["tune", "--data", data, "--out", tmp_path / "s", "--net", "tiny", "--epochs", 1]
    words += ["--trials", 2, "--batch-size", 16, "--precision", "float32"]
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0
    first, second = result.stderr.splitlines()
    score = r"[01]\.\d{3}"
    start = rf"trial 0: {score} after 1 epoch; best {score}, of trial 0; 1 of 2, \d+ s left"
    assert re.fullmatch(start, first)
    assert re.fullmatch(rf"trial 1: {score} .*; best {score}, .*; 2 of 2, 0 s left", second)
    command = (tmp_path / "s" / "best-command.txt").read_text()
    assert result.stdout == f"trials, plots and this command are in {tmp_path / 's'}:\n{command}"


def test_missing_packages_are_found_before_any_work() -> None:
    code = (
        "import sys\n"
        "from fer_video.errors import MissingExtra\n"
        "for missing in ('optuna', 'plotly'):\n"
        "    sys.modules[missing] = None\n"
        "    try: import fer_video.learn.tune\n"
        "    except MissingExtra as error: print(error)\n"
        "    del sys.modules[missing]\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == 2 * (
        'a search for options needs more packages: pip install "fer-video[train]"\n'
    )
