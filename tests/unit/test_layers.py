"""The house rule: imports go left only, never sideways between rooms of one step."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "occluded_datasets"
STEPS = (
    "errors",
    "paths hashing files",
    "images catalog drawn",
    "scan layouts",
    "manifest",
    "protocol occlusion store identities",
    "evaluation splitting",
    "literature",
    "acquire exporters features twin",
    "report prepare doctor benchmark",
    "library",
    "demo",
    "torch",
    "afpb",
    "cli",
    "__main__",
)
STEP = {room: number for number, rooms in enumerate(STEPS) for room in rooms.split()}
FREE = {"_version", "manifests"}
INSIDE = {
    "protocol": ("rules", "shipped", "rows"),
    "occlusion": ("recipes", "blend", "sources", "engine", "sets training"),
    "evaluation": ("scoring", "feature_file", "record", "align", "audit", "evaluate"),
    "afpb": (
        "config losses ranks",
        "backbones",
        "model",
        "data",
        "inputs",
        "runs",
        "log",
        "evaluation training",
        "study",
        "saliency",
    ),
    "torch": (
        "buffers images labels shared kernel prefetch",
        "rows",
        "datasets",
        "checks",
        "groups normalizing",
        "occlusion",
        "samplers",
        "loading",
        "features bridges",
    ),
}
"""The order inside the rooms that have rooms of their own; what is not named here is free of it."""
SOURCES = sorted([*(ROOT / PACKAGE).rglob("*.py"), *(ROOT / "cli").rglob("*.py")])


def module_of(path: Path) -> list[str]:
    """Return the dotted name of a source file in segments; ``cli`` is a room of the package."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return parts if parts[0] == PACKAGE else [PACKAGE, *parts]


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, absolute dotted name) of everything a file imports, inside functions too."""
    package = module_of(path)[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            whole = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{whole}.{alias.name}") for alias in node.names)


ROOMS = {path: module_of(path)[1] for path in SOURCES if module_of(path) != [PACKAGE, "__init__"]}
EDGES = [(path, line, name) for path in ROOMS for line, name in imports(path)]


def broken(path: Path, name: str) -> bool:
    """Return whether `path` may not import `name` of this package."""
    segments = name.split(".")
    if segments[0] != PACKAGE or len(segments) == 1:
        return segments == [PACKAGE]
    own, other = ROOMS[path], segments[1]
    if other in {*FREE, own, "__version__"}:
        return False
    return other not in STEP or STEP[other] >= STEP[own]


def offenders(rule: list[tuple[Path, int, str]]) -> list[str]:
    """Return ``file:line imports name`` for a message."""
    return [f"{path.relative_to(ROOT)}:{line} imports {name}" for path, line, name in rule]


def users(*packages: str) -> set[str]:
    """Return the files, relative to the repository, that import one of `packages`."""
    return {
        path.relative_to(ROOT).as_posix()
        for path, _, name in EDGES
        if any(name == package or name.startswith(f"{package}.") for package in packages)
    }


def test_every_room_has_its_step() -> None:
    """A new room is given its place in the order before it is used."""
    assert {room for room in ROOMS.values() if room not in STEP} <= FREE


def test_imports_go_left_only() -> None:
    """No room imports one of its own step or of a later one."""
    assert offenders([edge for edge in EDGES if broken(edge[0], edge[2])]) == []


@pytest.mark.parametrize("room", INSIDE)
def test_imports_go_left_inside_a_room(room: str) -> None:
    """A room with rooms of its own has an order too: none imports one of its own step or of a later one."""
    step = {inner: number for number, names in enumerate(INSIDE[room]) for inner in names.split()}
    own = [path for path in ROOMS if module_of(path)[1] == room and len(module_of(path)) > 2]
    inner = {module_of(path)[2] for path in own} - {"__init__"}
    assert inner == set(step)
    wrong = []
    for path, line, name in EDGES:
        here, there = module_of(path)[2:], name.split(".")[1:]
        within = path in own and here != ["__init__"] and there[:1] == [room] and there[1:2] != []
        if within and there[1] in step and here[0] != there[1] and step[there[1]] >= step[here[0]]:
            wrong.append((path, line, name))
    assert offenders(wrong) == []


def test_dataset_files_import_only_the_spec() -> None:
    """A dataset is data: nothing but the records it is written in."""
    own = [path for path in ROOMS if path.parent.name == "catalog"]
    files = [path for path in own if path.stem not in ("__init__", "spec", "registry", "files")]
    assert len(files) == 10
    wrong = [edge for edge in EDGES if edge[0] in files and not edge[2].startswith(f"{PACKAGE}.catalog.spec.")]
    assert offenders(wrong) == []


@pytest.mark.parametrize(
    ("packages", "rooms"),
    [
        (("requests", "socket", "urllib", "http", "ftplib"), {"acquire"}),
        (("torch", "torchvision"), {"torch", "afpb"}),
        (("torchreid", "fastreid"), {"torch"}),
        (("pickle", "marshal", "shelve", "dill"), set()),
        (("simplejpeg", "PIL"), {"images"}),
        (("cv2",), {"images", "drawn", "twin", "report", "occlusion", "features"}),
        (("onnxruntime",), {"features"}),
        (("click", "rich"), {"cli"}),
        (("zipfile", "tarfile", "unrar", "pyzipper"), {"acquire"}),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_who_may_import_what(packages: tuple[str, ...], rooms: set[str]) -> None:
    """Sockets are in one room, torch in two, archives in one, and pickle in none."""
    found = users(*packages)
    allowed = {path.relative_to(ROOT).as_posix() for path, room in ROOMS.items() if room in rooms}
    assert found <= allowed, sorted(found - allowed)


def test_opencv_draws_and_never_opens_a_picture() -> None:
    """Only ``images`` reads or writes a picture, so there is one reading of its pixels."""
    names = ("imread", "imreadmulti", "imdecode", "imwrite", "imencode", "VideoCapture")
    assert not users(*(f"cv2.{name}" for name in names))
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path, room in ROOMS.items()
        if room != "images"
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in names
    ]
    assert found == []
