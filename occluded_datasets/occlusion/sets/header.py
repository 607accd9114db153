"""The plan in a simulated set's header, which may come from a stranger: read strictly, or refused."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from ...errors import OccludedDatasetsError, UsageError
from ...manifest import Manifest
from ..recipes.recipe import Recipe
from .render import RecipeLevels

MOST_COPIES = 10_000
FORMATS = ("png", "jpeg")


class SimulationPlan(NamedTuple):
    """Every parameter that decides a pixel of a written set; `pool` and `bank` are their hashes, empty for none."""

    families: tuple[RecipeLevels, ...]
    seed: int
    copies: int
    pool: str
    bank: str
    format: str
    quality: int


def plan_in(simulated: Manifest) -> SimulationPlan:
    """Return the plan of a simulated set.

    Raises
    ------
    UsageError
        If it is no simulated set, its plan is damaged, or this version reads a recipe of it otherwise.
    """
    data = simulated.header.get("recipe")
    if simulated.dataset != "simulated" or not isinstance(data, Mapping):
        raise UsageError(
            f"{simulated.dataset}: no simulated set.", "Expected a manifest that occreid-prepare simulate wrote.",
            "occreid-prepare simulate MANIFEST --out DIR",
        )  # fmt: skip
    try:
        plan = SimulationPlan(
            tuple(_family(one) for one in data["families"]), data["seed"], data["copies"], _hash(data["pool"]),
            _hash(data["bank"]), data["format"], data["quality"] or 92,
        )  # fmt: skip
    except OccludedDatasetsError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        raise _damaged(f"{type(error).__name__}: {error}") from error
    if not plan.families or type(plan.seed) is not int or plan.seed < 0:
        raise _damaged("expected families and a seed")
    if type(plan.copies) is not int or not 1 <= plan.copies <= MOST_COPIES:
        raise _damaged(f"expected 1 to {MOST_COPIES} copies")
    if plan.format not in FORMATS or type(plan.quality) is not int or not 1 <= plan.quality <= 100:
        raise _damaged(f"expected a format of {', '.join(FORMATS)} and a quality of 1 to 100")
    return plan


def _family(data: Mapping[str, Any]) -> RecipeLevels:
    if not isinstance(data["recipe"], Mapping) or not isinstance(data["name"], str):
        raise TypeError("a family is a recipe with a name")
    recipe = Recipe.of(data["recipe"])
    if data["recipe"]["id"] != recipe.id:
        raise UsageError(
            "The recipe is another one.", f"Expected {str(data['recipe']['id'])[:80]}, found {recipe.id}.",
            "replay it with the version that wrote it; the header names it",
        )  # fmt: skip
    return RecipeLevels(recipe, tuple(float(level) for level in data["levels"]), data["name"])


def _hash(data: Any) -> str:
    if data is None:
        return ""
    if not isinstance(data["hash"], str):
        raise TypeError("a hash is text")
    return data["hash"]


def _damaged(why: str) -> UsageError:
    return UsageError(
        "The recipe in the header of this simulated set is damaged.", f"{why[:200]}.", "get the manifest again"
    )
