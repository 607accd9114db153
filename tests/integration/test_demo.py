"""The demo: the main job on twins of the four sets."""

from __future__ import annotations

from pathlib import Path

from occluded_datasets.demo import PROTOCOLS, demo, synthetic
from occluded_datasets.images import decode


def test_demo_does_the_main_job(tmp_path: Path) -> None:
    """Each set is rendered, built, verified, split by two protocols and shown; a second run uses what is there."""
    steps = list(demo(tmp_path, ids=6))
    assert [step.dataset for step in steps] == list(PROTOCOLS)
    for step in steps:
        assert step.verified
        assert step.verdict == "subset"  # six identities are not the whole set, and nothing pretends they are
        assert all(probe and gallery for _, probe, gallery in step.splits.values())
        assert len(step.splits) == 2
        assert decode(Path(step.sheet).read_bytes()).shape[0] > 6 * 128
    own = synthetic(tmp_path, next(step.manifest for step in steps if step.dataset == "partial-reid"))
    assert own.replayed
    assert own.pictures == 30
    assert own.rank1 > 1 / 6
    assert decode(Path(own.sheet).read_bytes()).shape[0] > 128
    assert [step.fingerprint for step in demo(tmp_path, ids=6)] == [step.fingerprint for step in steps]
