"""`OccludeBatch`: whole batches of tensors, the same bytes as on NumPy."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import MissingPackageError, UsageError
from ...occlusion import Pool, Recipe, Record, Simulator
from ...occlusion.sources.occluders import Items
from ..images import channels_first, channels_last

if TYPE_CHECKING:
    import torch


class OccludeBatch:
    """Occludes batches of images of one size; byte for byte what `Simulator.batch` makes.

    It has no state: the version is what it is told. Images are planned and blended on the CPU, where their hashes
    and colours must be read anyway, and return to the device they came from (tried on the CPU alone).

    Parameters
    ----------
    recipe, seed, pool, bank
        As of `Simulator`.

    Raises
    ------
    MissingPackageError
        If PyTorch is not installed.

    Examples
    --------
    >>> import torch  # doctest: +SKIP
    >>> images, masks, records = OccludeBatch("afpb", 7)(
    ...     torch.zeros(2, 3, 128, 64, dtype=torch.uint8)
    ... )  # doctest: +SKIP
    >>> images.shape, masks.shape, len(records)  # doctest: +SKIP
    (torch.Size([2, 3, 128, 64]), torch.Size([2, 128, 64]), 2)
    """

    def __init__(
        self,
        recipe: str | os.PathLike[str] | Mapping[str, Any] | Recipe = "afpb",
        seed: int = 0,
        pool: Pool | None = None,
        bank: Items | None = None,
    ) -> None:
        try:
            import torch  # noqa: F401
        except ImportError as error:
            raise MissingPackageError(
                "OccludeBatch: torch is not installed.", "It is optional.", 'pip install "torch>=2.1"'
            ) from error
        self._simulator = Simulator(recipe, seed, pool, bank)

    def __call__(
        self,
        images: torch.Tensor,
        keys: Sequence[str] | None = None,
        copies: Sequence[int] | int = 0,
        *,
        occurrences: Sequence[int] | int = 0,
        pids: Sequence[int] | None = None,
        persons: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, list[Record]]:
        """Return the images occluded, their masks and records; the images given are left as they are.

        Parameters
        ----------
        images : torch.Tensor
            Shape (N, 3, H, W), uint8, on any device, contiguous or channels last; the result is the same.
        keys : sequence of str, optional
            One pixel_sha256 an image; computed where not given.
        copies, occurrences, pids
            As of `Simulator.batch`; the epoch is a copy.
        persons : torch.Tensor, optional
            Shape (N, H, W), uint8: 255 where the person is.

        Returns
        -------
        tuple
            Images, shape (N, 3, H, W), masks, shape (N, H, W), uint8, 255 where occluded, and N records.
        """
        import torch

        if not isinstance(images, torch.Tensor) or images.dtype != torch.uint8 or images.shape[1:2] != (3,):
            raise _wrong(images)
        if images.ndim != 4:
            raise _wrong(images)
        last = images.is_contiguous(memory_format=torch.channels_last) and not images.is_contiguous()
        given = images.detach().cpu()
        done = self._simulator.batch(
            given.permute(0, 2, 3, 1).numpy() if last else channels_last(given.numpy()),
            keys,
            copies,
            occurrences=occurrences,
            pids=pids,
            persons=None if persons is None else list(persons.cpu().numpy()),
        )
        out = torch.from_numpy(done.images if last else channels_first(done.images))
        out = out.permute(0, 3, 1, 2) if last else out
        return out.to(images.device), torch.from_numpy(done.masks).to(images.device), done.records


def _wrong(images: Any) -> UsageError:
    found = f"{images.dtype} {tuple(images.shape)}" if hasattr(images, "dtype") else type(images).__name__
    return UsageError(
        "images: not a batch of pictures.",
        f"Expected a uint8 tensor of shape (N, 3, H, W), found {found}.",
        "occlude before the pictures are made floats and normalised",
    )
