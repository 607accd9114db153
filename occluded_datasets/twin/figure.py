"""Draw a person: a small walking skeleton in three dimensions, clothed in shaded ribbons."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache, partial

import cv2
import numpy as np

from ..drawn.paint import Floats, Image, scaled
from .body import Body, Frame, contact, crease, part_of, skeleton
from .garment import draw_backpack, draw_handbag, draw_shoulder_bag, draw_straps, draw_trunk, pattern_colour
from .head import draw_hair_behind, draw_head
from .paint import (
    NEUTRAL,
    Canvas,
    Ribbon,
    disc,
    fill,
    fixed_point,
    fold_sheet,
    halving_for,
    halvings,
    ribbon,
    spread,
    stamp,
)
from .person import Appearance, Pose

# From three joints to the points of a limb's centre line: rounded ends and a bend without a corner.
_LIMB = np.array(
    [
        [1.07, -0.07, 0],
        [1.03, -0.03, 0],
        [0.94, 0.06, 0],
        [0.7, 0.3, 0],
        [0.45, 0.55, 0],
        [0.16, 0.84, 0],
        [0.06, 0.88, 0.06],
        [0, 0.84, 0.16],
        [0, 0.55, 0.45],
        [0, 0.3, 0.7],
        [0, 0.05, 0.95],
        [0, 0, 1.0],
        [0, -0.03, 1.03],
    ],
    np.float32,
)


_LIMB_WIDTH = np.abs(_LIMB)


_LIMB_ROUND = np.array([0.4, 0.74, 0.95, 1, 1, 1, 1, 1, 1, 1, 1, 0.95, 0.6], np.float32)


def _line(body: Body, limb: int, widths: tuple[float, float, float]) -> Ribbon:
    centres = _LIMB @ body.limbs[limb, :, :2]
    halves = (_LIMB_WIDTH @ np.array(widths, np.float32)) * _LIMB_ROUND * np.float32(body.frame.scale)
    return ribbon(centres, halves)


def _draw_leg(canvas: Canvas, body: Body, side: int, gain: float) -> None:
    look = body.look
    g = 0.6 + 0.4 * look.girth
    cut = look.trouser_cut
    bare = _line(body, side, (0.06 * g, 0.041 * g, 0.023))
    _draw_shoe(canvas, body, side, gain)
    light = body.pose.light
    if look.lower_kind == "trousers":
        cloth = _line(body, side, (0.069 * g, (0.044 + 0.014 * cut) * g, 0.026 + 0.026 * cut))
        contact(canvas, cloth, 0.12, 134)
        stamp(canvas, cloth, look.lower, light, gain)
        for row, low, high in ((5, 0.15, 0.7), (7, 0.85, 0.35), (9, 0.2, 0.6), (10, 0.75, 0.3)):
            crease(canvas, body, cloth, (row, low, high), 168 * gain)
        return
    contact(canvas, bare, 0.12, 134)
    stamp(canvas, bare, look.skin, light, gain)
    if look.lower_kind == "shorts":
        short = _line(body, side, (0.071 * g, (0.056 + 0.01 * cut) * g, 0.05))
        stamp(canvas, part_of(short, 0, 7), look.lower, light, gain)


def _draw_shoe(canvas: Canvas, body: Body, side: int, gain: float) -> None:
    _, knee, ankle = body.joints[side]
    down = ankle - knee
    # The foot stands across the shin but never digs below the ground while the leg is in front.
    toe_y = max(-0.028, min(0.02, -0.5 * float(down[2]))) if down[2] > 0 else 0.45 * float(down[2])
    heel = ankle + np.array((0, -0.026, -0.022), np.float32)
    toe = ankle + np.array((ankle[0] * 0.25, -0.03 + toe_y, 0.088), np.float32)
    steps = np.array([-0.08, 0.0, 0.3, 0.65, 0.95, 1.08], np.float32)[:, None]
    points = body.flat((heel + (toe - heel) * steps).astype(np.float32))[:, :2]
    s = body.frame.scale
    halves = np.array([0.012, 0.025, 0.028, 0.027, 0.022, 0.01], np.float32) * np.float32(s)
    sole = ribbon(points + np.array((0, 0.009 * s), np.float32), halves)
    fill(canvas.rgba, sole.strip(0, 1), scaled(body.look.sole, 0.8 * gain))
    stamp(canvas, ribbon(points, halves * np.float32(0.95)), body.look.shoe, body.pose.light, gain)
    # Seen from behind a foot is only its heel, which the foreshortened ribbon has no width for.
    back = disc((float(points[1, 0]), float(points[1, 1]) + 0.004 * s), 0.024 * s, 0.02 * s)
    fill(canvas.rgba, back.strip(0, 1), scaled(body.look.shoe, gain))


def _draw_hand(canvas: Canvas, body: Body, side: int, gain: float) -> None:
    """Draw a hand, and the bag it carries."""
    look, s = body.look, body.frame.scale
    elbow, wrist = body.limbs[2 + side, 1, :2], body.limbs[2 + side, 2, :2]
    along = wrist - elbow
    length = float(np.hypot(along[0], along[1])) + 1e-6
    x, y = (float(v) for v in wrist + along * np.float32(0.02 * s / length))
    if look.bag == "handbag" and (side == 1) == (look.bag_side > 0):
        draw_handbag(canvas, body, x, y)
    tilt = math.atan2(-float(along[0]), float(along[1]) + 1e-6)
    stamp(canvas, disc((x, y), 0.021 * s, 0.034 * s, tilt), look.skin, body.pose.light, gain)


def _draw_arm(canvas: Canvas, body: Body, side: int, gain: float) -> None:
    look, light = body.look, body.pose.light
    _draw_hand(canvas, body, side, gain)
    g, pad = 0.55 + 0.45 * look.girth, look.padding * 0.7
    bare = _line(body, 2 + side, (0.034 * g, 0.029 * g, 0.019))
    whole = _line(body, 2 + side, ((0.04 + pad) * g, (0.035 + pad) * g, 0.026 + pad))
    contact(canvas, whole if look.sleeve == "long" else bare, 0.2, 132)
    # A sharply bent ribbon crosses itself and would be filled with a hole: draw it in two.
    halves = ((0, 8), (5, 13)) if body.pose.elbows[side] > 1.2 else ((0, 13),)
    if look.sleeve != "long":
        for start, stop in halves:
            stamp(canvas, part_of(bare, start, stop), look.skin, light, gain)
    if look.sleeve == "none":
        return
    sleeve = part_of(whole, 0, 13 if look.sleeve == "long" else 6)
    for start, stop in halves if look.sleeve == "long" else ((0, 6),):
        stamp(canvas, part_of(sleeve, start, stop), look.upper, light, gain)
    if look.pattern in ("stripes", "checks"):
        bands = [fixed_point(sleeve.strip(0, 1, i, i + 2)) for i in range(2, len(sleeve.left) - 2, 2)]
        cv2.fillPoly(canvas.rgba, bands, (*pattern_colour(look), 255), cv2.LINE_8, 4)
    if look.sleeve == "long":
        for run in ((5, 0.2, 0.8), (7, 0.75, 0.25), (9, 0.3, 0.8)):
            crease(canvas, body, sleeve, run, 160 * gain)


def _parts(canvas: Canvas, body: Body) -> list[tuple[float, Callable[[], None]]]:
    """List what to draw with its depth; the far ones come first."""
    # Without hip and shoulder: a hand held before the chest must vanish behind a back.
    depth = body.limbs[:, 1:, 2].mean(axis=1)
    facing, aside = math.cos(body.pose.view), math.sin(body.pose.view)
    bag = body.look.bag
    parts: list[tuple[float, Callable[[], None]]] = []
    for side in (0, 1):
        leg, arm = float(depth[side]), float(depth[2 + side])
        far = leg < float(depth[1 - side])
        parts.append((leg - 1.0, partial(_draw_leg, canvas, body, side, 0.84 if far else 1.0)))
        parts.append((arm + 0.03, partial(_draw_arm, canvas, body, side, 1.0 if arm > -0.04 else 0.82)))
    parts.append((0.0, partial(draw_trunk, canvas, body)))
    parts.append((0.001, partial(draw_straps, canvas, body)))
    if bag == "backpack":
        parts.append((-0.12 * facing, partial(draw_backpack, canvas, body)))
    elif bag == "shoulder":
        at = 0.06 - 0.135 * body.look.bag_side * aside
        parts.append((at, partial(draw_shoulder_bag, canvas, body)))
    parts.append((0.05 if facing < 0.1 else -0.05, partial(draw_hair_behind, canvas, body)))
    parts.append((0.06, partial(draw_head, canvas, body)))
    parts.sort(key=lambda item: item[0])
    return parts


def draw_figure(look: Appearance, pose: Pose, frame: Frame, size: tuple[int, int]) -> tuple[Floats, Floats]:
    """Return the premultiplied colours (h, w, 3), 0..255, and the cover (h, w), 0..1, of a person.

    Parameters
    ----------
    look, pose
        Who is drawn and how.
    frame
        Where the feet are and how many pixels the body is high.
    size
        Width and height of the image.
    """
    width, height = size
    zoom = min(6, max(2, round(400 / height)))
    canvas = Canvas.blank(height * zoom, width * zoom)
    joints, drop = skeleton(look, pose)
    bare = Body(look, pose, frame.zoomed(zoom), joints, joints, drop)
    body = replace(bare, limbs=bare.flat(joints))
    for _, draw in _parts(canvas, body):
        draw()
    return _finish(canvas, body, size)


def _finish(canvas: Canvas, body: Body, size: tuple[int, int]) -> tuple[Floats, Floats]:
    """Soften the shading, fold the cloth and shrink to the image."""
    width, height = size
    soft = max(3, int(body.frame.scale * 0.014) | 1)
    shade: Image = np.asarray(cv2.blur(canvas.shade, (soft, soft)), np.uint8)
    rgba = np.asarray(cv2.resize(canvas.rgba, size, interpolation=cv2.INTER_AREA), np.uint8)
    light = np.asarray(cv2.resize(shade, size, interpolation=cv2.INTER_AREA), np.float32)
    # The sheet is cut to the body, not to the image, so that folds keep their size on the cloth.
    levels = _fold_levels()
    level = halving_for(360 / body.frame.scale * (canvas.shade.shape[0] / height), len(levels))
    sheet = levels[level]
    left, top = (body.pose.cloth % 150) >> level, ((body.pose.cloth // 150) % 150) >> level
    rows = 360 >> level
    columns = max(1, min(rows * width // height, sheet.shape[1] - left))
    folds = sheet[top : top + rows, left : left + columns]
    light *= np.asarray(cv2.resize(folds, size, interpolation=cv2.INTER_LINEAR), np.float32)
    light *= np.linspace(1.06, 0.86, height, dtype=np.float32)[:, None] / np.float32(NEUTRAL * NEUTRAL)
    colours = np.asarray(cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB), np.float32)
    colours *= spread(light)
    return colours, rgba[:, :, 3] * np.float32(1 / 255)


@lru_cache(maxsize=1)
def _fold_levels() -> tuple[Image, ...]:
    return halvings(fold_sheet())
