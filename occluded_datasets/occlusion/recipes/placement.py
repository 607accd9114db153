"""Where an occluder stands: priors as data, and the integer boxes they lead to. Pure.

A place is a pair (u, v) of shares of the free play: of the pixels that the box leaves beside itself, u lie to its left
and v above it. So u = 0 is flush left, v = 1 stands on the lower edge, and v >= 0.5 puts the centre of a box of any
size into the lower half. For fixed (u, v) a larger box contains the smaller one: levels nest.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from importlib import resources
from math import isqrt
from typing import Any, Literal, NamedTuple

from .keys import PPM, draw_between, draw_choice

SPANS = ("", "width", "height")


class Box(NamedTuple):
    """Integer pixels, origin top-left: columns x to x + w - 1, rows y to y + h - 1."""

    x: int
    y: int
    w: int
    h: int

    def clipped(self, width: int, height: int) -> Box:
        """Return the part inside an image of `width` x `height`."""
        x, y = max(0, self.x), max(0, self.y)
        return Box(x, y, min(width, self.x + self.w) - x, min(height, self.y + self.h) - y)


class Component(NamedTuple):
    """One part of a prior: ranges of u and v in parts per million; a span fills that side of the image."""

    weight: int
    u: tuple[int, int]
    v: tuple[int, int]
    span: Literal["", "width", "height"]


class Place(NamedTuple):
    """Where, whatever the size: u and v in parts per million, and the side that is filled."""

    u: int
    v: int
    span: str


Prior = Mapping[str, tuple[Component, ...]]
"""Components by the occluder's class; ``default`` serves all others."""


@cache
def named_priors() -> Mapping[str, Any]:
    """Return the shipped priors by name, as ``manifests/placements.json`` says them."""
    text = resources.files("occluded_datasets.manifests").joinpath("placements.json").read_text("utf-8")
    priors: Mapping[str, Any] = json.loads(text)
    return priors


def parse_prior(data: Any) -> Prior:
    """Return a prior from its JSON form.

    Raises
    ------
    ValueError
        If it has no ``default``, or a component is not {weight, u, v[, span]} within 0 to 1.
    """
    if not isinstance(data, Mapping) or not data.get("default"):
        raise ValueError("a placement: expected an object with a list named default")
    return {str(kind): tuple(_component(one) for one in parts) for kind, parts in data.items()}


def _component(data: Any) -> Component:
    if not isinstance(data, Mapping) or not {"weight", "u", "v"} <= set(data) <= {"weight", "u", "v", "span"}:
        raise ValueError(f"a placement's component: expected weight, u, v and perhaps span, found {data!r}")
    weight, span = data["weight"], data.get("span", "")
    if type(weight) is not int or weight < 1 or span not in SPANS:
        raise ValueError(f"a placement's component: expected a weight of 1 or more and a span, found {data!r}")
    return Component(weight, ppm_range(data["u"], "u", 0, 1), ppm_range(data["v"], "v", 0, 1), span)


def ppm_range(value: Any, name: str, low: float, high: float) -> tuple[int, int]:
    """Return a range [from, to] in parts per million.

    Parameters
    ----------
    value : list or tuple
        The least and the greatest number, int or float, as a recipe states them; anything else is an error.
    name : str
        What the error calls it.
    low, high : float
        The bounds of both numbers, themselves allowed.

    Raises
    ------
    ValueError
        If it is no ascending pair of numbers from `low` to `high`.
    """
    numbers = isinstance(value, (list, tuple)) and len(value) == 2 and all(type(one) in (int, float) for one in value)
    if not numbers or not low <= value[0] <= value[1] <= high:
        raise ValueError(f"{name}: expected an ascending pair from {low} to {high}, found {value!r}")
    return round(value[0] * PPM), round(value[1] * PPM)


def place(prior: Prior, kind: str, which: int, across: int, down: int) -> Place:
    """Return a place from three words: which component, where across, where down.

    Parameters
    ----------
    prior : Prior
        Components by the occluder's class.
    kind : str
        The class; one that the prior does not name takes ``default``.
    which, across, down : int
        Words of 64 bits: they decide the component (by its weight), u and v.
    """
    parts = prior.get(kind) or prior["default"]
    part = parts[draw_choice(which, tuple(one.weight for one in parts))] if len(parts) > 1 else parts[0]
    return Place(draw_between(across, *part.u), draw_between(down, *part.v), part.span)


def sized(area: int, aspect: int, span: str, width: int, height: int) -> tuple[int, int]:
    """Return (w, h) of a box of about `area` pixels inside an image of `width` x `height`.

    The aspect h / w, in parts per million, is kept until a side meets the image's. Off by at most half a side:
    less than 0.5 % of an image of 100 rows or more.

    Examples
    --------
    >>> sized(2048, 1_000_000, "", 64, 128), sized(4096, 1_000_000, "", 64, 128)
    ((45, 46), (64, 64))
    """
    if span == "height":
        return min(width, max(1, (2 * area + height) // (2 * height))), height
    if span == "width":
        return width, min(height, max(1, (2 * area + width) // (2 * width)))
    w = min(width, max(1, isqrt(4 * area * PPM // aspect) + 1 >> 1))
    h = (2 * area + w) // (2 * w)
    if h > height:
        h = height
        w = min(width, (2 * area + h) // (2 * h))
    return w, max(1, h)


def stood(at: Place, w: int, h: int, width: int, height: int) -> Box:
    """Return the box of w x h at a place; one larger than the image reaches beyond it by the same shares.

    Parameters
    ----------
    at : Place
        Its u and v decide x and y; its span is not read.
    w, h : int
        The box's width and height, in pixels.
    width, height : int
        The image's size, in pixels.
    """
    return Box(_offset(at.u, width - w), _offset(at.v, height - h), w, h)


def _offset(share: int, play: int) -> int:
    """Return where a box begins: a share of `play` + 1 positions, or of what hangs over."""
    if play < 0:
        return share * play // PPM
    return min(play, share * (play + 1) // PPM)
