"""Maps whose gradients are known by hand, masks held against the boxes they were drawn from, and their energy."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import pandas as pd  # noqa: E402

import occluded_datasets as od  # noqa: E402
from occluded_datasets.afpb.config import Config  # noqa: E402
from occluded_datasets.afpb.model import build_model  # noqa: E402
from occluded_datasets.afpb.saliency.energy import AGAINST, DIFFERENCE, RUN, measure_energy, measured, shares  # noqa: E402
from occluded_datasets.afpb.saliency.maps import GRAD_CAM, GRADIENT, Way, _maps, grad_cam, gradient, noise_of  # noqa: E402
from occluded_datasets.afpb.saliency.regions import BODY, OCCLUDER, REST, choose_images, regions, resize_mask  # noqa: E402
from occluded_datasets.errors import InputError, OccludedDatasetsError, UsageError  # noqa: E402
from occluded_datasets.images import encode  # noqa: E402
from occluded_datasets.manifest import Manifest  # noqa: E402
from occluded_datasets.occlusion import simulate  # noqa: E402
from occluded_datasets.twin import twin  # noqa: E402

SIZE = (64, 32)
ONE = "0" * 64


def test_a_linear_score_has_its_weights_as_map() -> None:
    """Absolute, the greatest over channels, of the class that wins on each picture."""
    weights = torch.zeros(2, 3, 2, 2)
    weights[0, :, 0, 1] = torch.tensor([1.0, -4.0, 2.0])
    weights[1, :, 1, 0] = torch.tensor([0.5, 0.0, 3.0])
    pictures = weights.clone()
    found = gradient(lambda x: torch.einsum("bchw,kchw->bk", x, weights), pictures)
    assert found.tolist() == [[[0, 4], [0, 0]], [[0, 0], [3, 0]]]


def test_noise_is_averaged_over_and_does_not_change_whose_score_it_is() -> None:
    """Of x0^2 / 2 and 9 x0 - 9: at 1 the first wins, with the noise the second would; slopes are 1 + noise."""
    noise = [torch.tensor([2.0, 0, 0]).view(1, 3, 1, 1), torch.tensor([-4.0, 0, 0]).view(1, 3, 1, 1)]

    def score(x: Any) -> Any:
        first = x[:, 0].flatten(1)
        return torch.cat([first**2 / 2, 9 * first - 9], dim=1)

    picture = torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1)
    assert gradient(score, picture, noise).item() == (3 + 3) / 2
    assert gradient(score, picture).item() == 1


def test_noise_is_keyed_by_pixels_and_copy() -> None:
    """The same for a picture in any batch, another for the next copy and seed, and as strong as it says."""
    way = Way(noise=0.2)
    both = noise_of(["ab", "cd"], 0, SIZE, way)
    assert torch.equal(noise_of(["cd"], 0, SIZE, way)[0], both[1])
    assert not torch.equal(both[0], both[1])
    assert not torch.equal(noise_of(["ab"], 1, SIZE, way), both[:1])
    assert not torch.equal(noise_of(["ab"], 0, SIZE, Way(noise=0.2, seed=1)), both[:1])
    assert both.std().item() == pytest.approx(0.2, rel=0.03)
    assert both.dtype == torch.float32


def test_grad_cam_by_hand() -> None:
    """Two channels with weights 2 and -1 after the mean: relu(2 a - b) / 4, enlarged from 2x2."""
    pictures = torch.zeros(1, 3, 4, 4)
    pictures[0, 0, :2, :2], pictures[0, 1, 2:, 2:] = 1.0, 5.0
    weights = torch.tensor([[2.0, -1.0, 0.0], [-9.0, -9.0, 0.0]])
    found = grad_cam(
        lambda x: torch.nn.functional.avg_pool2d(x, 2), lambda last: last.mean(dim=(2, 3)) @ weights.T, pictures
    )
    assert found.shape == (1, 4, 4)
    assert found[0, 0, 0].item() == pytest.approx(2 / 4)
    assert found[0, 3].tolist()[2:] == [0, 0]


def test_a_model_s_map_is_what_moving_a_pixel_does() -> None:
    """Pixels go from 0 to 1 before normalisation: central differences of the largest logit, in float64."""
    model = build_model(Config(backbone="tiny", weights="none", height=32, width=16), 5).model.double().eval()
    pictures = torch.rand(1, 3, 32, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        model.identity.weight.normal_(generator=torch.Generator().manual_seed(2))
    model.identity.float()
    found = _maps(model, pictures, [], GRADIENT)[0]
    mean, std = (torch.tensor(one).view(3, 1, 1) for one in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))

    def logit(given: Any) -> Any:
        return model.identity(model.body((given - mean) / std).mean(dim=(2, 3)).float())[0].double()

    largest = int(logit(pictures).argmax())
    for y, x in ((5, 5), (20, 9), (31, 0)):
        slopes = []
        for channel in range(3):
            moved = torch.zeros_like(pictures)
            moved[0, channel, y, x] = 1e-3
            slopes.append(abs((logit(pictures + moved) - logit(pictures - moved))[largest].item()) / 2e-3)
        assert found[y, x].item() == pytest.approx(max(slopes), rel=0.02, abs=1e-3)
    assert found.max() > 0
    assert _maps(model, pictures, [], GRAD_CAM).shape == (1, 32, 16)


def test_shares_by_hand_and_of_a_map_that_is_0() -> None:
    """Sums over a region; where there is no energy, there is no share."""
    maps = np.array([[[1.0, 3.0], [0.0, 4.0]], np.zeros((2, 2))])
    left = np.array([[[True, False], [True, False]]] * 2)
    found = shares(maps, {"left": left, "right": ~left})
    assert found["left"][0] == 1 / 8
    assert found["right"][0] == 7 / 8
    assert np.isnan(found["left"][1])


def table(pids: list[int], run: list[float], against: list[float]) -> pd.DataFrame:
    """Return the table of pictures of two pixels, the left one an occluder, that has so much of each map."""
    rows = pd.DataFrame({"image_id": [str(n) for n in range(len(pids))], "pid": pids})
    left = np.array([[[True, False]]] * len(pids))
    maps = {name: np.array([[[one, 1 - one]] for one in values]) for name, values in ((RUN, run), (AGAINST, against))}
    return measured(rows, maps, {OCCLUDER: left, REST: ~left, BODY: left & ~left})


def test_means_are_over_pictures_and_differences_are_paired() -> None:
    """Half a picture each, so ratios are twice the energies; equal differences have an interval of no width."""
    found = measure_energy(table([1, 1, 2, 3], [0.2, 0.4, 0.5, 0.9], [0.1, 0.3, 0.4, 0.8]))
    one = found[OCCLUDER]
    assert one["area"]["mean"] == 0.5
    assert one["energy"][RUN]["mean"] == 0.5
    assert one["ratio"][AGAINST]["mean"] == 0.8
    assert one["energy"][RUN]["low"] < 0.35
    assert one["energy"][RUN]["high"] > 0.6
    assert one["energy"][DIFFERENCE] == {"mean": 0.1, "low": 0.1, "high": 0.1, "pictures": 4, "identities": 3}
    assert found[REST]["energy"][DIFFERENCE]["mean"] == -0.1


def test_a_region_without_pixels_has_no_ratio_and_one_identity_no_interval() -> None:
    """Not a number that looks like one."""
    found = measure_energy(table([4, 4], [0.2, 0.4], [0.1, 0.3]))
    assert found[BODY]["energy"][RUN]["mean"] == 0
    assert found[BODY]["ratio"][RUN] is None
    assert found[OCCLUDER]["energy"][RUN] == {
        "mean": 0.3, "low": None, "high": None, "pictures": 2, "identities": 1,
    }  # fmt: skip


def test_nearest_keeps_a_mask_where_it_is() -> None:
    """Down and up: no pixel's centre leaves its place."""
    mask = np.zeros((8, 6), bool)
    mask[3:6, 3:] = True
    assert resize_mask(mask, (4, 2)).tolist() == [[False, False], [False, True], [False, True], [False, False]]
    assert np.array_equal(resize_mask(resize_mask(mask, (24, 18)), (8, 6)), mask)


class Sets(NamedTuple):
    """A twin, a set simulated on it, and its persons' masks."""

    source: Manifest
    simulated: Manifest
    bodies: Path


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Sets:
    """Return a twin of four identities, occluded by rectangles whose boxes stand in the rows."""
    folder = tmp_path_factory.mktemp("saliency")
    tree = twin("partial-reid", folder / "raw", ids=4, masks=folder / "masks", workers=1).tree
    source = od.load(od.build("partial-reid", tree, folder / "data", allow_subset=True).manifest)
    simulate(source, folder / "occ", recipe="afpb", masks=folder / "masks", workers=1)
    return Sets(source, od.load(folder / "occ" / "manifest.csv"), folder / "masks")


def boxed(row: pd.Series, size: tuple[int, int] | None = None) -> Any:
    """Return where a row's box is, from its numbers alone."""
    x, y, w, h = map(int, row["boxes"].split(":"))
    mask = np.zeros((row["height"], row["width"]), bool)
    mask[y : y + h, x : x + w] = True
    return mask if size is None else resize_mask(mask, size)


def test_an_occluder_is_where_its_row_says_and_the_body_what_is_left_of_it(sets: Sets) -> None:
    """At a picture's own size: the very box, and the visible fraction that the simulator counted. No inverted mask,
    none moved by a pixel and none of another picture passes.
    """
    chosen = choose_images(sets.simulated, 100)
    assert len(chosen.rows) == chosen.available == 20
    assert set(chosen.rows["body"]) == {"occluded"}
    for at, row in chosen.rows.iterrows():
        own = chosen._replace(rows=chosen.rows.loc[[at]])
        found = regions(sets.simulated, own, (row["height"], row["width"]), sets.bodies)
        assert np.array_equal(found[OCCLUDER][0], boxed(row))
        clean = choose_images(sets.source, 100)
        clean = clean._replace(rows=clean.rows[clean.rows["image_id"] == row["source_image_id"]])
        whole = regions(sets.source, clean, (row["height"], row["width"]), sets.bodies)[BODY]
        assert found[BODY].sum() / whole.sum() == pytest.approx(row["visible_fraction"], abs=1e-6)
        assert (sum(one.astype(int) for one in found.values()) == 1).all()


def test_a_map_on_the_box_has_its_energy_on_the_occluder(sets: Sets) -> None:
    """Planted by the rows' numbers: all of it on the occluder; a shifted one loses, its complement has none."""
    chosen = choose_images(sets.simulated, 100)
    known = regions(sets.simulated, chosen, SIZE, sets.bodies)
    planted = np.stack([boxed(row, SIZE) for _, row in chosen.rows.iterrows()]).astype(np.float32)
    assert shares(planted, known)[OCCLUDER].min() == 1
    assert shares(1 - planted, known)[OCCLUDER].max() == 0
    shifted = shares(np.roll(planted, 6, axis=1), known)[OCCLUDER]
    assert shifted.max() < 0.9
    found = measure_energy(measured(chosen.rows, {RUN: planted}, known))
    assert found[OCCLUDER]["ratio"][RUN]["mean"] == pytest.approx(1 / 0.265, rel=0.05)  # an area of 25 to 28 per cent
    assert found[BODY]["ratio"][RUN]["mean"] == 0


def test_pictures_are_chosen_by_their_pixels(sets: Sets) -> None:
    """Fewer are the first of more, a seed gives others, and the table's order says nothing."""
    few, more = choose_images(sets.simulated, 5).rows, choose_images(sets.simulated, 12).rows
    assert few["image_id"].tolist() == more["image_id"].tolist()[:5]
    turned = Manifest(sets.simulated.frame.iloc[::-1], sets.simulated.header, sets.simulated.path)
    assert choose_images(turned, 5).rows["image_id"].tolist() == few["image_id"].tolist()
    assert choose_images(sets.simulated, 5, seed=1).rows["image_id"].tolist() != few["image_id"].tolist()


def test_nothing_is_known_without_masks(sets: Sets) -> None:
    """A set of its own pictures: none, or with person masks the body and the rest."""
    chosen = choose_images(sets.source, 3)
    assert regions(sets.source, chosen, SIZE) == {}
    assert set(regions(sets.source, chosen, SIZE, sets.bodies)) == {BODY, REST}
    assert set(regions(sets.simulated, choose_images(sets.simulated, 3), SIZE)) == {OCCLUDER, REST}


def test_crops_are_left_out(tmp_path: Path, sets: Sets) -> None:
    """The mask of a crop is of the picture before: it would be another place."""
    simulate(sets.source, tmp_path / "crops", recipe="partial-crop", workers=1)
    with pytest.raises(UsageError, match="no picture to look at"):
        choose_images(od.load(tmp_path / "crops" / "manifest.csv"), 3)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda path, _: path.unlink(), "its mask .* cannot be read"),
        (lambda path, mask: path.write_bytes(encode(255 - mask, ".png")), "changed since the set was made"),
        (lambda path, mask: path.write_bytes(encode(np.roll(mask, 1, 0), ".png")), "changed since the set was made"),
        (lambda path, mask: path.write_bytes(encode(mask[1:].copy(), ".png")), "is of another size"),
    ],
    ids=["missing", "inverted", "shifted", "cropped"],
)
def test_a_mask_that_is_not_the_one_of_its_row_is_refused_by_name(tmp_path: Path, sets: Sets, spoil, words) -> None:
    """Before any map is made."""
    simulate(sets.source, tmp_path / "occ", recipe="afpb", workers=1)
    spoiled = od.load(tmp_path / "occ" / "manifest.csv")
    chosen = choose_images(spoiled, 4)
    row = chosen.rows.iloc[2]
    spoil(tmp_path / "occ" / row["mask_path"], boxed(row).astype(np.uint8) * 255)
    with pytest.raises(InputError, match=words) as caught:
        regions(spoiled, chosen, SIZE)
    assert row["image_id"] in str(caught.value)


@pytest.mark.parametrize("empty", [True, False])
def test_a_person_mask_that_is_missing_or_empty_is_refused_by_name(tmp_path: Path, sets: Sets, empty: bool) -> None:
    """Not measured over the pictures that happen to have one."""
    chosen = choose_images(sets.source, 3)
    for row in chosen.rows.itertuples():
        path = (tmp_path / row.path.removeprefix("raw/")).with_suffix(".png")
        path.parent.mkdir(parents=True, exist_ok=True)
        if empty:
            path.write_bytes(encode(np.zeros((row.height, row.width), np.uint8), ".png"))
    with pytest.raises(InputError, match="shows nobody" if empty else "cannot be read") as caught:
        regions(sets.source, chosen, SIZE, tmp_path)
    assert chosen.rows["image_id"][0] in str(caught.value)


def test_rows_without_pictures_and_sets_without_people_are_refused(tmp_path: Path, sets: Sets, make_manifest) -> None:
    """With what to do."""
    simulate(sets.source, tmp_path / "rows", recipe="afpb", rows_only=True, workers=1)
    with pytest.raises(UsageError, match=r"rows alone.*replay"):
        choose_images(od.load(tmp_path / "rows" / "manifest.csv"), 3)
    with pytest.raises(UsageError, match="no picture to look at"):
        choose_images(make_manifest([{"image_id": "partial-reid/whole_body_images/001_001", "role": "junk"}]), 3)


@pytest.mark.parametrize("given", [{"method": "gradcam"}, {"samples": -1}, {"noise": float("nan")}])
def test_a_way_that_cannot_be_is_refused(given: dict[str, Any]) -> None:
    """Before a model is read."""
    with pytest.raises(OccludedDatasetsError, match=next(iter(given))):
        Way(**given)
