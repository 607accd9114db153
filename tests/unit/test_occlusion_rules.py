"""What a picture is decided by: keyed words, places, recipes as data, and the exact blend."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from occluded_datasets.errors import InputError, OccludedDatasetsError, UnknownNameError, UsageError
from occluded_datasets.occlusion import Recipe, presets
from occluded_datasets.occlusion.blend import divided, over, premultiplied
from occluded_datasets.occlusion.recipes.keys import Key, below, draw_between, draw_choice
from occluded_datasets.occlusion.recipes.placement import Box, named_priors, parse_prior, place, sized, stood


def test_words_are_the_documented_hash() -> None:
    """A block is blake2b of the documented text: eight little-endian integers."""
    digest = hashlib.blake2b(b"7|shape|2|1|ab|0").digest()
    expected = tuple(int.from_bytes(digest[at : at + 8], "little") for at in range(0, 64, 8))
    assert Key(7, "ab", 2, 1).words("shape") == expected


def test_every_part_of_a_key_counts() -> None:
    """Another seed, picture, copy, occurrence, purpose or number gives other words."""
    base = Key(1, "a", 0, 0)
    others = [Key(2, "a", 0, 0), Key(1, "b", 0, 0), Key(1, "a", 1, 0), Key(1, "a", 0, 1)]
    words = {base.words("x"), base.words("y"), base.words("x", 1), *(key.words("x") for key in others)}
    assert len(words) == 7


def test_ranges_reach_both_ends() -> None:
    """The smallest and the largest word give the two ends of a range, and never more."""
    last = (1 << 64) - 1
    assert (below(0, 7), below(last, 7)) == (0, 6)
    assert (draw_between(0, -3, 3), draw_between(last, -3, 3)) == (-3, 3)
    assert [draw_choice(word, (1, 3)) for word in (0, (1 << 62) - 1, 1 << 62, last)] == [0, 0, 1, 1]


@pytest.mark.parametrize("size", [(64, 128), (128, 256), (48, 110)])
def test_boxes_nest_across_levels(size: tuple[int, int]) -> None:
    """At one place and aspect, the box of a higher level contains the box of a lower one."""
    width, height = size
    for number in range(300):
        words = Key(5, str(number)).words("shape")
        at = place(parse_prior(named_priors()["lower-side-uniform"]), "noise", words[4], words[5], words[6])
        aspect = draw_between(words[7], 700_000, 1_400_000)
        inner = None
        for percent in range(10, 80, 10):
            box = stood(at, *sized(width * height * percent // 100, aspect, "", width, height), width, height)
            assert 0 <= box.x <= box.x + box.w <= width
            assert 0 <= box.y <= box.y + box.h <= height
            if inner:
                assert box.x <= inner.x
                assert box.y <= inner.y
                assert box.x + box.w >= inner.x + inner.w
                assert box.y + box.h >= inner.y + inner.h
            inner = box


@pytest.mark.parametrize("size", [(64, 128), (128, 256), (100, 100)])
def test_sizes_are_within_half_a_per_cent(size: tuple[int, int]) -> None:
    """Every area from 1 to 99 per cent and every usual aspect is met within 0.5 % of the picture."""
    width, height = size
    for percent in range(1, 100):
        area = width * height * percent // 100
        for aspect in (500_000, 700_000, 1_000_000, 1_400_000, 2_000_000):
            w, h = sized(area, aspect, "", width, height)
            assert abs(w * h - area) <= 0.005 * width * height, (percent, aspect, w, h)


def test_a_lower_body_box_has_its_centre_in_the_lower_half() -> None:
    """Whatever the size: that is what v >= 0.5 means."""
    for number in range(200):
        words = Key(1, str(number)).words("shape")
        at = place(parse_prior(named_priors()["lower-body"]), "noise", words[4], words[5], words[6])
        for size in ((10, 10), (60, 40), (64, 120)):
            box = stood(at, *size, 64, 128)
            assert 2 * box.y + box.h >= 128 - 1


@pytest.mark.parametrize("bad", [{}, {"default": []}, {"default": [{"weight": 0, "u": [0, 1], "v": [0, 1]}]},
                                 {"default": [{"weight": 1, "u": [1, 0], "v": [0, 1]}]},
                                 {"default": [{"weight": 1, "u": [0, 1], "v": [0, 1], "span": "both"}]}])  # fmt: skip
def test_a_prior_that_is_none_is_refused(bad: Any) -> None:
    """A placement of one's own is checked when it is read."""
    with pytest.raises(UsageError):
        Recipe.of("afpb", placement=bad)


def test_presets_have_these_ids() -> None:
    """A rule that changes must change this table: an id stands beside every published picture."""
    assert {name: Recipe.of(name).id for name in presets()} == IDS


def test_a_recipe_reads_back_as_itself(tmp_path: Path) -> None:
    """From a mapping, a file and a recipe the id is the same; titles and the spelling of numbers do not count."""
    for name in presets():
        recipe = Recipe.of(name)
        (tmp_path / "r.json").write_text(json.dumps(recipe.to_dict()))
        assert Recipe.of(recipe).id == Recipe.of(recipe.to_dict()).id == Recipe.of(tmp_path / "r.json").id == recipe.id
    data = {**Recipe.of("afpb").to_dict(), "title": "other", "notes": "other", "probability": 1.0}
    assert Recipe.of(data).id == Recipe.of("afpb").id
    assert Recipe.of("afpb", fraction=(0.25, 0.29)).id != Recipe.of("afpb").id


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fraction": (0, 0.3)}, "more than 0"),
        ({"fraction": (0.3, 1)}, "less than 1"),
        ({"fraction": (0.4, 0.3)}, "ascending"),
        ({"aspect": (0, 1)}, "aspect"),
        ({"count": (0, 1)}, "count"),
        ({"of": "head"}, "of: expected one of box, person"),
        ({"feather": 2}, "feather"),
        ({"probability": 2}, "probability"),
        ({"options": {"windows": [0.1, 0.2]}}, "unknown options windows"),
        ({"options": {"window": [0.1, 0.2], "corners": ["bottom"]}}, "corners"),
    ],
)
def test_an_impossible_value_is_refused(changes: dict[str, Any], words: str) -> None:
    """The message names the value and what was expected."""
    with pytest.raises(UsageError, match=words):
        Recipe.of("afpb", **changes)


@pytest.mark.parametrize(
    "rubbish",
    [5, None, [1], {}, {"schema": 1, "arms": 5}, {"schema": 1, "arms": []}, {"schema": 1, "arms": [5]},
     {"schema": 2, "arms": [{}]}, {"schema": 1, "arms": [{"occluder": [], "placement": "uniform", "fraction": [0.1, 0.2]}]},
     {"schema": 1, "arms": [{"occluder": "noise", "placement": {"default": 5}, "fraction": [0.1, 0.2]}]},
     {"schema": 1, "arms": [{"occluder": "noise", "placement": None, "fraction": [0.1, 0.2]}]},
     {"schema": 1, "arms": [{"occluder": "noise", "placement": "uniform", "fraction": [float("nan"), 0.2]}]},
     {"schema": 1, "arms": [{"occluder": "noise", "placement": "uniform", "fraction": "0.1"}]},
     {"schema": 1, "arms": [{"occluder": "noise", "placement": "uniform", "fraction": [0.1, 0.2], "options": 5}]},
     {"schema": 1, "probability": "x", "arms": [{"occluder": "noise", "placement": "uniform", "fraction": [0.1, 0.2]}]},
     {"schema": 1, "arms": [{"occluder": "noise", "placement": {"name": [1], "prior": {}}, "fraction": [0.1, 0.2]}]}],
)  # fmt: skip
def test_rubbish_is_refused_in_words(rubbish: Any) -> None:
    """Whatever is given for a recipe, the answer is one of our errors."""
    with pytest.raises(OccludedDatasetsError):
        Recipe.of(rubbish)


def test_a_shipped_name_stands_for_what_ships() -> None:
    """A placement of one's own that borrows a name is called custom."""
    own = {"name": "uniform", "prior": named_priors()["sides"]}
    assert Recipe.of("noise", placement=own).arms[0].placement == "custom"
    assert Recipe.of("noise", placement="uniform").arms[0].placement == "uniform"


def test_misspelt_names_are_guessed() -> None:
    """A preset, an occluder or a placement that nearly exists is offered."""
    for what, changes, near in (("afbp", {}, "afpb"), ("afpb", {"occluder": "noize"}, "noise"),
                                ("afpb", {"placement": "lowerbody"}, "lower-body")):  # fmt: skip
        with pytest.raises(UnknownNameError, match=f"Did you mean {near}"):
            Recipe.of(what, **changes)


def test_a_file_that_is_no_recipe(tmp_path: Path) -> None:
    """Rubbish is an input error, an object without arms says what it lacks."""
    (tmp_path / "r.json").write_text("[")
    with pytest.raises(InputError, match="not a recipe file"):
        Recipe.of(tmp_path / "r.json")
    (tmp_path / "r.json").write_text("{}")
    with pytest.raises(UsageError, match="list of arms"):
        Recipe.of(tmp_path / "r.json")


def test_division_by_255_is_exact() -> None:
    """The integer rule is round(x / 255) for every product of two bytes."""
    x = np.arange(65026)
    assert (divided(x.astype(np.uint16)) == (2 * x + 255) // 510).all()


def test_a_blend_is_the_formula() -> None:
    """Each channel is round((255 s + d (255 - a)) / 255), checked by whole numbers over random pixels."""
    chance = np.random.default_rng(1)
    rgba = chance.integers(0, 256, (40, 50, 4), np.uint8)
    patch, below_ = premultiplied(rgba), chance.integers(0, 256, (40, 50, 3), np.uint8)
    out = below_.copy()
    over(out, patch, Box(0, 0, 50, 40))
    wide = patch.astype(int)
    exact = (2 * (255 * wide[..., :3] + below_.astype(int) * (255 - wide[..., 3:])) + 255) // 510
    assert (out == exact).all()
    assert (patch[..., :3] <= patch[..., 3:]).all()


IDS = {
    "afpb": "afpb@b6fdabf6",
    "afpb-wide": "afpb-wide@99bcfde6",
    "afpb-wide-noise": "afpb-wide-noise@142f9b65",
    "bank": "bank@77bbf8bd",
    "mixed": "mixed@285638a5",
    "partial-crop": "partial-crop@c597d216",
    "person": "person@348aa0ab",
    "random-erasing": "random-erasing@acc852fa",
    "strip": "strip@91295e9c",
}
