"""What is installed from a wheel works without the checkout."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    return next(folder.glob("*.whl"))


def test_the_wheel_holds_the_package_and_its_models_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {f"fer_video/models/default/model.{end}" for end in ("weights.h5", "tflite")} <= {*names}
    nets = ("yunet", "mtcnn_pnet", "mtcnn_rnet", "mtcnn_onet")
    assert {"fer_video/py.typed", *(f"fer_video/assets/{net}.tflite" for net in nets)} <= {*names}
    assert {name.split("/")[0].split("-")[0] for name in names} <= {"fer_video"}


def test_an_installed_copy_finds_its_model(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
    subprocess.run([*install, str(site), str(wheel)], check=True, capture_output=True)
    code = f"import sys; sys.path.insert(0, {str(site)!r}); from fer_video import weights; " \
        "print(weights.find('default').folder)"  # fmt: skip
    shown = subprocess.run(
        [sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert Path(shown.stdout.strip()) == site / "fer_video" / "models" / "default"
