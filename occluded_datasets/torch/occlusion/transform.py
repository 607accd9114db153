"""`Occlude`: one line in anybody's list of transforms."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from ...errors import UsageError
from ...occlusion import Pool, Recipe
from ...occlusion.sources.occluders import Items
from ...occlusion.training.base import Chance, EpochTransform
from ...occlusion.training.visits import PICTURES
from ..images import EXPECTED, NEXT, has_shapes, opened, pictures, replaced, type_of


class Occlude(EpochTransform):
    """A transform that occludes the image it is given, and gives back its type.

    It takes an RGB image of PIL, a uint8 array (H, W, 3), or a uint8 tensor or ``tv_tensors.Image`` (3, H, W); or a
    tuple, list or dict that holds one, as torchvision v2 passes it on. All else in the sample is left as it is: a mask
    or box of a person goes on behind the occluder.

    It needs no id and no epoch: the version hangs on the seed, the image's pixels, the epoch in shared memory and
    how often the image was met within it. Put it first, or right after a fixed resize: after a random crop or flip
    every image is a new one, and is as repeatable as that crop. Where ``RandomErasing`` stands, behind ``ToTensor``,
    images are floats; it refuses them.

    Parameters
    ----------
    recipe : str, path, mapping or Recipe
        A preset's name, or what `Recipe.of` takes.
    seed : int
        The base seed.
    p : float or callable, optional
        Replaces the recipe's probability; drawn by key. A function is given the epoch.
    pool, bank : Pool, Bank, optional
        Where ``person`` and ``bank`` take occluders from. The identity of an image of the pool, known by its pixels,
        never occludes itself.
    masks : bool
        Give the occlusion as well, uint8, (H, W), 255 where something stands in front: ``(image, mask)``; appended
        to a tuple or list, under ``occlusion`` in a dict. It is a ``tv_tensors.Mask`` beside a ``tv_tensors.Image``,
        so it follows later flips and crops. ``partial-crop`` marks what was cut off, in the image as it was before.
    capacity : int
        Different images between two calls of ``set_epoch``; one more is an error.

    Raises
    ------
    UsageError
        When it is called: if there is no image, or one of floats, or if ``partial-crop`` would move the image
        under masks and boxes.

    Examples
    --------
    >>> from PIL import Image
    >>> occlude = Occlude("afpb", seed=7, p=0.5)
    >>> occlude(Image.new("RGB", (64, 128))).size
    (64, 128)
    >>> occlude.set_epoch(1)  # in the main process, before each epoch
    """

    def __init__(
        self,
        recipe: str | os.PathLike[str] | Mapping[str, Any] | Recipe = "afpb",
        seed: int = 0,
        p: Chance = None,
        pool: Pool | None = None,
        bank: Items | None = None,
        *,
        masks: bool = False,
        capacity: int = PICTURES,
    ) -> None:
        super().__init__(recipe, seed, p=p, pool=pool, bank=bank, capacity=capacity)
        self._masks = masks

    def __call__(self, *inputs: Any) -> Any:
        """Return the image occluded, or the sample with its image occluded."""
        if len(inputs) != 1:
            return self._sample(inputs)
        only = inputs[0]
        if isinstance(only, (tuple, list, dict)):
            return self._sample(only)
        picture, mask = self._one(only)
        return (picture, mask) if self._masks else picture

    def _one(self, value: Any) -> tuple[Any, Any]:
        image = opened(value)
        done = self._occlude(image.pixels)
        picture = image.picture(done.image) if done.record.boxes else value  # untouched: nothing to convert
        return picture, image.mask(done.mask) if self._masks else None

    def _sample(self, sample: Any) -> Any:
        found = pictures(sample)
        if not found:
            kinds = type_of(sample) or type(sample).__name__
            raise UsageError(f"{EXPECTED}.", f"Found none in a sample of type {kinds}.", NEXT)
        if "partial-crop" in self._base.recipe.kinds and has_shapes(sample):
            raise UsageError(
                f"{self._base.recipe.name}: partial-crop moves the picture under its masks and boxes.",
                "Expected a sample without them.",
                "take another recipe, or od.occlusion.transform, which moves labels and keypoints",
            )
        done = [self._one(value) for value in found]
        new = replaced(sample, {id(value): picture for value, (picture, _) in zip(found, done, strict=True)})
        return self._with_masks(new, [mask for _, mask in done]) if self._masks else new

    @staticmethod
    def _with_masks(sample: Any, masks: list[Any]) -> Any:
        if isinstance(sample, dict):
            return {**sample, "occlusion": masks[0] if len(masks) == 1 else masks}
        return [*sample, *masks] if isinstance(sample, list) else (*sample, *masks)
