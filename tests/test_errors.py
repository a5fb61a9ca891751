import inspect
import pickle
from pathlib import Path

import pytest

from fer_video import errors

SAMPLES = [
    errors.FerVideoError("x"),
    errors.OptionError("--fps must be above 0, got 0"),
    errors.VideoError(Path("a.mp4"), "no such file"),
    errors.ModelError("no model 'x'"),
    errors.MissingExtra("ray", "--engine ray"),
    errors.OutputError(Path("a.parquet"), "it exists"),
    errors.DiskFull(Path("a.parquet"), "the disk is full"),
    errors.SomeFailed(("a.mp4",), 3),
    errors.WorkerLost(Path("a.mp4"), "its process was killed"),
    errors.Bug(Path("a.mp4"), "KeyError: 'a'", "Traceback (most recent call last):"),
    errors.Partial(Path("a.mp4"), "2 corrupt frames were skipped"),
    errors.DataError(Path("a.csv"), "no rows"),
    errors.TrainError("the loss is not a number"),
    errors.ClusterError("node7 cannot take part: it has no model"),
]


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_an_error_survives_the_way_from_a_worker_process(error: errors.FerVideoError) -> None:
    copy = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)


def test_every_error_is_tried_and_has_an_exit_code_of_its_own() -> None:
    kinds = {
        kind
        for name, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, errors.FerVideoError) and not name.startswith("_")
    }
    assert kinds == {type(error) for error in SAMPLES}
    # a bug ends as an uncaught one would, and a full disk is an output that cannot be written
    told_apart = kinds - {errors.Bug, errors.DiskFull}
    assert len({kind.exit_code for kind in told_apart}) == len(told_apart)


def test_an_error_is_one_line_whatever_a_library_says() -> None:
    error = errors.DataError(Path("a.csv"), "not a CSV file (C error:\n  line 5\n)")
    assert str(error) == "cannot use a.csv: not a CSV file (C error: line 5 )"
