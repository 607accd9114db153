"""The losses on literals, where gradients go, and that a part of weight 0 changes nothing."""

from __future__ import annotations

import math
import platform
import subprocess
import sys

import pytest

torch = pytest.importorskip("torch")

from occluded_datasets.afpb.config import Config  # noqa: E402
from occluded_datasets.afpb.data import Batch  # noqa: E402
from occluded_datasets.afpb.losses import identity_loss, occlusion_loss, triplet_loss  # noqa: E402
from occluded_datasets.afpb.model import build_model  # noqa: E402
from occluded_datasets.afpb.training import learning_rate, loss  # noqa: E402

TINY = Config(backbone="tiny", weights="none", height=32, width=16, obc_weight=0.5)


def batch() -> Batch:
    """Return four pictures of two people, two of them hidden."""
    pictures = torch.rand(4, 3, 32, 16, generator=torch.Generator().manual_seed(3))
    return Batch(pictures, torch.tensor([0, 1, 0, 1]), torch.tensor([0, 0, 1, 1]))


def test_identity_loss_by_hand() -> None:
    """Softmax cross-entropy, and with smoothing 0.3 the target 0.8, 0.1, 0.1."""
    logits = torch.tensor([[2.0, 0.0, 0.0]])
    log_sum = math.log(math.exp(2) + 2)
    assert identity_loss(logits, torch.tensor([0])).item() == pytest.approx(log_sum - 2)
    smoothed = 0.8 * (log_sum - 2) + 0.2 * log_sum
    assert identity_loss(logits, torch.tensor([0]), 0.3).item() == pytest.approx(smoothed)


def test_occlusion_loss_by_hand() -> None:
    """Binary cross-entropy over the rows that are defined."""
    logits, hidden = torch.tensor([2.0, -1.0, 9.0]), torch.tensor([1, 0, -1])
    expected = (math.log1p(math.exp(-2)) + math.log1p(math.exp(-1))) / 2
    assert occlusion_loss(logits, hidden).item() == pytest.approx(expected)


def test_an_undefined_occlusion_loss_is_zero_with_a_gradient_of_zero() -> None:
    """So that a run of many processes exchanges the same tensors."""
    logits = torch.tensor([2.0, -1.0], requires_grad=True)
    found = occlusion_loss(logits, torch.tensor([-1, -1]))
    found.backward()
    assert found.item() == 0
    assert logits.grad.tolist() == [0, 0]


def test_triplet_loss_by_hand() -> None:
    """Points 0, 1 of one person and 3, 4 of another: hardest positives 1, hardest negatives 3, 2, 2, 3."""
    points, labels = torch.tensor([[0.0], [1.0], [3.0], [4.0]]), torch.tensor([0, 0, 1, 1])
    assert triplet_loss(points, labels, 0.5).item() == 0
    assert triplet_loss(points, labels, 2.5).item() == pytest.approx((0.5 + 1.5 + 1.5 + 0.5) / 4)


def test_an_anchor_without_a_positive_counts_for_nothing() -> None:
    """Identity 1 is alone at 3: the mean is over the two anchors of identity 0, whose hinges are 0.5 and 1.5."""
    points, labels = torch.tensor([[0.0], [1.0], [3.0]]), torch.tensor([0, 0, 1])
    assert triplet_loss(points, labels, 2.5).item() == pytest.approx((0.5 + 1.5) / 2)


def test_triplet_loss_of_equal_points_is_the_margin_and_has_a_finite_gradient() -> None:
    """A square root at 0 must not make a NaN."""
    points = torch.zeros(4, 2, requires_grad=True)
    found = triplet_loss(points, torch.tensor([0, 0, 1, 1]), 0.3)
    found.backward()
    assert found.item() == pytest.approx(0.3)
    assert torch.isfinite(points.grad).all()


def test_a_batch_of_one_person_has_no_triplet() -> None:
    """There is no negative to be far from."""
    assert triplet_loss(torch.rand(3, 2), torch.tensor([5, 5, 5]), 0.3).item() == 0


def test_gradients_flow_to_both_heads_and_from_both_into_the_backbone() -> None:
    """L = L_id + a x L_obc: each head has its own gradient, and each moves the shared CNN."""
    for weights, reached in (
        ((1.0, 0.5), {"identity", "occlusion"}),
        ((1.0, 0.0), {"identity"}),
        ((0.0, 0.5), {"occlusion"}),
    ):
        config = Config.of({"id_weight": weights[0], "obc_weight": weights[1]}, TINY)
        model = build_model(config, 2).model
        loss(model(batch().pictures), batch(), config).total.backward()
        moved = {name for name in ("identity", "occlusion") if getattr(model, name).weight.grad.abs().sum() > 0}
        assert moved == reached
        assert sum(one.grad.abs().sum() for one in model.body.parameters()) > 0


def test_the_total_is_the_weighted_sum() -> None:
    """Identity plus 0.5 times occlusion, to the last digit of a float."""
    found = loss(build_model(TINY, 2).model(batch().pictures), batch(), TINY)
    assert found.total.item() == pytest.approx(found.identity.item() + 0.5 * found.occlusion.item())


def test_the_same_seed_gives_the_same_weights_and_leaves_torch_alone() -> None:
    """Building a model draws nothing from the generator that the caller uses."""
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    one, two = build_model(TINY, 7).model.state_dict(), build_model(TINY, 7).model.state_dict()
    other = build_model(Config.of({"seed": 1}, TINY), 7).model.state_dict()
    assert torch.rand(1) == expected
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["identity.weight"], other["identity.weight"])


def test_the_schedule_rises_falls_and_ends_near_zero() -> None:
    """Linear warm-up under a cosine; a constant one stays."""
    config = Config(lr=1.0, warmup=2.0)
    rates = [learning_rate(config, step, 100, 10) for step in range(100)]
    assert rates.index(max(rates)) in range(15, 25)
    assert rates[0] < 0.06
    assert rates[-1] < 0.001
    assert {learning_rate(Config(lr=0.5, schedule="constant"), step, 9, 3) for step in range(9)} == {0.5}


def test_kept_memory_is_asked_for_where_the_library_can() -> None:
    """Under glibc; elsewhere nothing is done. In a process of its own: it is of the whole process."""
    code = "from occluded_datasets.afpb.ranks import keep_memory; print(keep_memory())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(platform.libc_ver()[0] == "glibc" and sys.platform == "linux")
