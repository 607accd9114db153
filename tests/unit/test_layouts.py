"""From names to rows: each set as published, and each way it is met in the wild."""

from __future__ import annotations

import pytest

from occluded_datasets.catalog import get
from occluded_datasets.layouts import is_clutter, parse_tree, read_list, stem_of

# dataset, name on disk -> image_id, pid, camid, body, split, role, group
PUBLISHED = [
    ("occluded-reid", "Occluded_REID/occluded_body_images/001/001_01.tif",
     "occluded-reid/occluded_body_images/001/001_01", 1, None, "occluded", "", "probe", None),
    ("occluded-reid", "Occluded_REID/whole_body_images/200/200_05.tif",
     "occluded-reid/whole_body_images/200/200_05", 200, None, "full", "", "gallery", None),
    ("p-dukemtmc-reid", "P-DukeMTMC-reid/train/occluded_body_images/0007/0007_2_0043.jpg",
     "p-dukemtmc-reid/train/occluded_body_images/0007/0007_2_0043", 7, None, "occluded", "train", "train", None),
    ("p-dukemtmc-reid", "P-DukeMTMC-reid/train/whole_body_images/12/12_5_3_x.jpg",
     "p-dukemtmc-reid/train/whole_body_images/12/12_5_3_x", 12, None, "full", "train", "train", None),
    ("p-dukemtmc-reid", "P-DukeMTMC-reid/test/occluded_body_images/7/7_2_43.jpg",
     "p-dukemtmc-reid/test/occluded_body_images/7/7_2_43", 7, None, "occluded", "test", "probe", None),
    ("p-dukemtmc-reid", "P-DukeMTMC-reid/test/whole_body_images/7/7_2_43.jpg",
     "p-dukemtmc-reid/test/whole_body_images/7/7_2_43", 7, None, "full", "test", "gallery", None),
    ("p-ethz", "P_ETHZ/occluded_body_images/85/85_1.png",
     "p-ethz/occluded_body_images/85/85_1", 85, None, "occluded", "", "probe", None),
    ("p-ethz", "P_ETHZ/whole_body_images/085/085_30.jpg",
     "p-ethz/whole_body_images/085/085_30", 85, None, "full", "", "gallery", None),
    ("partial-reid", "Partial-REID_Dataset/occluded_body_images/017_003.jpg",
     "partial-reid/occluded_body_images/017_003", 17, None, "occluded", "", "probe", "partial-reid/017_003"),
    ("partial-reid", "Partial-REID_Dataset/partial_body_images/017_003.jpg",
     "partial-reid/partial_body_images/017_003", 17, None, "partial", "", "probe", "partial-reid/017_003"),
    ("partial-reid", "Partial-REID_Dataset/whole_body_images/017_003.jpg",
     "partial-reid/whole_body_images/017_003", 17, None, "full", "", "gallery", None),
    ("partial-ilids", "Partial_iLIDS/Probe/7.jpg", "partial-ilids/Probe/7", 7, None, "partial", "", "probe", "partial-ilids/7"),
    ("partial-ilids", "Partial_iLIDS/Gallery/119.jpg", "partial-ilids/Gallery/119", 119, None, "full", "", "gallery", None),
    ("partial-ilids", "Partial_iLIDS/partial_iLIDS_Probe_nocrop/007.jpg",
     "partial-ilids/partial_iLIDS_Probe_nocrop/007", 7, None, "occluded", "", "", "partial-ilids/7"),
    ("occluded-dukemtmc", "Occluded_Duke/bounding_box_train/0001_c2_f0046182.jpg",
     "occluded-dukemtmc/bounding_box_train/0001_c2_f0046182", 1, 2, "unknown", "train", "train", None),
    ("occluded-dukemtmc", "Occluded_Duke/query/0005_c8_f0000001.jpg",
     "occluded-dukemtmc/query/0005_c8_f0000001", 5, 8, "occluded", "test", "probe", None),
    ("occluded-dukemtmc", "Occluded_Duke/bounding_box_test/0005_c1_f0000001.jpg",
     "occluded-dukemtmc/bounding_box_test/0005_c1_f0000001", 5, 1, "unknown", "test", "gallery", None),
    ("dukemtmc-reid", "DukeMTMC-reID/query/0005_c8_f0000001.jpg",
     "dukemtmc-reid/query/0005_c8_f0000001", 5, 8, "unknown", "test", "probe", None),
    ("market-1501", "Market-1501-v15.09.15/bounding_box_train/0002_c1s1_000451_03.jpg",
     "market-1501/bounding_box_train/0002_c1s1_000451_03", 2, 1, "full", "train", "train", None),
    ("market-1501", "Market-1501-v15.09.15/query/0001_c6s3_077467_00.jpg",
     "market-1501/query/0001_c6s3_077467_00", 1, 6, "full", "test", "probe", None),
    ("market-1501", "Market-1501-v15.09.15/bounding_box_test/0001_c1s1_002401_02.jpg",
     "market-1501/bounding_box_test/0001_c1s1_002401_02", 1, 1, "full", "test", "gallery", None),
    ("market-1501", "Market-1501-v15.09.15/bounding_box_test/-1_c1s1_000401_03.jpg",
     "market-1501/bounding_box_test/-1_c1s1_000401_03", -1, 1, "full", "test", "junk", None),
    ("market-1501", "Market-1501-v15.09.15/bounding_box_test/0000_c1s1_000151_01.jpg",
     "market-1501/bounding_box_test/0000_c1s1_000151_01", 0, 1, "full", "test", "distractor", None),
]  # fmt: skip

# dataset, name in the wild, image_id: the published one wherever it can be recovered
WILD = [
    ("occluded-reid", "Occluded_ReID/occluded_body_images/001/001_01.TIF", "occluded_body_images/001/001_01"),
    ("occluded-reid", "OccludedREID/Occluded-Body-Images/001/001_01.jpg", "occluded_body_images/001/001_01"),
    ("occluded-reid", "occluded-reid/whole_body/001/001_01.png", "whole_body_images/001/001_01"),
    ("occluded-reid", "a/b/Occluded_REID/whole_body_images/001/001_01.tif", "whole_body_images/001/001_01"),
    ("occluded-reid", "whole_body_images/001/001_01.tif", "whole_body_images/001/001_01"),
    ("occluded-reid", "whole_body_images/1/001_01.tif", "whole_body_images/001/001_01"),
    ("occluded-reid", "query/001_01.jpg", "occluded_body_images/001/001_01"),
    ("occluded-reid", "gallery/001_01.jpg", "whole_body_images/001/001_01"),
    ("occluded-reid", "query/0001_c1s1_000050_00.tif", "occluded_body_images/001/0001_c1s1_000050_00"),
    ("occluded-reid", "gallery/0001_c3s3_000050_00.tif", "whole_body_images/001/0001_c3s3_000050_00"),
    ("occluded-reid", "bounding_box_test/0001_c3s3_000050_00.tif", "whole_body_images/001/0001_c3s3_000050_00"),
    ("p-dukemtmc-reid", "P-DukeMTMC-reID/Test/whole_body_images/7/7_2_43.JPG", "test/whole_body_images/7/7_2_43"),
    ("p-ethz", "PETHZ/occluded_body_images/3/3_10.PNG", "occluded_body_images/3/3_10"),
    ("partial-reid", "Partial_REID/Occluded Body Images/001_001.jpeg", "occluded_body_images/001_001"),
    ("partial-reid", "partial_body_images/001_001.jpg.jpg", "partial_body_images/001_001"),
    ("partial-ilids", "Partial_iLIDS/partial_body_images/7.jpg", "Probe/7"),
    ("partial-ilids", "Partial_iLIDS/whole_body_images/7.jpg", "Gallery/7"),
    ("partial-ilids", "query/7.jpg", "Probe/7"),
    ("partial-ilids", "gallery/007.jpg", "Gallery/7"),
    ("partial-ilids", "Partial_iLIDS/Partial_iLIDS/Probe/7.jpg", "Probe/7"),
    ("occluded-dukemtmc", "Occluded_Duke/train/0001_c2_f0046182.jpg", "bounding_box_train/0001_c2_f0046182"),
    ("occluded-dukemtmc", "Occluded-DukeMTMC/gallery/0001_c2_f0046182.jpg", "bounding_box_test/0001_c2_f0046182"),
    ("market-1501", "Market-1501/pytorch/query/0001_c1s1_001051_00.jpg.jpg", "query/0001_c1s1_001051_00"),
]


@pytest.mark.parametrize("case", PUBLISHED, ids=lambda case: case[1])
def test_a_published_name_becomes_its_row(case: tuple[object, ...]) -> None:
    """Identity, camera, body, split, role and group follow from folder and name alone."""
    dataset, name, *expected = case
    found = parse_tree([str(name)], get(str(dataset)))
    (row,) = found.rows
    assert row.name == name
    assert [row.image_id, row.pid, row.camid, row.body, row.split, row.role, row.group] == expected
    assert found.top == str(name).split("/")[0]


@pytest.mark.parametrize(("dataset", "name", "inner"), WILD)
def test_a_copy_from_the_wild_is_read_as_published(dataset: str, name: str, inner: str) -> None:
    """Renamed folders, other extensions, extra levels, flat copies and missing zeros give the published id."""
    (row,) = parse_tree([name], get(dataset)).rows
    assert row.image_id == f"{dataset}/{inner}"


def test_a_doubtful_field_is_kept_and_is_no_camera() -> None:
    """The second field of P-DukeMTMC-reID is an extra column."""
    (row,) = parse_tree(["test/whole_body_images/7/7_2_43.jpg"], get("p-dukemtmc-reid")).rows
    assert row.camid is None
    assert dict(row.extra) == {"x_source_field_2": "2", "x_source_field_3": "43"}


def test_a_known_renaming_is_said() -> None:
    """Market-style names are read back and the manifest says so."""
    names = ["query/0001_c1s1_000050_00.tif", "gallery/0001_c3s3_000050_00.tif"]
    found = parse_tree(names, get("occluded-reid"))
    assert found.known_as == ("Market-1501 style names",)
    assert [(row.body, row.pid, row.camid) for row in found.rows] == [("occluded", 1, None), ("full", 1, None)]


def test_the_folder_decides_not_its_order() -> None:
    """A folder's place in a listing is never an identity."""
    names = [f"occluded_body_images/{pid:03d}/{pid:03d}_01.tif" for pid in (200, 7, 30)]
    assert [row.pid for row in parse_tree(names, get("occluded-reid")).rows] == [7, 30, 200]


def test_what_lies_beside_a_set_is_skipped_and_counted() -> None:
    """System files and texts are left aside by list; nothing else is."""
    names = [
        "P/whole_body_images/001_001.jpg", "P/.DS_Store", "P/whole_body_images/Thumbs.db", "P/Readme.txt",
        "__MACOSX/P/whole_body_images/._001_001.jpg", "P/whole_body_images/._001_002.jpg", "P/DESKTOP.INI",
    ]  # fmt: skip
    found = parse_tree(names, get("partial-reid"))
    assert (len(found.rows), found.skipped) == (1, {"system files": 5, "text files": 1})


def test_other_parts_are_skipped_and_counted() -> None:
    """A variant takes its parts; hand-drawn boxes of Market-1501 are outside every variant."""
    facts = get("market-1501")
    names = [
        "M/bounding_box_train/0002_c1s1_000451_03.jpg", "M/query/0001_c6s3_077467_00.jpg",
        "M/gt_bbox/0001_c1s1_001051_00.jpg", "M/gt_query/0001_c1s1_001051_00_good.mat", "M/readme.txt",
    ]  # fmt: skip
    found = parse_tree(names, facts, facts.variant("train-only"))
    assert [row.pid for row in found.rows] == [2]
    assert found.skipped == {"folders outside the set": 2, "outside variant train-only": 1, "text files": 1}


def test_one_of_two_encodings_can_be_chosen() -> None:
    """What ``mogrify`` left beside the originals is not counted twice."""
    names = [f"occluded_body_images/001/001_0{n}{kind}" for n in (1, 2) for kind in (".tif", ".jpg")]
    found = parse_tree(names, get("occluded-reid"), extension=".tif")
    assert [row.name[-4:] for row in found.rows] == [".tif", ".tif"]
    assert found.skipped == {"other encodings": 2}


def test_files_can_be_left_aside_by_pattern() -> None:
    """A shell pattern of the user's own is counted apart."""
    names = ["whole_body_images/001_001.jpg", "whole_body_images/copy of 1.jpg", "notes/a.pdf"]
    found = parse_tree(names, get("partial-reid"), ignore=["*/copy of *", "notes/*"])
    assert (len(found.rows), found.skipped) == (1, {"ignored on request": 2})


def test_the_order_of_names_plays_no_part() -> None:
    """Rows come in image_id order whatever the archive's order."""
    names = [f"{folder}/{n:03d}_001.jpg" for folder in ("whole_body_images", "occluded_body_images") for n in (3, 1, 2)]
    assert parse_tree(names, get("partial-reid")).rows == parse_tree(names[::-1], get("partial-reid")).rows


@pytest.mark.parametrize(
    "text",
    ["Probe/1.jpg\nProbe/2.jpg\n", "Probe/1.jpg\r\nProbe/2.jpg", "\ufeffProbe/1.jpg\n\nProbe/2.jpg \n"],
    ids=["LF", "CRLF without a final one", "mark and blank line"],
)
def test_published_lists_are_read_whatever_their_line_ends(text: str) -> None:
    """One name a line, nothing lost at the end."""
    assert read_list(text) == ["Probe/1.jpg", "Probe/2.jpg"]


@pytest.mark.parametrize(
    ("name", "stem"),
    [("a.jpg", "a"), ("a.JPG", "a"), ("a.jpg.jpg", "a"), ("a.b.tif", "a.b"), ("a.txt", "a.txt"), ("a", "a")],
)
def test_stems(name: str, stem: str) -> None:
    """A picture's extensions go, whatever their case and number; others stay."""
    assert stem_of(name) == stem


@pytest.mark.parametrize(
    ("name", "clutter"),
    [
        ("a/.DS_Store", True), ("__MACOSX/a.jpg", True), ("a/__MACOSX/b/c.jpg", True), ("a/._b.jpg", True),
        ("Thumbs.db", True), ("a/desktop.ini", True), ("a/b.jpg", False), ("a/.hidden.jpg", False), ("a/b.db", False),
    ],
)  # fmt: skip
def test_clutter(name: str, clutter: bool) -> None:
    """Only what systems leave behind by itself is clutter."""
    assert is_clutter(name) is clutter
