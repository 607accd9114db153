"""The AFPB baseline: occlusion simulator, identity loss, occluded / non-occluded loss. It validates the toolkit.

It is after Zhuo, Chen, Lai, Wang: Occluded Person Re-identification, ICME 2018; much of the paper is unknown, and those
parameters and their defaults are ours (docs/afpb.md). Needs the extra ``[afpb]``; PyTorch is imported with its modules.
"""

from __future__ import annotations
