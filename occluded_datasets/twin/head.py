"""Draw heads: skull, face, hair and hats, from every side."""

from __future__ import annotations

import math

import numpy as np

from ..drawn.paint import scaled
from .body import Body, fill_shade
from .paint import Canvas, Ribbon, disc, fill, ribbon, stamp

_UP = 0.928


def draw_hair_behind(canvas: Canvas, body: Body) -> None:
    """Draw hair that falls over the back; it lies behind the trunk when the face shows."""
    look, s = body.look, body.frame.scale
    style = look.hair_style
    length = {"long": 0.765, "bob": 0.862, "ponytail": 0.8}.get(style)
    if length is None:
        return
    wide = 0.026 if style == "ponytail" else 0.056
    back = -0.075 if style == "ponytail" else -0.03
    points = [
        body.spot(0, 0.95, back * 0.6),
        body.spot(0, 0.89, back),
        body.spot(0, (0.89 + length) / 2, back),
        body.spot(0, length, back),
    ]
    halves = np.array([0.9, 1.05, 1.0, 0.7], np.float32) * np.float32(wide * s)
    stamp(canvas, ribbon(np.array(points, np.float32), halves), look.hair, body.pose.light, 0.92)


def draw_head(canvas: Canvas, body: Body) -> None:
    """Draw the head on top of everything already there."""
    look, s = body.look, body.frame.scale
    view = body.pose.view + body.pose.head_turn
    facing, aside = math.cos(view), math.sin(view)
    x, y = body.spot(0, _UP, 0.016)
    skull = math.hypot(0.05 * facing, 0.06 * aside) * s
    light = body.pose.light
    # The chin's shadow on the neck is what separates face from collar at this size.
    _fill_one(canvas, disc((x + 0.01 * s * aside, y + 0.06 * s), skull * 0.8, 0.03 * s), 125)
    if look.hair_style == "hood":
        _draw_hood(canvas, body, skull, facing)
    elif look.hair_style == "cropped":
        stamp(canvas, disc((x, y), skull * 0.99, 0.064 * s), scaled(look.skin, 0.8), light)
    else:
        bulk = {"curly": 1.24, "long": 1.1, "bob": 1.12}.get(look.hair_style, 1.05)
        # Hair ends above the jaw, or every haircut looks like a scarf.
        low = 0.008 if look.hair_style in ("long", "bob") else 0.015
        crown = disc((x - 0.009 * s * aside, y - low * s), skull * bulk, (0.073 - low) * s * bulk)
        stamp(canvas, crown, look.hair, light)
    if look.hair_style == "bun":
        bx, by = body.spot(0, 0.985, -0.045)
        stamp(canvas, disc((bx, by), 0.027 * s, 0.025 * s), look.hair, light)
    if facing > -0.55:
        _draw_face(canvas, body, (x, y), facing, aside)
    if look.hair_style in ("cap", "beanie"):
        _draw_hat(canvas, body, (x, y), skull, aside)


def _draw_hood(canvas: Canvas, body: Body, skull: float, facing: float) -> None:
    """Draw a raised hood, which runs down into the shoulders."""
    points = np.array([body.spot(0, up, 0.004) for up in (1.0, 0.985, 0.95, 0.9, 0.86, 0.825)], np.float32)
    halves = np.array([0.35, 0.8, 1.18, 1.22, 1.15, 1.5], np.float32) * np.float32(skull)
    cloth = ribbon(points, halves)
    stamp(canvas, cloth, scaled(body.look.upper, 0.92), body.pose.light)
    if facing < 0:
        fill_shade(canvas, cloth.strip(0.48, 0.53, 1), 150)


def _fill_one(canvas: Canvas, shape: Ribbon, value: float) -> None:
    """Set the shade inside a shape."""
    fill_shade(canvas, shape.strip(0, 1), value)


def _draw_face(canvas: Canvas, body: Body, centre: tuple[float, float], facing: float, aside: float) -> None:
    look, s = body.look, body.frame.scale
    frontal = max(0.0, facing)
    x = centre[0] + (0.022 * aside) * s
    y = centre[1] + 0.011 * s
    half = (0.037 + 0.0105 * frontal) * s * (1.0 if facing > 0 else max(0.35, 1 + 1.1 * facing))
    x += (0.02 * s * aside) if facing < 0 else 0.0
    face = disc((x, y), half, (0.056 if look.hair_style != "cropped" else 0.062) * s)
    stamp(canvas, face, look.skin, body.pose.light)
    if abs(aside) > 0.55:
        ear = disc((centre[0] - 0.004 * s * aside, y + 0.002 * s), 0.009 * s, 0.015 * s)
        fill(canvas.rgba, ear.strip(0, 1), scaled(look.skin, 0.85))
    if facing < 0.05 and abs(aside) < 0.9:
        return
    dark = scaled(look.skin, 0.5)
    for side in (-1, 1):
        deep = 0.05 * aside + side * 0.021 * facing
        if side * aside > 0.75:
            continue
        eye = disc((centre[0] + deep * s, y - 0.006 * s), (0.004 + 0.005 * frontal) * s, 0.0042 * s)
        fill(canvas.rgba, eye.strip(0, 1), (28, 26, 28) if look.glasses else dark)
        brow = disc((centre[0] + deep * s, y - 0.018 * s), (0.005 + 0.008 * frontal) * s, 0.003 * s)
        fill(canvas.rgba, brow.strip(0, 1), scaled(look.hair, 1.1))
        cheek = disc((centre[0] + deep * s, y - 0.008 * s), (0.008 + 0.006 * frontal) * s, 0.01 * s)
        _fill_one(canvas, cheek, 176)
    front = centre[0] + 0.056 * aside * s
    if look.face_mask:
        fill(
            canvas.rgba,
            disc((x + 0.006 * s * aside, y + 0.028 * s), half * 0.92, 0.026 * s).strip(0, 1),
            (190, 208, 220),
        )
        return
    _fill_one(canvas, disc((front, y + 0.012 * s), 0.006 * s, 0.012 * s), 168)
    fill(
        canvas.rgba,
        disc((front - 0.006 * aside * s, y + 0.031 * s), (0.005 + 0.011 * frontal) * s, 0.0042 * s).strip(0, 1),
        (look.skin[0] * 0.66, look.skin[1] * 0.46, look.skin[2] * 0.45),
    )


def _draw_hat(canvas: Canvas, body: Body, centre: tuple[float, float], skull: float, aside: float) -> None:
    look, s = body.look, body.frame.scale
    beanie = look.hair_style == "beanie"
    x, y = centre[0] - 0.004 * s * aside, centre[1] - (0.026 if beanie else 0.014) * s
    dome = disc((x, y), skull * 1.12, 0.056 * s)
    # Points run from the crown down, so the first part of the ribbon is the upper cap.
    stamp(canvas, Ribbon(dome.left[:6], dome.right[:6]), look.hat, body.pose.light)
    if beanie:
        rim = Ribbon(dome.left[4:7], dome.right[4:7])
        stamp(canvas, rim, scaled(look.hat, 0.8), body.pose.light)
        return
    facing = math.cos(body.pose.view + body.pose.head_turn)
    if facing > -0.5:
        brim = disc((x + 0.062 * s * aside, y - 0.002 * s), (0.03 + 0.018 * max(0.0, facing)) * s, 0.013 * s)
        stamp(canvas, brim, scaled(look.hat, 0.75), body.pose.light)
