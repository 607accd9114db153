"""What a dataset under a protocol is called where names are identifiers."""

from __future__ import annotations


def camel(*names: str) -> str:
    """Return names as that of a class.

    Examples
    --------
    >>> camel("partial-reid", "transfer-all-occluded-probe")
    'PartialReidTransferAllOccludedProbe'
    """
    return "".join(word.capitalize() for name in names for word in name.split("-"))


def snake(*names: str) -> str:
    """Return names as that of a module.

    Examples
    --------
    >>> snake("partial-reid", "afpb-nshot-1")
    'partial_reid_afpb_nshot_1'
    """
    return "_".join(name.replace("-", "_") for name in names)
