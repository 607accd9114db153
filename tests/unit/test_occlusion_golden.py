"""Golden pixels: whoever changes one byte of any kind of occlusion, at any placement, is told here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from occlusionkit import bank, blob, picture, pool

from occluded_datasets.hashing import pixel_digest
from occluded_datasets.occlusion import Recipe, Simulator, presets
from occluded_datasets.occlusion.recipes.placement import named_priors
from occluded_datasets.occlusion.recipes.recipe import OCCLUDERS

SIZES = ((128, 64), (103, 37))
ROWS = """
self-background/uniform e731456715b88170
self-background/lower-body 9eb23a68628c9a1d
self-background/upper-body 9404500ffdb2571e
self-background/centre d9485c48865b98ce
self-background/sides 3cc101e860ad8a15
self-background/edge-strips 3bec192cfdf04eb4
self-background/entering 2ddf1fb8790449ad
self-background/below 227b8817ccf04401
self-background/lower-side-uniform 545434f68df80744
self-background/by-class 9eb23a68628c9a1d
self-background/stages 59230ceb24fa9777
self-background/several cd35a46e14aef651
self-background/of-person b5b7496503918803
other-background/uniform 61028e248b446a6a
other-background/lower-body ffafd0dd84571d85
other-background/upper-body ecb144df93960f15
other-background/centre beec9cfd5d8b715a
other-background/sides 84abf92b9f54be38
other-background/edge-strips 7dd2dbb7a77254e5
other-background/entering 2b60b6e0efeab11c
other-background/below b7094df4d27ae871
other-background/lower-side-uniform 86012445431094b6
other-background/by-class ffafd0dd84571d85
other-background/stages 9225309c41cebfaf
other-background/several b082f71a6ccebe04
other-background/of-person f8e99b47545c9107
person/uniform afb252527f116041
person/lower-body eec05e9a6d85e9d1
person/upper-body f100427de32ec1e1
person/centre 4ba07aac2f31952d
person/sides f16ce672cfb9c2a6
person/edge-strips b557a3c8d4385248
person/entering 4809891215addbaa
person/below fe12601900a6413a
person/lower-side-uniform 0ff8116a9695492f
person/by-class b98d18488b65450c
person/stages c0649a35253ace0d
person/several 8ab9adcf254f685c
person/of-person 3fd416d32d6811a5
bank/uniform 05cdb003ce7d968d
bank/lower-body dba0d61c60873774
bank/upper-body 6f92371344fc78b8
bank/centre e16f5fbf11b6cbf3
bank/sides af6123f069a62830
bank/edge-strips 82d947ca5a6af5d2
bank/entering 4f08b0136f63cd17
bank/below 550d1eaa545994b1
bank/lower-side-uniform d8439128ff506f3d
bank/by-class 379e0bf4935ef56f
bank/stages 025c206bed1efdb2
bank/several cbb2c8469fd99b35
bank/of-person f2993dc7564c31be
constant/uniform e2626d2ddd43141a
constant/lower-body b3869e136e163a81
constant/upper-body fa78f22aebe67688
constant/centre 3c493df5fa96bd3f
constant/sides 3f7ff9684b2e010c
constant/edge-strips b31b69dbb2ddc7bd
constant/entering cc6d24fa3ce466d3
constant/below 32342e27c7cc4979
constant/lower-side-uniform 590da912a0f98ed1
constant/by-class b3869e136e163a81
constant/stages 406c47a7da5e2b50
constant/several 61fd7d3d48708a04
constant/of-person 3c5b164028dab96a
noise/uniform 408153623ac59a0a
noise/lower-body b86e44292dcdbfbb
noise/upper-body 442a6f4d3d2aef54
noise/centre db7d2159ee5df775
noise/sides 32d233199b6fd270
noise/edge-strips 213eaa4a43ab1586
noise/entering 44385afe7fba33e5
noise/below 3bb2552472f95458
noise/lower-side-uniform 690fd21968f291d6
noise/by-class b86e44292dcdbfbb
noise/stages 973af0a307fba64e
noise/several 537f864625a50031
noise/of-person f88174173dc132f7
random-erasing/uniform 210901c181ff1644
random-erasing/lower-body 210901c181ff1644
random-erasing/upper-body 210901c181ff1644
random-erasing/centre 210901c181ff1644
random-erasing/sides 210901c181ff1644
random-erasing/edge-strips 210901c181ff1644
random-erasing/entering 210901c181ff1644
random-erasing/below 210901c181ff1644
random-erasing/lower-side-uniform 210901c181ff1644
random-erasing/by-class 210901c181ff1644
random-erasing/stages 210901c181ff1644
random-erasing/several 210901c181ff1644
random-erasing/of-person 14baf2078ba0ac27
strip/uniform b10ae481884476de
strip/lower-body 80e0af0464a2a0e9
strip/upper-body c2b8a1e7e8280566
strip/centre d297324f0d859c93
strip/sides ec1cc5933639bf2c
strip/edge-strips dfc49b453f4a411b
strip/entering 5a2aec9784d2bc8d
strip/below 6cd87ddc2d5b1068
strip/lower-side-uniform f863f5208f41d9ad
strip/by-class 80e0af0464a2a0e9
strip/stages 37dfdc1adbc956ed
strip/several 61363d0a9c3d6a89
strip/of-person ac7ef0742cc7a276
partial-crop/uniform 99b9468f30133a18
partial-crop/lower-body 899bbacb9277518e
partial-crop/upper-body 09a3bb2fd41fe889
partial-crop/centre 36562757f58ecc1c
partial-crop/sides 28532a6707ece339
partial-crop/edge-strips 62241a235f2ae8f8
partial-crop/entering 899bbacb9277518e
partial-crop/below be1b61851ab7adfc
partial-crop/lower-side-uniform 6134c7a443887764
partial-crop/by-class 899bbacb9277518e
partial-crop/stages 899bbacb9277518e
partial-crop/several 899bbacb9277518e
partial-crop/of-person 0f58b8029e197216
preset/afpb ae9ef5ca7c58acb6
preset/afpb-wide cbd3834d2ada11a3
preset/afpb-wide-noise cb468dc92ae1e55a
preset/bank d1b740230d58b6ef
preset/mixed 6d49382c85662592
preset/partial-crop 8bfe8bedf57f5265
preset/person a644b1079bbde1d2
preset/random-erasing 1394c71ae0de5c60
preset/strip 22fcecc96dfe3570
person/uniform/masks d1ec4354441483cb
person/lower-body/masks d1ec4354441483cb
person/upper-body/masks d1ec4354441483cb
person/centre/masks dd4ab7c9c29d2453
person/sides/masks a1d771f90a66e85d
person/edge-strips/masks d94a109ac9f43600
person/entering/masks 85fa9f0c92e7b55c
person/below/masks 49941124c07ea2e8
person/lower-side-uniform/masks 482997c4c2a5b4bc
person/by-class/masks d1ec4354441483cb
person/stages/masks 9a5d5027476724aa
person/several/masks 7ec681b7e9a16249
person/of-person/masks cd3d984b7f2f98b9
preset/mixed/masks 5fe4282007caa531
preset/person/masks 50a8bbb0a8de8199
"""
GOLDEN = dict(line.split() for line in ROWS.strip().splitlines())


def recipes() -> Iterator[tuple[str, Recipe]]:
    """Yield every kind at every placement, every stage, several occluders, the fraction of a person, every preset."""
    for kind in OCCLUDERS:
        wide: dict[str, Any] = {"occluder": kind, "fraction": [0.05, 0.6], "options": {}}
        free = {"scale": None} if kind == "person" else {}
        for placement in named_priors():
            yield f"{kind}/{placement}", Recipe.of("afpb", **wide, placement=placement)
        yield f"{kind}/stages", Recipe.of("afpb", **wide, feather=0.1, colour_match=0.7, shadow=0.5)
        yield f"{kind}/several", Recipe.of("afpb", **{**wide, "options": free}, count=[2, 4])
        yield f"{kind}/of-person", Recipe.of("afpb", **wide, of="person")
    for name in presets():
        yield f"preset/{name}", Recipe.of(name)


def digest_of(simulator: Simulator) -> str:
    """Return 16 hex digits over six pictures of two sizes, their masks, and what the records say."""
    digest = hashlib.sha256()
    for height, width in SIZES:
        for number in range(3):
            pixels = picture(f"{number}", height, width)
            key = pixel_digest(pixels)
            done = simulator(pixels, key, number, pid=number, person=blob(height, width))
            digest.update(done.image.tobytes() + done.mask.tobytes())
            record = done.record
            facts = (record.occluders, [tuple(box) for box in record.boxes], record.requested, record.realised)
            digest.update(repr((*facts, record.note)).encode())
            assert pixel_digest(pixels) == key
    return digest.hexdigest()[:16]


@pytest.fixture(scope="module", params=[False, True], ids=["crops", "silhouettes"])
def sources(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], bool]:
    """Return a bank and a pool, and whether half of the pool has masks."""
    folder: Path = tmp_path_factory.mktemp("pool")
    return {"bank": bank(), "pool": pool(folder, request.param)}, request.param


def test_golden_pixels(sources: tuple[dict[str, Any], bool]) -> None:
    """Every kind x placement gives the recorded pixels, masks, boxes and fractions."""
    given, masks = sources
    found = {
        f"{name}{'/masks' if masks else ''}": digest_of(Simulator(recipe, 7, **given))
        for name, recipe in recipes()
        if not masks or "person" in recipe.kinds
    }
    expected = {name: value for name, value in GOLDEN.items() if name.endswith("/masks") == masks}
    assert found == expected, "\n".join(f"{name} {value}" for name, value in found.items())


def test_a_batch_has_the_same_pixels(tmp_path: Path) -> None:
    """A batch, with or without a compiled kernel, is the single calls of a fresh simulator."""
    sources: dict[str, Any] = {"bank": bank(), "pool": pool(tmp_path)}
    pixels = [picture(f"{number}", 128, 64) for number in range(12)]
    for name, recipe in recipes():
        persons = [blob(128, 64)] * 12
        done = Simulator(recipe, 7, **sources).batch(pixels, copies=list(range(12)), pids=[0] * 12, persons=persons)
        single = Simulator(recipe, 7, **sources)
        for number in range(12):
            one = single(pixels[number], None, number, pid=0, person=persons[number])
            assert (done.images[number] == one.image).all(), name
            assert (done.masks[number] == one.mask).all(), name
            assert done.records[number] == one.record, name
