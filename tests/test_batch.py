"""The work of one job, as the events that it tells."""

from pathlib import Path

from fer_video.batch import analyze_job
from fer_video.events import Advanced, Job
from fer_video.options import AnalysisOptions, SampleOptions
from tests.scenes import steady, write_video


def test_what_is_before_the_start_is_read_with_signs_of_life_and_none_is_told_too_often(
    tmp_path: Path,
) -> None:
    one_key = {"preset": "ultrafast", "g": "1000", "sc_threshold": "0"}
    path = write_video(tmp_path / "call.ts", steady(550, fps=10), options=one_key)
    options = AnalysisOptions(sample=SampleOptions(start_s=45.0))
    job = Job(path, path.name, tmp_path / "t.parquet", tmp_path / "drawn.mp4", options=options)
    told = [event for event in analyze_job(job) if isinstance(event, Advanced)]
    for stage in ("analyze", "annotate"):
        done_s = [event.done_s for event in told if event.stage == stage]
        assert done_s[:5] == 5 * [0.0]
        assert done_s == sorted(done_s)
        assert 8.0 <= done_s[-1] <= 10.0
        assert len(done_s) <= 5 + 2 + 10
