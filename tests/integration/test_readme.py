"""The README's commands run as written, and the documentation is what the code says."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from occluded_datasets.twin import twin

TOP = Path(__file__).parents[2]
BLOCK = re.compile(r"```(console|python)\n(.*?)```", re.DOTALL)
TASKS = sorted((TOP / "docs" / "tasks").glob("*.md"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A newcomer's folder: the archive that the README speaks of, here a whole drawn one."""
    folder = tmp_path_factory.mktemp("newcomer")
    tree = Path(twin("partial-reid", folder / "twin").tree)
    shutil.make_archive(str(folder / "Partial-REID_Dataset"), "zip", tree.parent, tree.name)
    return folder


def run(line: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run one ``occreid-prepare`` line in `folder`."""
    code = "from occluded_datasets.cli import main; main()"
    return subprocess.run(
        [sys.executable, "-c", code, *shlex.split(line)[1:]], cwd=folder, capture_output=True, text=True, check=False
    )


def test_readme_commands(folder: Path) -> None:
    """Every command and every Python block of the README runs as it stands there, in order."""
    ran = 0
    for kind, text in BLOCK.findall((TOP / "README.md").read_text("utf-8")):
        if kind == "python":
            done = subprocess.run([sys.executable, "-c", text], cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            assert "900 rows, 60 identities, complete" in done.stdout
            ran += 1
        for line in text.splitlines() if kind == "console" else ():
            if line.startswith("occreid-prepare"):
                done = run(line, folder)
                assert done.returncode == 0, (line, done.stdout, done.stderr)
                ran += 1
    assert ran >= 4


def test_make_targets_exist() -> None:
    """Each ``make`` target that the documentation names is in the Makefile."""
    makefile = (TOP / "Makefile").read_text("utf-8")
    pages = [TOP / "README.md", TOP / "CONTRIBUTING.md", *sorted((TOP / "docs").rglob("*.md"))]
    named = {t for page in pages for t in re.findall(r"(?:^|`)make ([a-z]+)", page.read_text("utf-8"), re.MULTILINE)}
    assert {"demo", "test"} <= named
    assert not [target for target in named if f"\n{target}:" not in makefile]


def test_links_lead_somewhere() -> None:
    """Every relative link in a page leads to a file."""
    broken = []
    for page in [*TOP.glob("*.md"), *sorted((TOP / "docs").rglob("*.md"))]:
        for target in re.findall(r"\]\(([^)#]+)", page.read_text("utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                broken.append((page.name, target))
    assert broken == []


def test_generated_pages_are_fresh() -> None:
    """What ``make docs`` writes is what is there: every command and dataset is documented."""
    spec = importlib.util.spec_from_file_location("generate", TOP / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    for name, make in generate.PAGES.items():
        assert (generate.FOLDER / name).read_text("utf-8") == make(), f"{name} is stale: run make docs"


def test_every_command_has_an_example() -> None:
    """Every command's help shows an example that names the command."""
    import click

    from occluded_datasets.cli.app import group

    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        assert f"occreid-prepare {name}" in (command.help or ""), name
