"""Draw the trunk: upper and lower garment, their patterns and folds, and bags."""

from __future__ import annotations

import math

import cv2
import numpy as np

from ..drawn.paint import Colour, scaled
from .body import Body, contact, crease, fill_shade, part_of
from .paint import Canvas, Ribbon, fill, fixed_point, ribbon, stamp
from .person import Appearance

_ROWS = 24


_TORSO_AT = (0.855, 0.838, 0.822, 0.8, 0.765, 0.72, 0.66, 0.61, 0.56, 0.52, 0.48, 0.4, 0.28)


def _torso(body: Body, hem: float, pad: float, flare: float = 0.0) -> Ribbon:
    """Return the trunk from the neck to `hem`, as seen from the pose's side."""
    look = body.look
    g, sh, hip = look.girth, look.shoulder, look.hip * (0.72 + 0.28 * look.girth)
    waist = 0.078 * g + 0.004
    across = np.array(
        [
            0.03,
            0.042,
            sh * 0.6,
            sh * 0.9,
            sh * 0.98,
            sh * 0.96,
            waist * 1.06,
            waist,
            (waist + hip) / 2,
            hip,
            hip * 1.02,
            hip * 1.04,
            hip * 1.06,
        ],
        np.float32,
    )
    deep = np.array(
        [0.03, 0.036, 0.052, 0.062, 0.072, 0.078, 0.07, 0.066, 0.068, 0.074, 0.074, 0.072, 0.072], np.float32
    )
    at = np.linspace(0.852, hem, _ROWS)
    order = slice(None, None, -1)
    wide = np.interp(at, _TORSO_AT[::-1], across[order]) + pad
    thick = np.interp(at, _TORSO_AT[::-1], deep[order]) * (0.35 + 0.65 * g) + pad
    below = np.clip((0.56 - at) / 0.2, 0, 2) * flare
    halves = np.hypot((wide + below) * math.cos(body.pose.view), (thick + below) * math.sin(body.pose.view))
    spine = np.zeros((_ROWS, 3), np.float32)
    spine[:, 1] = at
    spine[:, 2] = 0.012 * np.sin((at - 0.5) * 9)
    return ribbon(body.flat(spine)[:, :2], (halves * body.frame.scale).astype(np.float32))


def _across(body: Body, angle: float) -> float:
    """Return where on the trunk (0 left, 1 right) a longitude shows; the front's middle is 0."""
    turned = body.pose.view + angle
    at = 0.5 + 0.5 * math.sin(turned)
    return at if math.cos(turned) > 0 else float(at > 0.5)


def _shade_below(canvas: Canvas, body: Body, cloth: Ribbon) -> None:
    """Darken the strip just below a hem; the cloth itself is drawn over the rest."""
    drop = np.array((0, 0.022 * body.frame.scale), np.float32)
    fill_shade(canvas, Ribbon(cloth.left[-2:] + drop, cloth.right[-2:] + drop).strip(0.02, 0.98), 116)


def draw_trunk(canvas: Canvas, body: Body) -> None:
    """Draw neck, lower and upper garment, from below the hips to the collar."""
    look, light = body.look, body.pose.light
    if look.lower_kind == "skirt":
        skirt = _torso(body, 0.27 + 0.1 * look.trouser_cut, 0.002, 0.018 + 0.02 * look.trouser_cut)
        shape = part_of(skirt, 10, _ROWS)
        _shade_below(canvas, body, shape)
    else:
        shape = part_of(_torso(body, 0.452, 0.0), 12, _ROWS)
    stamp(canvas, shape, look.lower, light)
    neck = np.array([body.spot(0, 0.885, 0.012), body.spot(0, 0.83, 0)], np.float32)
    round_neck = ribbon(neck, np.full(2, 0.029 * body.frame.scale, np.float32))
    stamp(canvas, round_neck, scaled(look.skin, 0.86), light)
    coat = _torso(body, look.hem, 0.004 + look.padding, 0.006)
    _shade_below(canvas, body, coat)
    stamp(canvas, coat, look.upper, light)
    _draw_pattern(canvas, body, coat)
    _draw_creases(canvas, body, coat)


def _draw_pattern(canvas: Canvas, body: Body, coat: Ribbon) -> None:
    look = body.look
    facing = math.cos(body.pose.view)
    if look.pattern in ("stripes", "checks"):
        bands = [fixed_point(coat.strip(0, 1, i, i + 2)) for i in range(4, _ROWS - 1, 2)]
        cv2.fillPoly(canvas.rgba, bands, (*pattern_colour(look), 255.0), cv2.LINE_8, 4)
    if look.pattern == "checks":
        for angle in np.arange(-math.pi, math.pi, 0.5):
            if math.cos(body.pose.view + angle) > 0.1:
                column = coat.strip(_across(body, angle), _across(body, angle + 0.2), 2)
                fill(canvas.rgba, column, scaled(look.accent, 0.85))
    elif look.pattern == "block":
        fill(canvas.rgba, coat.strip(0, 1, 7, 15), look.accent)
    elif look.pattern == "logo" and facing > 0.15:
        fill(canvas.rgba, coat.strip(_across(body, -0.42), _across(body, 0.42), 7, 13), look.accent)
        fill(canvas.rgba, coat.strip(_across(body, -0.25), _across(body, 0.3), 9, 11), look.upper)
    elif look.pattern in ("open", "zip") and facing > -0.35:
        _draw_opening(canvas, body, coat)
    if facing > 0.2 and look.pattern != "open":
        fill(canvas.rgba, coat.strip(_across(body, -0.5), _across(body, 0.5), 0, 3), scaled(look.skin, 0.8))


def _draw_opening(canvas: Canvas, body: Body, coat: Ribbon) -> None:
    """Show the shirt between the halves of an open jacket, or the line of a closed zip."""
    half = 0.36 if body.look.pattern == "open" else 0.04
    low, high = _across(body, -half), _across(body, half)
    if high > low:
        fill(canvas.rgba, coat.strip(low, high, 1), body.look.accent)
        fill_shade(canvas, coat.strip(low - 0.03, low + 0.02, 2), 140)
        fill_shade(canvas, coat.strip(high - 0.02, high + 0.03, 2), 140)


def pattern_colour(look: Appearance) -> Colour:
    """Return the colour a pattern lays over the upper garment's."""
    mix = 0.55 if look.pattern == "checks" else 0.9
    first, second = look.upper, look.accent
    red, green, blue = (a + (b - a) * mix for a, b in zip(first, second, strict=True))
    return red, green, blue


def _draw_creases(canvas: Canvas, body: Body, coat: Ribbon) -> None:
    """Shade the seam of the hem and the pulls of cloth at waist and armpit."""
    fill_shade(canvas, coat.strip(0.03, 0.97, _ROWS - 2), 150)
    rng = np.random.default_rng(body.pose.cloth)
    draws = rng.random((6, 4))
    for row, start, run, tone in draws:
        low = 0.08 + 0.6 * float(start)
        high = low + 0.12 + 0.3 * float(run)
        crease(canvas, body, coat, (6 + int(row * (_ROWS - 10)), low, high), 160 + 68 * float(tone > 0.6))


def draw_backpack(canvas: Canvas, body: Body) -> None:
    """Draw a backpack, as wide or as deep as its side turned to the camera."""
    s = body.frame.scale
    rows = np.linspace(0, 1, 8, dtype=np.float32)
    spine = np.stack((rows * 0, 0.815 - rows * 0.25, rows * 0 - 0.118), axis=1).astype(np.float32)
    half = body.girth(0.088, 0.052)
    shape = ribbon(
        body.flat(spine)[:, :2],
        np.array([0.5, 0.85, 0.95, 1, 1, 1, 0.97, 0.85], np.float32) * np.float32(half * s),
    )
    contact(canvas, shape, 0.1, 118)
    stamp(canvas, shape, body.look.bag_colour, body.pose.light)
    fill_shade(canvas, shape.strip(0.12, 0.88, 4, 6), 150)
    fill(canvas.rgba, shape.strip(0.2, 0.8, 5, 7), scaled(body.look.bag_colour, 0.8))


def draw_straps(canvas: Canvas, body: Body) -> None:
    """Draw what holds a bag, over the chest."""
    look, s = body.look, body.frame.scale
    facing = math.cos(body.pose.view)
    colour = scaled(look.bag_colour, 0.85)
    if look.bag == "backpack" and facing > -0.3:
        for sign in (-1, 1):
            points = [
                body.spot(sign * 0.062, 0.835, 0.0),
                body.spot(sign * 0.075, 0.76, 0.07),
                body.spot(sign * 0.09, 0.66, 0.03),
            ]
            strap = ribbon(np.array(points, np.float32), np.full(3, 0.0125 * s, np.float32))
            fill(canvas.rgba, strap.strip(0, 1), colour)
    if look.bag == "shoulder":
        out = 0.075 if facing > 0 else -0.075
        side = look.bag_side
        points = [
            body.spot(-side * 0.06, 0.835, 0.0),
            body.spot(0, 0.68, out),
            body.spot(side * 0.12, 0.52, out * 0.4),
        ]
        fill(
            canvas.rgba,
            ribbon(np.array(points, np.float32), np.full(3, 0.009 * s, np.float32)).strip(0, 1),
            colour,
        )


def draw_shoulder_bag(canvas: Canvas, body: Body) -> None:
    """Draw a messenger bag at the hip."""
    s = body.frame.scale
    x, y = body.spot(body.look.bag_side * 0.135, 0.5, 0.0)
    rows = np.linspace(0, 1, 5, dtype=np.float32)[:, None]
    centres = np.array([x, y - 0.03 * s], np.float32) + rows * np.array([0, 0.13 * s], np.float32)
    shape = ribbon(centres, np.array([0.9, 1, 1, 1, 0.9], np.float32) * np.float32(body.girth(0.034, 0.088) * s))
    contact(canvas, shape, 0.1, 118)
    stamp(canvas, shape, body.look.bag_colour, body.pose.light)
    fill_shade(canvas, shape.strip(0.05, 0.95, 1, 3), 165)


def draw_handbag(canvas: Canvas, body: Body, x: float, y: float) -> None:
    """Draw a bag that hangs from the hand at x, y."""
    s = body.frame.scale
    half = body.girth(0.035, 0.075) * s
    top = y + 0.06 * s
    for shift in (-0.6, 0.6):
        strap = np.array([[x, y], [x + half * shift, top + 0.02 * s]], np.float32)
        fill(canvas.rgba, ribbon(strap, np.full(2, 0.006 * s, np.float32)).strip(0, 1), body.look.bag_colour)
    rows = np.linspace(0, 1, 5, dtype=np.float32)[:, None]
    centres = np.array([x, top], np.float32) + rows * np.array([0, 0.115 * s], np.float32)
    shape = ribbon(centres, np.array([0.86, 0.95, 1.0, 1.02, 0.94], np.float32) * np.float32(half))
    contact(canvas, shape, 0.15, 118)
    stamp(canvas, shape, body.look.bag_colour, body.pose.light)
