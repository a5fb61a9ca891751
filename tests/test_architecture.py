"""The layers of docs/architecture.md: a module imports only from lower ones."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "fer_video"

TABLE = PACKAGE.parent / "docs" / "architecture.md"


def _levels() -> dict[str, int]:
    """Read the layer of each module off the table; a row without a number is of the last one."""
    levels: dict[str, int] = {}
    level = -1
    for row in TABLE.read_text("utf-8").partition("| layer | module")[2].splitlines()[2:]:
        if not row.startswith("|"):
            break
        number, modules, *_ = (cell.strip() for cell in row.strip("|").split("|"))
        level = int(number) if number else level
        levels |= dict.fromkeys(re.findall("`(.*?)`", modules), level)
    return levels


LEVEL = _levels()


def _module_name(path: Path) -> str:
    return ".".join(path.relative_to(PACKAGE).with_suffix("").parts)


def _path(name: str) -> Path:
    module = PACKAGE / f"{name.replace('.', '/')}.py"
    return module if module.exists() else module.with_suffix("") / "__init__.py"


def _imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("fer_video"):
            below = node.module.removeprefix("fer_video").removeprefix(".")
            # `from fer_video import nets` names modules, `from fer_video.nets import build` one
            names |= {below} if below else {alias.name for alias in node.names}
            names |= {f"{below}.{alias.name}" for alias in node.names}
    return names & set(LEVEL)


def test_every_module_stands_in_the_table() -> None:
    modules = {_module_name(path) for path in PACKAGE.rglob("*.py")}
    packages = {name for name in LEVEL if f"{name}.__init__" in modules}
    assert {name for name in modules if not name.endswith("__")} | packages == set(LEVEL)


def test_a_module_imports_only_from_lower_layers() -> None:
    wrong = [
        f"{name} imports {used}"
        for name, level in LEVEL.items()
        for used in _imported(_path(name))
        if used != name and LEVEL[used] >= level
    ]
    assert not wrong


def test_analysis_never_imports_the_learning_half() -> None:
    wrong = [
        name
        for name in LEVEL
        if not name.startswith(("learn.", "cli"))
        for used in _imported(_path(name))
        if used.startswith("learn.")
    ]
    assert not wrong


def test_the_commands_load_nothing_heavy_before_they_are_used() -> None:
    heavy = ["keras", "tensorflow", "cv2", "av", "numpy", "pandas", "pyarrow", "matplotlib"]
    heavy += ["sklearn", "optuna", "plotly", "ai_edge_litert", "fsspec", "filelock", "ray"]
    code = f"import sys, fer_video.cli; print([m for m in {heavy} if m in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


@pytest.mark.parametrize("detector", ["yunet", "mtcnn", "haar"])
def test_analyzing_on_a_cpu_loads_no_framework_of_networks_and_no_plots(
    detector: str, consult: Path, tmp_path: Path
) -> None:
    words = ["analyze", str(consult), "--out", str(tmp_path / "t.parquet"), "--end", "0.2"]
    words += ["--detector", detector]
    heavy = ["keras", "tensorflow", "jax", "torch", "matplotlib", "sklearn", "scipy", "joblib"]
    code = f"""
import sys
from fer_video.cli import app
app({[*words, "--device", "cpu", "--quiet"]}, standalone_mode=False)
print([m for m in {heavy} if m in sys.modules])
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (shown.stdout.strip(), shown.stderr) == ("[]", "")
