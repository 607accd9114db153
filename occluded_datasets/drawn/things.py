"""Everything that can be drawn for a bank: classes, how many of each, and their images."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from . import props_carried, props_low, props_street, props_tall
from .dice import Dice, Keyed
from .paint import Image
from .prop import Sprite

Painter = Callable[[Dice], Sprite]

THINGS: Mapping[str, tuple[tuple[Painter, int], ...]] = {
    "bag": ((props_carried.backpack, 3), (props_carried.handbag, 2), (props_carried.shopping_bag, 2)),
    "barrier": ((props_street.barrier, 2),),
    "bench": ((props_low.bench, 3),),
    "bicycle": ((props_street.single_bicycle, 5),),
    "board": ((props_street.sandwich_board, 3), (props_street.notice_board, 2)),
    "bush": ((props_street.shrub, 4),),
    "car": ((props_low.car, 3), (props_street.hatchback, 3), (props_street.van, 2)),
    "fence": ((props_low.fence, 3),),
    "litter-bin": ((props_low.litter_bin, 3),),
    "luggage": ((props_low.luggage, 2), (props_carried.trolley_case, 2)),
    "pillar": ((props_tall.pillar, 2),),
    "planter": ((props_tall.planter, 2),),
    "pole": ((props_street.lamp_post, 2), (props_street.bollard, 3)),
    "sign": ((props_tall.sign, 3),),
    "trunk": ((props_tall.trunk, 2),),
    "umbrella": ((props_carried.open_umbrella, 3), (props_carried.umbrella_towards, 3)),
}
"""Painters of each class and how many variants a bank has of each."""


def things() -> list[tuple[str, str, Image]]:
    """Return (id, class, image) of every thing, the same bytes on every machine.

    Returns
    -------
    list of (str, str, numpy.ndarray)
        Ids such as ``car-03``; premultiplied RGBA, shape (H, W, 4), uint8, up to 900 pixels wide.

    Examples
    --------
    >>> name, kind, picture = things()[0]
    >>> name, kind, picture.shape[2]
    ('bag-01', 'bag', 4)
    """
    found = []
    for kind, painters in THINGS.items():
        makers = [maker for maker, count in painters for _ in range(count)]
        for number, maker in enumerate(makers, 1):
            name = f"{kind}-{number:02d}"
            found.append((name, kind, np.asarray(maker(Keyed("bank", name)).levels[0])))
    return found
