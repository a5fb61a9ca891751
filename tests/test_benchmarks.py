import runpy
from pathlib import Path

NETS = Path(__file__).parents[1] / "benchmarks" / "nets.py"


def test_the_table_of_all_architectures_is_that_of_the_stored_reports() -> None:
    script = runpy.run_path(str(NETS))
    page = script["PAGE"].read_text("utf-8")
    assert script["BEGIN"] + script["table"]() + script["END"] in page


def test_every_architecture_has_a_stored_report_and_a_budget() -> None:
    from fer_video.nets import NETS as NAMES

    script = runpy.run_path(str(NETS))
    stored = {path.parent.name for path in script["REPORTS"].glob("*/report.json")}
    assert stored == set(script["BUDGETS"]) == set(NAMES)
