"""What is installed is what is in the repository."""

from __future__ import annotations

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

import occluded_datasets

ROOT = Path(__file__).resolve().parents[2]
MAPPED = {"cli": "occluded_datasets.cli", "manifests": "occluded_datasets.manifests"}
PICTURES = {".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp", ".gif", ".webp"}
ARCHIVES = {".zip", ".rar", ".tar", ".gz", ".7z", ".npz", ".npy", ".pt", ".pth"}


@pytest.fixture(scope="module")
def config() -> configparser.ConfigParser:
    """Return setup.cfg."""
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", "utf-8")
    return parser


def folder_of(package: str) -> Path:
    """Return where the sources of a package are."""
    for folder, name in MAPPED.items():
        if package == name or package.startswith(f"{name}."):
            return ROOT / folder / package.removeprefix(name).replace(".", "/").lstrip("/")
    return ROOT / package.replace(".", "/")


def test_every_package_is_installed(config: configparser.ConfigParser) -> None:
    """setup.cfg lists exactly the folders with an ``__init__.py``."""
    inner = {
        ".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "occluded_datasets").rglob("__init__.py")
    }
    mapped = {
        ".".join([name, *path.parent.relative_to(ROOT / folder).parts])
        for folder, name in MAPPED.items()
        for path in (ROOT / folder).rglob("__init__.py")
    }
    assert set(config["options"]["packages"].split()) == inner | mapped


def test_every_data_file_is_installed(config: configparser.ConfigParser) -> None:
    """The globs of package data take every file that is no module, and each finds one."""
    packages = config["options"]["packages"].split()
    globs = {package: value.split() for package, value in config["options.package_data"].items()}
    taken = set()
    for package, patterns in globs.items():
        for pattern in patterns:
            found = set(folder_of(package).glob(pattern))
            assert found, f"{package}: {pattern} finds nothing"
            taken |= found
    files = {path for package in packages for path in folder_of(package).rglob("*") if path.is_file()}
    data = {path for path in files if path.suffix != ".py" and path.parent.name != "__pycache__"}
    assert sorted(data - taken) == []


def test_the_version_is_the_changelogs_first() -> None:
    """A release and its entry go together."""
    changelog = ROOT / "CHANGELOG.md"
    if not changelog.is_file():
        pytest.skip("there is no CHANGELOG.md yet")
    versions = re.findall(r"^##\s+\[?v?(\d+\.\d+\.\d+)", changelog.read_text("utf-8"), re.MULTILINE)
    assert versions[0] == occluded_datasets.__version__


def test_no_picture_is_tracked() -> None:
    """No pixel of anyone, and no archive or weights, is in the repository."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listing = subprocess.run([git, "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = [name for name in listing.splitlines() if Path(name).suffix.lower() in PICTURES | ARCHIVES]
    allowed = [name for name in found if name.startswith("docs/") and name.endswith(".png")]
    assert sorted(set(found) - set(allowed)) == []
