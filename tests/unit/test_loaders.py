"""What other code bases make of a set: their cameras, their filter, their AP, by hand and by command."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from occluded_datasets.errors import FeatureError, InputError, ProtocolError, UnknownNameError, UsageError
from occluded_datasets.evaluation.feature_file import FeatureFile, Matrix
from occluded_datasets.evaluation.scoring.similarity import MatrixSource
from occluded_datasets.literature.loader_rules import LOADERS, NO_LOADER, LoaderRule
from occluded_datasets.literature.loader_scores import Numbers, average_precision, rank
from occluded_datasets.literature.loaders import (
    cameras,
    effect,
    loader_score,
    loader_text,
    rows,
    rule_of,
    rules,
    unscored,
)
from occluded_datasets.manifest import Manifest
from occluded_datasets.protocol import find_protocol, split

EVERY = [*LOADERS, *NO_LOADER]
SETS = ("partial-reid", "occluded-reid", "p-dukemtmc-reid", "partial-ilids", "p-ethz")
SIDES = (("partial_body_images", "partial", "probe"), ("whole_body_images", "full", "gallery"))


def of(rule: LoaderRule) -> str:
    """Return a name for a test's parameter."""
    return f"{rule.codebase.name}-{rule.dataset}"


@pytest.fixture
def two_people(make_manifest: Callable[..., Manifest]) -> Manifest:
    """Return two identities with two partial and two whole pictures each, numbered 001 and 002."""
    found = [
        {"image_id": f"partial-reid/{folder}/{pid:03d}_{number:03d}", "pid": str(pid), "body": body, "role": role}
        for folder, body, role in SIDES
        for pid in (1, 2)
        for number in (1, 2)
    ]
    return make_manifest(found)


# The angle of each picture, in degrees: the nearer, the more alike.
ANGLES = {
    "partial_body_images/001_001": 0, "partial_body_images/001_002": 40, "partial_body_images/002_001": 50,
    "partial_body_images/002_002": 100, "whole_body_images/001_001": 1, "whole_body_images/001_002": 60,
    "whole_body_images/002_001": 48, "whole_body_images/002_002": 97,
}  # fmt: skip


def angled() -> FeatureFile:
    """Return the names and unit vectors of `ANGLES`."""
    turned = np.radians(list(ANGLES.values()))
    names = tuple(f"partial-reid/{name}" for name in ANGLES)
    return FeatureFile(names, np.stack([np.cos(turned), np.sin(turned)], axis=1))


def matrix(*values: float) -> MatrixSource:
    """Return the similarities of one probe."""
    return MatrixSource(np.array([values]), np.arange(1), np.arange(len(values)), smaller_is_nearer=False)


# By hand. Gallery by nearness, with the person:   probe 1/1 at 0:    1, 48, 60, 97 -> 1 2 1 2
#   probe 1/2 at 40: 48, 60, 1, 97 -> 2 1 1 2     probe 2/1 at 50:  48, 60, 97, 1 -> 2 1 2 1
#   probe 2/2 at 100: 97, 60, 48, 1 -> 2 1 2 1
# With role cameras nothing is removed: hits at 1,3; 2,3; 1,3; 1,3.
ROLE_MAP = ((1 + 2 / 3) / 2 + (1 / 2 + 2 / 3) / 2 + (1 + 2 / 3) / 2 + (1 + 2 / 3) / 2) / 4
# With the number as camera each probe loses its own number: 1/1 loses 1 -> hit at 2; 1/2 loses 60 -> hit at 2 (48, 1);
# 2/1 loses 48 -> 60, 97: hit at 2; 2/2 loses 97 -> 60, 48: hit at 2.
NUMBER_MAP = (1 / 2 + 1 / 2 + 1 / 2 + 1 / 2) / 4


def test_the_picture_number_as_camera_costs_one_true_match_a_probe(two_people: Manifest) -> None:
    """As fast-reid on Partial-REID: exactly one match a probe goes, and rank-1 and mAP with it."""
    rule = rule_of("partial-reid", "fast-reid")
    told = effect(rule, two_people)
    assert (told.probes, told.gallery, told.filtered, told.dropped, told.divisor) == (4, 4, 4, 0, 4)
    assert loader_score(rule, two_people, angled()) == Numbers(0.0, pytest.approx(NUMBER_MAP), "hits")


def test_a_camera_by_side_removes_nothing(two_people: Manifest) -> None:
    """As PADE on Partial-REID: the same pictures, another number."""
    rule = rule_of("partial-reid", "PADE")
    told = effect(rule, two_people)
    assert (told.filtered, told.dropped) == (0, 0)
    assert loader_score(rule, two_people, angled()) == Numbers(0.75, pytest.approx(ROLE_MAP), "hits")
    assert cameras(rule, *rows(rule, two_people)) == ([0] * 4, [1] * 4)


def test_average_precision_at_the_hits_and_by_trapezoid() -> None:
    """By hand: hits at 1 and 3, at 2, and one match of 119."""
    assert average_precision([1, 3], "hits") == pytest.approx((1 + 2 / 3) / 2)
    assert average_precision([1, 3], "trapezoid") == pytest.approx((1 + (2 / 3 + 1 / 2) / 2) / 2)
    assert average_precision([2], "hits") == 0.5
    assert average_precision([2], "trapezoid") == 0.25
    assert average_precision([119], "hits") == pytest.approx(1 / 119)
    assert average_precision([1, 2, 3], "trapezoid") == 1.0


def test_trapezoid_changes_map_and_not_rank1(two_people: Manifest) -> None:
    """The same rule with the other AP."""
    rule = rule_of("partial-reid", "PADE")
    other = replace(rule, codebase=replace(rule.codebase, ap="trapezoid"))
    by_hand = (3 * (1 + (2 / 3 + 1 / 2) / 2) / 2 + ((1 / 2 + 0) / 2 + (2 / 3 + 1 / 2) / 2) / 2) / 4
    assert loader_score(other, two_people, angled()) == Numbers(0.75, pytest.approx(by_hand), "trapezoid")


@pytest.mark.parametrize(("camera", "expected"), [("folder", ([0, 0], [1, 1, 1])), ("own", ([3, 4], [0, 1, 2]))])
def test_folder_and_own_cameras_never_fire(
    make_manifest: Callable[..., Manifest], camera: str, expected: tuple[list[int], list[int]]
) -> None:
    """P-DukeMTMC-reID: whatever field 2 says, the filter finds nothing."""
    manifest = make_manifest(
        [{"image_id": f"p-dukemtmc-reid/test/{folder}/0666/0666_{number}_1", "pid": "666", "body": body, "split": "test",
          "role": role}
         for folder, body, role, numbers in (("occluded_body_images", "occluded", "probe", (1, 2)),
                                             ("whole_body_images", "full", "gallery", (1, 2, 3)))
         for number in numbers],
        "p-dukemtmc-reid",
    )  # fmt: skip
    rule = next(rule for rule in rules("p-dukemtmc-reid") if rule.camera == camera)
    assert cameras(rule, *rows(rule, manifest)) == expected
    assert effect(rule, manifest).filtered == 0
    second = replace(rule, camera="name-field-2")
    assert effect(second, manifest).filtered == 2


@pytest.mark.parametrize(
    ("codebase", "divisor", "expected"),
    [("bpbreid", 1, Numbers(1.0, 1.0, "hits")), ("NIReID", 2, Numbers(0.0, 0.5, "trapezoid"))],
)
def test_a_probe_without_a_match_is_dropped_or_counts_against(
    make_manifest: Callable[..., Manifest], codebase: str, divisor: int, expected: Numbers
) -> None:
    """Two code bases, one manifest: the probe of pid 2 has nobody in the gallery."""
    place = "p-dukemtmc-reid/test"
    manifest = make_manifest(
        [{"image_id": f"{place}/occluded_body_images/{pid}/{pid}_1_1", "pid": str(pid), "body": "occluded",
          "split": "test", "role": "probe"} for pid in (1, 2)]
        + [{"image_id": f"{place}/whole_body_images/1/1_1_1", "pid": "1", "split": "test", "role": "gallery"}],
        "p-dukemtmc-reid",
    )  # fmt: skip
    rule = rule_of("p-dukemtmc-reid", codebase)
    told = effect(rule, manifest)
    assert (told.dropped, told.divisor) == (1, divisor)
    assert loader_score(rule, manifest, FeatureFile(tuple(manifest.frame["image_id"]), np.ones((3, 2)))) == expected


def test_counted_as_zero_is_neither_dropped_nor_minus_one() -> None:
    """light-reid and HOReID: AP 0, no hit at rank 1, and it stays in the divisor."""
    one, none = matrix(1.0), np.zeros((1, 1), bool)
    assert rank(one, none, none, "hits", "zero") == Numbers(0.0, 0.0, "hits")
    assert rank(one, none, none, "hits", "minus-one") == Numbers(-1.0, 0.0, "hits")
    assert rank(one, none, none, "hits", "dropped") == Numbers(None, None, "hits")


def test_equal_similarities_stand_in_gallery_order() -> None:
    """The stated rule for ties: the earlier name first."""
    none = np.zeros((1, 2), bool)
    assert rank(matrix(0.5, 0.5), np.array([[True, False]]), none, "hits", "dropped").rank1 == 1.0
    assert rank(matrix(0.5, 0.5), np.array([[False, True]]), none, "hits", "dropped").rank1 == 0.0


def test_a_matrix_is_used_as_it_is(two_people: Manifest) -> None:
    """Pairwise matchers have nothing else: distances give the numbers of the features they came from."""
    rule, features = rule_of("partial-reid", "fast-reid"), angled()
    far = 1 - features.features[:4] @ features.features[4:].T
    given = Matrix(features.image_id[:4], features.image_id[4:], far)
    assert loader_score(rule, two_people, given) == loader_score(rule, two_people, features)


def test_a_small_gallery_raises_only_where_the_filter_shortens_it(two_people: Manifest) -> None:
    """Four gallery pictures are fewer than max rank 50; the filter leaves some probe three."""
    assert effect(rule_of("partial-reid", "fast-reid"), two_people).raises
    assert not effect(rule_of("partial-reid", "PADE"), two_people).raises
    wide = rule_of("partial-reid", "fast-reid")
    assert not effect(replace(wide, codebase=replace(wide.codebase, max_rank=3)), two_people).raises


@pytest.mark.parametrize("rule", EVERY, ids=of)
def test_every_rule_cites_repository_commit_and_file(rule: LoaderRule) -> None:
    """So that a reader can check it, and each kind of certainty is earned."""
    told = loader_text(rule)
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", told["repository"])
    assert told["files"]
    for file in [*told["files"], *told["evaluator"]]:
        assert re.fullmatch(r"[0-9a-f]{40}", file["commit"])
        assert re.search(r"\.(py|pyx)$", file["path"])
        assert file["url"] == f"https://github.com/{told['repository']}/blob/{file['commit']}/{file['path']}"
    assert told["evaluator"] or told["evaluator_certainty"] == "second-hand"
    assert bool(rule.camera_text) == (rule.camera != "none")
    assert (rule.certainty == "not-read") <= bool(rule.obstacle)


@pytest.mark.parametrize("dataset", SETS)
def test_every_rule_has_the_pictures_of_its_protocol(
    dataset: str, cheap_tree: Callable[..., Path], tmp_path: Path
) -> None:
    """On a twin, a loader's probe and gallery are those of the protocol that stands beside it."""
    import occluded_datasets as od

    built = od.build(dataset, cheap_tree(dataset, None, 3, tmp_path / "raw"), tmp_path / "root", allow_subset=True)
    manifest = od.load(built.manifest)
    for rule in (rule for rule in LOADERS if rule.dataset == dataset and not rule.obstacle):
        parts = split(manifest, find_protocol(dataset, rule.protocol))
        probe, gallery = rows(rule, manifest)
        assert list(probe["image_id"]) == list(parts.probe["image_id"]), of(rule)
        assert list(gallery["image_id"]) == list(parts.gallery["image_id"]), of(rule)
        told = effect(rule, manifest)
        assert told.dropped == 0
        assert told.filtered == (len(probe) if rule.codebase.name == "fast-reid" else 0), of(rule)


def test_what_is_known_of_each_set() -> None:
    """The six code bases of the brief are there for every set; those without a loader say so, last."""
    for dataset in SETS:
        told = rules(dataset)
        names = [rule.codebase.name for rule in told]
        assert len(set(names)) == len(names)
        assert {"torchreid", "fast-reid", "bpbreid", "KPR", "PVPM", "TransReID"} <= set(names)
        absent = [rule.obstacle == "no loader" for rule in told]
        assert absent == sorted(absent)
    probes = {rule.codebase.name: rule.probe for rule in rules("partial-reid") if rule.probe}
    assert {name for name, folders in probes.items() if folders == ("occluded_body_images",)} == {"KPR", "PVPM"}
    assert {name for name, folders in probes.items() if folders == ("partial_body_images",)} == {
        "fast-reid", "bpbreid", "PADE",
    }  # fmt: skip


BROKEN = {
    ("bpbreid", "partial-reid"): ("cannot be constructed", "partial_reid.py, line 34"),
    ("bpbreid", "partial-ilids"): ("cannot be constructed", "partial_ilids.py, line 33"),
    ("KPR", "p-dukemtmc-reid"): ("cannot be constructed", "p_dukemtmc_reid.py, lines 89 and 102"),
    ("PVPM", "occluded-reid"): ("cannot be run as published", "occlusion_reid.py, line 46"),
    ("fast-reid", "partial-ilids"): ("names without a second number end in an error", ""),
}


def test_a_loader_that_cannot_be_constructed_has_no_score_and_every_other_keeps_its_own(
    cheap_tree: Callable[..., Path], tmp_path: Path
) -> None:
    """Of the loaders that were read, exactly these are refused, with the file and line that end them."""
    import occluded_datasets as od

    refused = {(rule.codebase.name, rule.dataset): rule for rule in LOADERS if unscored(loader_text(rule))}
    assert set(refused) == set(BROKEN)
    for place, (head, source) in BROKEN.items():
        rule = refused[place]
        assert unscored(loader_text(rule)) == head
        assert source in rule.obstacle
        raw = cheap_tree(rule.dataset, None, 3, tmp_path / of(rule))
        built = od.build(rule.dataset, raw, tmp_path / f"{of(rule)}-root", allow_subset=True)
        with pytest.raises(UsageError, match=re.escape(rule.obstacle)):
            effect(rule, od.load(built.manifest))


def test_table_json_and_page_say_that_it_cannot_be_constructed(
    command: Callable[..., Any], twin: tuple[Path, Path]
) -> None:
    """Its row has words where the others have numbers; the reason stands below, and no number of it anywhere."""
    arguments = ("how-loaders-differ", "partial-reid", "--manifest", twin[0], "--features", twin[1])
    told = {rule["codebase"]: rule for rule in command(*arguments, "--json").json()["rules"]}
    assert (told["bpbreid"]["effect"], told["bpbreid"]["numbers"]) == (None, None)
    assert told["bpbreid"]["refused"] == told["bpbreid"]["obstacle"]
    assert "self.transform (partial_reid.py, line 34)" in told["bpbreid"]["obstacle"]
    assert told["PADE"]["numbers"]
    assert told["PADE"]["refused"] == ""
    rows = [line for line in command(*arguments).out.splitlines() if line.strip(" │|").startswith("bpbreid ")]
    assert "not scored: cannot be constructed" in " ".join(rows)
    numbers = next(row for row in rows if "not scored" in row)
    assert re.search(r"\d", numbers) is None
    page = Path(__file__).parents[2] / "docs" / "reference" / "how-loaders-differ.md"
    lines = page.read_text("utf-8").splitlines()
    assert sum("not scored: cannot be constructed" in line for line in lines) == 3
    assert sum("not scored: cannot be run as published" in line for line in lines) == 1


def test_refusals_name_what_is_wrong(two_people: Manifest, make_manifest: Callable[..., Manifest]) -> None:
    """Unknown set, no rules, no loader, another set, a side without pictures, names without a number."""
    with pytest.raises(UnknownNameError, match="partial-reid"):
        rules("partial-ried")
    with pytest.raises(UsageError, match="no code base's rules are recorded"):
        rules("market-1501")
    with pytest.raises(UnknownNameError, match="bpbreid"):
        rule_of("partial-reid", "bpbried")
    with pytest.raises(UsageError, match="no loader"):
        rows(rule_of("partial-reid", "torchreid"), two_people)
    with pytest.raises(UsageError, match="manifest is of partial-reid"):
        rows(rule_of("occluded-reid", "bpbreid"), two_people)
    with pytest.raises(ProtocolError, match="no picture in occluded_body_images"):
        rows(rule_of("partial-reid", "KPR"), two_people)
    ilids = make_manifest(
        [{"image_id": f"partial-ilids/{side}/1", "pid": "1"} for side in ("Gallery", "Probe")], "partial-ilids"
    )
    with pytest.raises(InputError, match="no second number"):
        effect(replace(rule_of("partial-ilids", "fast-reid"), obstacle=""), ilids)


def test_features_that_cannot_be_ranked_are_refused(two_people: Manifest) -> None:
    """A missing picture and a zero vector, by name; rows that a rule does not use do no harm."""
    rule, features = rule_of("partial-reid", "PADE"), angled()
    with pytest.raises(FeatureError, match="whole_body_images/002_002"):
        loader_score(rule, two_people, FeatureFile(features.image_id[:-1], features.features[:-1]))
    with pytest.raises(FeatureError, match="only zeros in partial-reid/partial_body_images/001_001"):
        loader_score(rule, two_people, FeatureFile(features.image_id, features.features * (np.arange(8) > 0)[:, None]))


@pytest.fixture
def twin(cheap_tree: Callable[..., Path], tmp_path: Path) -> tuple[Path, Path]:
    """Return the manifest of a Partial-REID twin and a file of random features."""
    import occluded_datasets as od

    built = od.build("partial-reid", cheap_tree("partial-reid", None, 12, tmp_path / "raw"), tmp_path / "root",
                     allow_subset=True)  # fmt: skip
    names = od.load(built.manifest).frame["image_id"].to_numpy(dtype=str)
    made: Any = np.random.default_rng(0).standard_normal((len(names), 8)).astype(np.float32)
    np.savez(tmp_path / "f.npz", image_id=names, features=made)
    return Path(built.manifest), tmp_path / "f.npz"


def test_the_command_shows_the_rules_alone(command: Callable[..., Any]) -> None:
    """Without a manifest: the table, notes and links, and no numbers."""
    ran = command("how-loaders-differ", "partial-reid")
    assert (ran.code, ran.err) == (0, "")
    for word in ("fast-reid", "name field 2", "TransReID", "no loader", "second-hand", "one true match of five"):
        assert word in ran.out
    assert "https://github.com/hh23333/PVPM/blob/73c7138e79800b78a932f469c60f86c003661e3c/" in ran.out
    assert "rank-1" not in ran.out.splitlines()[1]


def test_the_command_counts_without_features(command: Callable[..., Any], twin: tuple[Path, Path]) -> None:
    """What is filtered and dropped depends on rows alone."""
    told = command("how-loaders-differ", "partial-reid", "--manifest", twin[0], "--json").json()
    by_name = {rule["codebase"]: rule for rule in told["rules"]}
    assert by_name["fast-reid"]["effect"]["filtered"] == 60
    assert by_name["PADE"]["effect"]["filtered"] == 0
    assert by_name["torchreid"]["effect"] is None
    assert by_name["fast-reid"]["numbers"] is None
    assert told["features"] is None


def test_the_command_scores_one_feature_file(command: Callable[..., Any], twin: tuple[Path, Path]) -> None:
    """The numbers of each rule and ours beside them: equal where the rule is, else not."""
    arguments = ("how-loaders-differ", "partial-reid", "--manifest", twin[0], "--features", twin[1])
    ran = command(*arguments, "--json")
    told = ran.json()
    by_name = {rule["codebase"]: rule["numbers"] for rule in told["rules"]}
    ours = told["ours"]
    assert set(ours) == {"transfer-all-occluded-probe", "transfer-all-partial-probe"}
    for name, protocol in (("PADE", "transfer-all-partial-probe"), ("KPR", "transfer-all-occluded-probe")):
        assert by_name[name]["map"] == pytest.approx(ours[protocol]["map"], abs=1e-6)
        assert by_name[name]["rank1"] == pytest.approx(ours[protocol]["rank1"], abs=1e-6)
    assert by_name["fast-reid"]["map"] < by_name["PADE"]["map"]
    assert by_name["TransReID"] is None
    table = command(*arguments)
    assert table.code == 0
    assert f"{100 * by_name['fast-reid']['map']:.2f}" in table.out
    assert find_protocol("partial-reid", "transfer-all-partial-probe").id in table.out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("partial-ried",), "Did you mean partial-reid"),
        (("market-1501",), "no code base's rules are recorded"),
        (("partial-reid", "--features", "none.npz", "--root", "nowhere"), "partial-reid"),
    ],
)
def test_the_command_fails_with_one_message(command: Callable[..., Any], arguments: tuple[str, ...], said: str) -> None:
    """Exit 2, no traceback, and in JSON too."""
    ran = command("how-loaders-differ", *arguments)
    assert ran.code == 2
    assert said in ran.err
    assert said in command("how-loaders-differ", *arguments, "--json").out


def test_features_of_other_pictures_fail_as_a_whole(
    command: Callable[..., Any], twin: tuple[Path, Path], tmp_path: Path
) -> None:
    """A file that no rule can use is one error; one that some can use says which cannot."""
    arguments = ("how-loaders-differ", "partial-reid", "--manifest", twin[0], "--features", tmp_path / "g.npz")
    with np.load(twin[1]) as whole:
        names, features = whole["image_id"], whole["features"]
    np.savez(tmp_path / "g.npz", image_id=names[:1], features=features[:1])
    ran = command(*arguments)
    assert ran.code == 2
    assert "no rule can be applied to these features" in ran.err
    kept = np.array(["occluded" not in name for name in names])
    np.savez(tmp_path / "g.npz", image_id=names[kept], features=features[kept])
    told = {rule["codebase"]: rule for rule in command(*arguments, "--json").json()["rules"]}
    assert told["PADE"]["numbers"]
    assert "60 of 60 probe pictures are missing" in told["KPR"]["refused"]
    assert "KPR: features: 60 of 60 probe" in command(*arguments).out


def test_the_manifest_must_be_of_the_set(command: Callable[..., Any], twin: tuple[Path, Path]) -> None:
    """A manifest of another set is a usage error."""
    ran = command("how-loaders-differ", "occluded-reid", "--manifest", twin[0])
    assert ran.code == 2
    assert "is of partial-reid, expected occluded-reid" in ran.err
