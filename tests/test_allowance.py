from pathlib import Path

import pytest

from fer_video.allowance import memory_bytes, n_cores

WITHOUT = Path("/nowhere")


def group(folder: Path, **limits: str) -> Path:
    folder.mkdir()
    for name, text in limits.items():
        (folder / f"{name}.max").write_text(f"{text}\n")
    return folder


@pytest.mark.parametrize(
    ("quota", "cores"),
    [("100000 100000", 1), ("50000 100000", 1), ("190000 100000", 1), ("max 100000", None)],
)
def test_a_container_has_the_cores_of_its_quota(tmp_path: Path, quota: str, cores) -> None:
    found = n_cores(group(tmp_path / "own", cpu=quota))
    assert found == (cores or n_cores(WITHOUT))


def test_a_container_has_the_memory_of_its_limit(tmp_path: Path) -> None:
    assert memory_bytes(group(tmp_path / "own", memory="100000000")) == 1e8
    assert memory_bytes(group(tmp_path / "free", memory="max")) > 1e8
    assert memory_bytes(group(tmp_path / "vast", memory=str(10**18))) < 1e16


def test_what_limits_a_job_of_a_batch_system_limits_its_steps(tmp_path: Path) -> None:
    job = group(tmp_path / "job", cpu="100000 100000", memory="200000000")
    assert n_cores(group(job / "step", cpu="max 100000")) == 1
    assert memory_bytes(group(job / "other", memory="300000000")) == 2e8
