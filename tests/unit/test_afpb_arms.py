"""Arms by name, variants of them, and what is set against what."""

from __future__ import annotations

import pytest

from occluded_datasets.afpb.config import Config
from occluded_datasets.afpb.study.arms import ARMS, arm_of, arms_of, contrasts_of
from occluded_datasets.errors import UnknownNameError, UsageError


def test_named_arms_differ_as_they_say() -> None:
    """In second view and in weight of OBC, and in nothing else."""
    base = Config(obc_weight=0.3, occlusion="afpb-wide", epochs=2)
    configs = {name: arm.config(base, "afpb-wide-noise", 1) for name, arm in ARMS.items()}
    assert {name: (one.occlusion, one.obc_weight) for name, one in configs.items()} == {
        "baseline": ("clean", 0.0), "noise": ("afpb-wide-noise", 0.0), "simulator": ("afpb-wide", 0.0),
        "obc": ("clean", 0.3), "afpb": ("afpb-wide", 0.3), "erasing": ("random-erasing", 0.0),
        "noise-obc": ("afpb-wide-noise", 0.3),
    }  # fmt: skip
    for one in configs.values():
        assert set(one.differences(base)) <= {"occlusion", "obc_weight", "seed"}


def test_a_variant_changes_what_it_names() -> None:
    """With the parameter's own type, above what the arm says."""
    base = Config(occlusion="afpb-wide", obc_weight=0.2)
    variant = arm_of("afpb:obc_weight=1,bnneck=true,epochs=4,occlusion=strip")
    differing = variant.config(base, "afpb-wide-noise", 2).differences(ARMS["afpb"].config(base, "afpb-wide-noise", 2))
    assert differing == {
        "obc_weight": (1.0, 0.2), "bnneck": (True, False), "epochs": (4, 30), "occlusion": ("strip", "afpb-wide"),
    }  # fmt: skip
    assert variant.paper == ""
    assert variant.words == "as afpb, with obc_weight=1, bnneck=true, epochs=4, occlusion=strip"
    assert arm_of("simulator:weights=../own dir/a.pt").folder == "simulator_weights=.._own_dir_a.pt"


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("afbp", UnknownNameError, "afpb"),
        ("afbp:lr=1", UnknownNameError, "afpb"),
        ("afpb:obc_wieght=1", UnknownNameError, "obc_weight"),
        ("afpb:", UsageError, "ARM:PARAMETER=VALUE"),
        ("afpb:lr", UsageError, "ARM:PARAMETER=VALUE"),
        ("afpb:lr=", UsageError, "ARM:PARAMETER=VALUE"),
        ("afpb:lr=fast", UsageError, "could not convert"),
        ("afpb:lr=-1", UsageError, "expected 0 or more"),
        ("afpb:lr=nan", UsageError, "expected 0 or more"),
        ("afpb:epochs=1.5", UsageError, "1.5"),
        ("afpb:bnneck=yes", UsageError, "true or false"),
        ("afpb:schedule=cosin", UnknownNameError, "cosine"),
        ("afpb:occlusion=stirp", UnknownNameError, "strip"),
        ("afpb:seed=3", UsageError, "same in all arms"),
        ("afpb:height=64", UsageError, "same in all arms"),
    ],
)
def test_what_is_no_arm_is_refused(text: str, kind: type[Exception], words: str) -> None:
    """Before anything is trained, with what was expected."""
    with pytest.raises(kind, match=words):
        arm_of(text)


def test_two_arms_never_share_a_folder() -> None:
    """Files of different folders could."""
    with pytest.raises(UsageError, match="both would be in"):
        arms_of(["afpb:weights=a/b.pt", "afpb:weights=a_b.pt"])


def test_contrasts_are_paired_within_a_variant() -> None:
    """And each variant stands against its own arm; a pair that is not there is left out."""
    found = contrasts_of(["baseline", "afpb", "baseline:lr=0.001", "afpb:lr=0.001", "simulator:lr=0.002"])
    assert found == {
        "afpb": ("afpb", "baseline"),
        "afpb at lr=0.001": ("afpb:lr=0.001", "baseline:lr=0.001"),
        "baseline:lr=0.001": ("baseline:lr=0.001", "baseline"),
        "afpb:lr=0.001": ("afpb:lr=0.001", "afpb"),
    }
