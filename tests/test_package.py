"""What ships: the packages that are there, with prompts and types, under names that resolve."""

from __future__ import annotations

import importlib
import importlib.util
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from ragloom.prompts.loader import own_prompts
from ragloom.rag.graph import presets

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PACKAGES = PROJECT["tool"]["setuptools"]["packages"]
SHIPPED = ("agents", "prompts", "rag", "stores")


def test_the_list_of_packages_is_what_is_there() -> None:
    folders = {path.parent.relative_to(ROOT) for name in SHIPPED for path in (ROOT / name).rglob("__init__.py")}
    assert sorted(PACKAGES) == sorted(["ragloom", *(".".join(["ragloom", *folder.parts]) for folder in folders)])


def test_every_folder_with_modules_is_a_package() -> None:
    folders = {path.parent for name in SHIPPED for path in (ROOT / name).rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").is_file()] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_resolves(package: str) -> None:
    module = importlib.import_module(package)
    for name in getattr(module, "__all__", []):
        assert getattr(module, name) is not None, f"{package}.{name}"


def test_an_unknown_name_is_an_attribute_error() -> None:
    import ragloom

    with pytest.raises(AttributeError, match="nothing_like_it"):
        _ = ragloom.nothing_like_it


@pytest.mark.skipif(importlib.util.find_spec("setuptools") is None, reason="building a wheel needs setuptools")
def test_the_wheel_carries_prompts_and_types_and_no_tests(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--quiet"]
    copy = tmp_path / "ragloom"  # building in the checkout would leave folders there
    tracked = ["pyproject.toml", "README.md", "LICENSE", "py.typed", *(path.name for path in ROOT.glob("*.py"))]
    copy.mkdir()
    for name in tracked:
        (copy / name).write_bytes((ROOT / name).read_bytes())
    for name in (*SHIPPED, "tests"):
        for path in (path for suffix in ("py", "yaml", "html") for path in (ROOT / name).rglob(f"*.{suffix}")):
            target = copy / path.relative_to(ROOT)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    subprocess.run([*command, "--wheel-dir", str(tmp_path), str(copy)], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert {"ragloom/py.typed", "ragloom/prompts/cited.yaml", "ragloom/rag/cli.py"} <= set(names)
    assert {f"ragloom/rag/graph/presets/{preset}.yaml" for preset in presets()} <= set(names)
    assert {f"ragloom/prompts/{prompt}.yaml" for prompt in own_prompts()} <= set(names)
    assert "ragloom/stores/memory/reading/timeline.html" in names
    assert {name.split("/")[0] for name in names} == {"ragloom", f"ragloom-{PROJECT['project']['version']}.dist-info"}
    assert {name.split("/")[1] for name in names if name.startswith("ragloom/") and name.count("/") > 1} == set(SHIPPED)


def test_the_version_is_said_once() -> None:
    import ragloom

    assert ragloom.__version__ == PROJECT["project"]["version"]
