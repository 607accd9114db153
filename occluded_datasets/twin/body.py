"""The skeleton of one posed person and the strokes its clothes are drawn with."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from ..drawn.paint import Floats
from .paint import Canvas, Ribbon, fixed_point
from .person import Appearance, Pose


@dataclass(frozen=True)
class Frame:
    """Where in the image a body is put: the ground point and the pixels of one body height."""

    foot_x: float
    foot_y: float
    scale: float

    def zoomed(self, by: float) -> Frame:
        """Return the same place on a canvas `by` times as large."""
        return Frame(self.foot_x * by, self.foot_y * by, self.scale * by)


@dataclass(frozen=True)
class Body:
    """One posed person in canvas coordinates, shared by the routines that draw its parts."""

    look: Appearance
    pose: Pose
    frame: Frame
    joints: Floats
    limbs: Floats
    drop: float

    def flat(self, points: Floats) -> Floats:
        """Project body coordinates (right, up, forward) to x, y and depth towards the camera."""
        cos, sin = math.cos(self.pose.view), math.sin(self.pose.view)
        x = points[..., 0] * cos + points[..., 2] * sin
        depth = points[..., 2] * cos - points[..., 0] * sin
        y = points[..., 1] - self.drop
        x = x + (y - 0.5) * self.pose.lean * 4
        s = self.frame.scale
        return np.stack(
            (
                self.frame.foot_x + x * s,
                self.frame.foot_y - (y - depth * math.sin(self.pose.pitch)) * s,
                depth,
            ),
            axis=-1,
        ).astype(np.float32)

    def spot(self, right: float, up: float, forward: float) -> tuple[float, float]:
        """Project one point to x, y."""
        cos, sin = math.cos(self.pose.view), math.sin(self.pose.view)
        y = up - self.drop
        depth = forward * cos - right * sin
        x = right * cos + forward * sin + (y - 0.5) * self.pose.lean * 4
        s = self.frame.scale
        return self.frame.foot_x + x * s, self.frame.foot_y - (y - depth * math.sin(self.pose.pitch)) * s

    def girth(self, across: float, deep: float) -> float:
        """Return the half-width, as seen, of an oval of those half-axes, in body heights."""
        return math.hypot(across * math.cos(self.pose.view), deep * math.sin(self.pose.view))


def skeleton(look: Appearance, pose: Pose) -> tuple[Floats, float]:
    """Return the joints (left leg, right leg, left arm, right arm) x (3 joints) x 3 and the drop."""
    joints = np.zeros((4, 3, 3), np.float32)
    lowest = 1.0
    for side, sign in ((0, -1), (1, 1)):
        swing = pose.phase + (math.pi if side else 0.0)
        thigh = pose.stride * math.sin(swing)
        shin = thigh - 0.06 - 1.5 * pose.stride * max(0.0, math.cos(swing - 0.3))
        hip_x = sign * look.hip * 0.56
        knee_y, knee_z = 0.51 - 0.24 * math.cos(thigh), 0.24 * math.sin(thigh)
        ankle_y, ankle_z = knee_y - 0.232 * math.cos(shin), knee_z + 0.232 * math.sin(shin)
        joints[side] = ((hip_x, 0.51, 0), (hip_x * 0.96, knee_y, knee_z), (hip_x * 0.88, ankle_y, ankle_z))
        lowest = min(lowest, ankle_y)
        arm = -pose.arm_swing * math.sin(swing) + 0.02
        fore = arm + pose.elbows[side]
        out = sign * look.shoulder * 0.87
        turn = -0.03 * math.sin(swing) * pose.stride
        away = sign * (0.022 + look.padding)
        elbow = (out + away, 0.782 - 0.165 * math.cos(arm), turn + 0.165 * math.sin(arm))
        inward = -sign * 0.05 * max(0.0, pose.elbows[side] - 0.8)
        wrist = (
            elbow[0] + inward + away * 0.2,
            elbow[1] - 0.15 * math.cos(fore),
            elbow[2] + 0.15 * math.sin(fore),
        )
        joints[2 + side] = ((out, 0.782, turn), elbow, wrist)
    return joints, lowest - 0.038


def part_of(shape: Ribbon, start: int, stop: int) -> Ribbon:
    """Return the points `start` to `stop` of a ribbon."""
    return Ribbon(shape.left[start:stop], shape.right[start:stop])


def fill_shade(canvas: Canvas, points: Floats, value: float) -> None:
    """Set the shade inside a polygon."""
    cv2.fillPoly(canvas.shade, [fixed_point(points)], (value,), cv2.LINE_8, 4)


def contact(canvas: Canvas, shape: Ribbon, wide: float, value: float) -> None:
    """Darken a rim around a part about to be drawn, so that it stands off what lies behind."""
    cv2.fillPoly(canvas.shade, [fixed_point(shape.strip(-wide, 1 + wide))], (value,), cv2.LINE_8, 4)


def crease(canvas: Canvas, body: Body, shape: Ribbon, run: tuple[int, float, float], value: float) -> None:
    """Draw a pull of cloth, slanted from one position across to another one row further on."""
    row, low, high = run
    one = shape.left[row] + (shape.right[row] - shape.left[row]) * np.float32(low)
    two = shape.left[row + 1] + (shape.right[row + 1] - shape.left[row + 1]) * np.float32(high)
    width = max(1, round(0.009 * body.frame.scale))
    cv2.line(canvas.shade, (int(one[0]), int(one[1])), (int(two[0]), int(two[1])), (value,), width)
