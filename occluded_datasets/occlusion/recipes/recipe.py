"""A recipe: every parameter of a simulation, as data with an id; and the presets that ship."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Any

from ...errors import InputError, UnknownNameError, UsageError
from .keys import PPM
from .placement import Prior, named_priors, parse_prior, ppm_range

PACKAGE = "occluded_datasets.manifests"
WORDS = ("title", "notes", "sources")
BASES = ("box", "person")
CORNERS = ("top-left", "top-right")
LISTING = "occreid-prepare simulate --help"
_BACKGROUND: Mapping[str, Any] = {"window": [0.2, 0.3], "corners": list(CORNERS)}
OCCLUDERS: Mapping[str, Mapping[str, Any]] = {
    "self-background": _BACKGROUND,
    "other-background": _BACKGROUND,
    "person": {"scale": [0.9, 1.2]},
    "bank": {"kinds": [], "scale": None},
    "constant": {"colour": [124, 116, 104]},
    "noise": {},
    "random-erasing": {"attempts": 100},
    "strip": {},
    "partial-crop": {},
}
"""The kinds of occluder, with the defaults of what each takes in ``options``."""

POOLED = ("other-background", "person", "strip")
"""Kinds that are cut from other training images."""

_DEFAULTS: Mapping[str, Any] = {
    "weight": 1, "aspect": [0.7, 1.4], "count": [1, 1], "of": "box", "feather": 0, "colour_match": 0, "shadow": 0,
    "options": {},
}  # fmt: skip


@dataclass(frozen=True)
class Branch:
    """One kind of occlusion of a recipe. Shares and ratios are integers in parts per million.

    Parameters
    ----------
    weight : int
        How often this arm is taken, against the others.
    occluder : str
        A key of `OCCLUDERS`.
    placement, prior : str, Prior
        Where it stands: the prior's name, and the prior itself.
    fraction : tuple of int
        Least and most occluded fraction, of the image or of the person.
    aspect : tuple of int
        Least and most height / width of a rectangle; silhouettes keep their own.
    count : tuple of int
        Least and most occluders; they share the fraction equally.
    of : str
        ``box`` or ``person``: what the fraction is of; the latter needs a mask of the person.
    feather, colour_match, shadow : int
        Strength of the stages: width of the soft edge as a share of the occluder's shorter side; how far its colours
        move towards the image's; how dark its shadow is. 0 leaves a stage out.
    options : mapping
        What the kind takes.
    """

    weight: int
    occluder: str
    placement: str
    prior: Prior
    fraction: tuple[int, int]
    aspect: tuple[int, int]
    count: tuple[int, int]
    of: str
    feather: int
    colour_match: int
    shadow: int
    options: Mapping[str, Any]

    @cached_property
    def window(self) -> tuple[int, int]:
        """Least and most width of the piece of background that is enlarged, as a share of the image's."""
        return _ppm_pair(self.options["window"])

    @cached_property
    def scale(self) -> tuple[int, int] | None:
        """Least and most height of a silhouette as a share of the image's; None: whatever the fraction needs."""
        scale = self.options["scale"]
        return None if scale is None else _ppm_pair(scale)


@dataclass(frozen=True)
class Recipe:
    """Every parameter of a simulation but its seed, pool and bank.

    Examples
    --------
    >>> Recipe.of("afpb").arms[0].occluder
    'self-background'
    >>> Recipe.of("afpb", fraction=(0.3, 0.3)).arms[0].fraction
    (300000, 300000)
    """

    name: str
    probability: int
    arms: tuple[Branch, ...]
    rules: Mapping[str, Any] = field(repr=False)
    title: str = ""
    notes: str = ""

    @property
    def id(self) -> str:
        """Return ``<name>@<8 hex>``: the digest is of the parsed rules with their priors, not of title, notes, sources.

        It is of integers in parts per million, so 0.3 and 3e-1 are one recipe.
        """
        rules = [self.probability, *(sorted(asdict(arm).items()) for arm in self.arms)]
        text = json.dumps(rules, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return f"{self.name}@{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    @property
    def kinds(self) -> frozenset[str]:
        """The kinds of occluder that may occur."""
        return frozenset(arm.occluder for arm in self.arms)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form that `of` reads back, its id with it."""
        return {"name": self.name, "id": self.id, "title": self.title, "notes": self.notes, **self.rules}

    @classmethod
    def of(cls, what: str | os.PathLike[str] | Mapping[str, Any] | Recipe, **changes: Any) -> Recipe:
        """Return a recipe from a preset's name, a ``.json`` file, a mapping or a recipe.

        Parameters
        ----------
        what : str, path, mapping or Recipe
            A name of `presets`; a kind of occluder that no preset is named after, for one of 10 to 40 % over the
            lower body; a ``.json`` file, or rules as docs/reference/recipes.md says them.
        **changes
            Values that replace those of every arm (``occluder``, ``placement``, ``fraction``, ``aspect``, ``count``,
            ``of``, ``feather``, ``colour_match``, ``shadow``, ``options``), or the recipe's ``probability``.

        Raises
        ------
        UnknownNameError
            If there is no such preset, occluder or placement (with the nearest ones).
        InputError
            If a file cannot be read or breaks the rules.
        UsageError
            If a value is not possible: a fraction that is not between 0 and 1, say.
        """
        if isinstance(what, Recipe):
            data: Mapping[str, Any] = what.to_dict()
        elif isinstance(what, Mapping):
            data = what
        elif isinstance(what, str) and not what.endswith(".json"):
            data = _preset(what)
        elif isinstance(what, (str, os.PathLike)):
            data = _read(Path(what))
        else:
            raise UsageError("This is not a recipe.", f"Found {what!r:.80}.", LISTING)
        try:
            return _parse(_changed(data, {key: value for key, value in changes.items() if value is not None}))
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError) as error:
            raise UsageError(
                "This is not a recipe.", f"{type(error).__name__}: {error}.", "see docs/reference/recipes.md"
            ) from error


@cache
def presets() -> tuple[str, ...]:
    """Return the names of the recipes that ship.

    Examples
    --------
    >>> presets()[:3]
    ('afpb', 'afpb-wide', 'afpb-wide-noise')
    """
    folder = resources.files(PACKAGE).joinpath("recipes")
    return tuple(sorted(entry.name[:-5] for entry in folder.iterdir() if entry.name.endswith(".json")))


def _preset(name: str) -> Mapping[str, Any]:
    if name in OCCLUDERS and name not in presets():
        return {
            "schema": 1,
            "name": name,
            "arms": [{"occluder": name, "placement": "lower-body", "fraction": [0.1, 0.4]}],
        }
    if name not in presets():
        raise UnknownNameError.of("preset or occluder", name, {*presets(), *OCCLUDERS}, LISTING)
    return dict(json.loads(resources.files(PACKAGE).joinpath("recipes", f"{name}.json").read_text("utf-8")))


def _read(path: Path) -> Mapping[str, Any]:
    try:
        data = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: not a recipe file.", f"The reader says: {error}.", LISTING) from error
    return dict(data) if isinstance(data, dict) else {}


def _changed(data: Mapping[str, Any], changes: dict[str, Any]) -> Mapping[str, Any]:
    """Return the data with its arms' values replaced; a change makes it a recipe of one's own."""
    if not changes:
        return data
    probability = changes.pop("probability", data.get("probability", 1))
    arms = [{**arm, **changes} for arm in data.get("arms", ()) if isinstance(arm, Mapping)]
    if "occluder" in changes:
        arms = [{**arms[0], "weight": 1, "options": changes.get("options", {})}] if arms else []
    name = changes.get("occluder", data.get("name", "custom"))
    return {**data, "name": name, "title": "", "notes": "", "probability": probability, "arms": arms}


def _parse(data: Mapping[str, Any]) -> Recipe:
    """Return the recipe that the data says, every default written out."""
    unknown = set(data) - {"schema", "name", "id", *WORDS, "probability", "arms"}
    arms = data.get("arms")
    if unknown or data.get("schema") != 1 or not isinstance(arms, (list, tuple)) or not arms:
        why = f"Unknown: {', '.join(sorted(unknown))}." if unknown else "Expected schema 1 and a list of arms."
        raise UsageError("This is not a recipe.", why, "see docs/reference/recipes.md")
    full = [_whole(arm) for arm in arms]
    try:
        probability = _ppm(data.get("probability", 1), "probability", 0, 1)
    except ValueError as error:
        raise UsageError(f"The recipe cannot be: {error}.", "", LISTING) from error
    rules = {"schema": 1, "probability": probability / PPM, "arms": full}
    name = data.get("name", "custom")
    if not isinstance(name, str) or not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name, re.ASCII) or len(name) > 64:
        raise UsageError(
            f"The recipe cannot be: name {name!r:.80}.", "Expected lower-case words joined by '-', 64 letters at most."
        )
    return Recipe(
        name, probability, tuple(map(_arm, full)), rules, str(data.get("title", "")), str(data.get("notes", ""))
    )


def _whole(data: Any) -> dict[str, Any]:
    """Return one arm in full: defaults filled in, the placement as its name and prior."""
    known = {*_DEFAULTS, "occluder", "placement", "fraction"}
    if not isinstance(data, Mapping) or not {"occluder", "placement", "fraction"} <= set(data) <= known:
        raise UsageError(
            "An arm of the recipe is not whole.",
            f"Expected occluder, placement, fraction and any of {sorted(_DEFAULTS)}.",
        )
    kind, placement = data["occluder"], data["placement"]
    if kind not in OCCLUDERS:
        raise UnknownNameError.of("occluder", str(kind), OCCLUDERS, LISTING)
    if isinstance(placement, str):
        if placement not in named_priors():
            raise UnknownNameError.of("placement", placement, named_priors(), LISTING)
        placement = {"name": placement, "prior": named_priors()[placement]}
    elif not isinstance(placement, Mapping) or set(placement) != {"name", "prior"}:
        placement = {"name": "custom", "prior": placement}
    elif placement["prior"] != named_priors().get(placement["name"]):
        placement = {**placement, "name": "custom"}  # a name that ships stands for what ships
    options = {**OCCLUDERS[kind], **data.get("options", {})}
    if unknown := set(options) - set(OCCLUDERS[kind]):
        raise UsageError(f"{kind}: unknown options {', '.join(sorted(unknown))}.", f"Known: {sorted(OCCLUDERS[kind])}.")
    values = {key: list(value) if isinstance(value, tuple) else value for key, value in data.items()}
    return {**_DEFAULTS, **values, "placement": placement, "options": options}


def _arm(data: Mapping[str, Any]) -> Branch:
    try:
        count = data["count"]
        if not (isinstance(count, list) and len(count) == 2 and all(type(one) is int for one in count)):
            raise ValueError(f"count: expected two whole numbers, found {count!r}")
        if not 1 <= count[0] <= count[1] <= 16:
            raise ValueError(f"count: expected an ascending pair from 1 to 16, found {count!r}")
        if type(data["weight"]) is not int or data["weight"] < 1:
            raise ValueError(f"weight: expected a whole number of 1 or more, found {data['weight']!r}")
        if data["of"] not in BASES:
            raise ValueError(f"of: expected one of {', '.join(BASES)}, found {data['of']!r}")
        fraction = ppm_range(data["fraction"], "fraction", 0, 1)
        if fraction[0] < 1 or fraction[1] >= PPM:
            raise ValueError(f"fraction: expected more than 0 and less than 1, found {data['fraction']!r}")
        _check_options(data["occluder"], data["options"])
        return Branch(
            weight=data["weight"],
            occluder=data["occluder"],
            placement=data["placement"]["name"],
            prior=parse_prior(data["placement"]["prior"]),
            fraction=fraction,
            aspect=ppm_range(data["aspect"], "aspect", 0.05, 20),
            count=(count[0], count[1]),
            of=data["of"],
            feather=_ppm(data["feather"], "feather", 0, 0.5),
            colour_match=_ppm(data["colour_match"], "colour_match", 0, 1),
            shadow=_ppm(data["shadow"], "shadow", 0, 1),
            options=data["options"],
        )
    except ValueError as error:
        raise UsageError(f"The recipe cannot be: {error}.", "", LISTING) from error


def _check_options(kind: str, options: Mapping[str, Any]) -> None:
    if "window" in options:
        ppm_range(options["window"], "window", 0.05, 1)
        corners = options["corners"]
        if not isinstance(corners, list) or not corners or not set(corners) <= set(CORNERS):
            raise ValueError(f"corners: expected some of {', '.join(CORNERS)}, found {corners!r}")
    if options.get("scale") is not None:
        ppm_range(options["scale"], "scale", 0.05, 4)
    if kind == "constant":
        colour = options["colour"]
        if not (isinstance(colour, list) and len(colour) == 3 and all(type(c) is int and 0 <= c < 256 for c in colour)):
            raise ValueError(f"colour: expected three whole numbers from 0 to 255, found {colour!r}")
    if kind == "bank" and not (
        isinstance(options["kinds"], list) and all(isinstance(one, str) for one in options["kinds"])
    ):
        raise ValueError(f"kinds: expected a list of names, found {options['kinds']!r}")
    if kind == "random-erasing" and not (type(options["attempts"]) is int and 1 <= options["attempts"] <= 1000):
        raise ValueError(f"attempts: expected a whole number from 1 to 1000, found {options['attempts']!r}")


def _ppm_pair(shares: Any) -> tuple[int, int]:
    low, high = shares
    return round(low * PPM), round(high * PPM)


def _ppm(value: Any, name: str, low: float, high: float) -> int:
    if type(value) not in (int, float) or not low <= value <= high:
        raise ValueError(f"{name}: expected a number from {low} to {high}, found {value!r}")
    ppm: int = round(value * PPM)
    return ppm
