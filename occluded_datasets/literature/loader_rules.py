"""What public code bases make of the occluded sets, as data: each rule with the files and commits it was read from.

Rules are described in our own words; no line of any of these code bases is here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Camera = Literal["none", "role", "folder", "name-field-2", "own"]
Average = Literal["hits", "trapezoid"]
Unmatched = Literal["dropped", "zero", "minus-one"]
Certainty = Literal["read-in-source", "second-hand", "not-read"]


@dataclass(frozen=True)
class SourceFile:
    """A file of a repository at a commit of 40 hex digits."""

    path: str
    commit: str


@dataclass(frozen=True)
class Codebase:
    """How a code base scores, whatever the set.

    Parameters
    ----------
    name, repository : str
        What it is called; ``owner/name`` on GitHub.
    evaluator : tuple of SourceFile
        Where the scoring is; empty where the file could not be read.
    ap : str
        Average precision: ``hits`` or ``trapezoid`` (the Market-1501 evaluation).
    unmatched : str
        A probe without a match left: ``dropped`` without a word, ``zero`` or ``minus-one`` (counted with AP 0 and,
        in the last, -1 at rank 1).
    raises : bool
        Whether CMC curves of unequal length are stacked, which raises once a filter leaves some probe fewer gallery
        images than min(`max_rank`, gallery).
    small_gallery, labels : str
        What happens on a small gallery; how training labels are ordered.
    certainty : str
        How the scoring is known.
    """

    name: str
    repository: str
    evaluator: tuple[SourceFile, ...]
    ap: Average
    unmatched: Unmatched
    raises: bool
    small_gallery: str
    labels: str
    certainty: Certainty = "read-in-source"
    same_camera_filter: bool = True
    max_rank: int = 50

    def url(self, file: SourceFile) -> str:
        """Return where a file is to be read, at its commit."""
        return f"https://github.com/{self.repository}/blob/{file.commit}/{file.path}"


@dataclass(frozen=True)
class LoaderRule:
    """What one code base makes of one dataset.

    Parameters
    ----------
    codebase : Codebase
        Who reads it, and how it scores.
    dataset : str
        A dataset of the catalog.
    files : tuple of SourceFile
        Where this was read.
    probe, gallery : tuple of str
        The set's own folders (as the catalog spells them); empty where there is no loader.
    camera : str
        The strategy: ``role`` (probe 0, gallery 1), ``folder``, ``name-field-2`` (the second number of the name, which
        is the image's number on Partial-REID and Occluded-REID), ``own`` (each image its own), ``none``.
    camera_text : str
        The same in words.
    protocol : str
        The protocol of ours with these probe and gallery images.
    obstacle : str
        Why it cannot be scored on the set as published: no loader, unreadable names, or ``cannot be constructed`` with
        the file and line that end it (each of these was tried on a made tree of the published layout). Empty where it
        can.
    """

    codebase: Codebase
    dataset: str
    files: tuple[SourceFile, ...]
    probe: tuple[str, ...] = ()
    gallery: tuple[str, ...] = ()
    camera: Camera = "none"
    camera_text: str = ""
    protocol: str = ""
    notes: str = ""
    obstacle: str = ""
    certainty: Certainty = "read-in-source"


def _at(commit: str, *paths: str) -> tuple[SourceFile, ...]:
    return tuple(SourceFile(path, commit) for path in paths)


_STACKED = (
    "max rank 50 is cut to the gallery's size; if the filter leaves a probe fewer pictures than that, the Python path "
    "stacks curves of unequal length and raises"
)
_STALE = f"{_STACKED}, and the Cython path reads values left over from another probe"
_SHORTEST = "all curves are cut to the shortest; nothing raises"
_SET = "training labels number a Python set of pids; rows follow an unsorted glob"
_ROWS = "training labels number a Python set of pids; rows follow sorted names"
_UNREAD = "not read"
_SORTED = "training labels follow the sorted pids"
_FAST, _KPR, _PVPM, _BP, _BP_REID, _LIGHT, _PADE = (
    "1cf580b6b06ce2eec4b2208719f95a724a9a0c2c", "f890fd13ef272aa13a76506ece5e849ef9c23195",
    "73c7138e79800b78a932f469c60f86c003661e3c", "fa8853c71c9941dd51dbd98e511f00cae8d5c158",
    "81708252051b9ad2bb4b9114ab9f8e1749049359", "75132bc7c83687c942a66eb885fb2e7087ccb1ec",
    "909635806642c1bbb288c51ad5677607e66a061d",
)  # fmt: skip
_NIREID, _MSVIT = "3c2f790ddb38d061b499306d4c46df8c1f1642d9", "d1ead1338beac3b649706245b00a90187c215b08"
_HOREID, _FED = "4e9fd25247b04ce0521c7eb03ec5f46bb551580d", "9f4f8f063f1494e558c3b1b5b6218f1b2aa4c594"

TORCHREID = Codebase(
    "torchreid", "KaiyangZhou/deep-person-reid",
    (
        *_at("a136384a6aef713ee82ab2762f51b580f055da41", "torchreid/metrics/rank.py"),
        *_at("d0fe37c558b8842f70dfea15b50495440de719d3", "torchreid/data/datasets/image/market1501.py"),
    ),
    "hits", "dropped", True, _STACKED, _SET,
)  # fmt: skip
FASTREID = Codebase(
    "fast-reid", "JDAI-CV/fast-reid",
    (
        *_at("23bedfce124092b08c301220bf1e4d40aecbf7bb", "fastreid/evaluation/rank.py"),
        *_at("a53fd17874a54bec843bf302e929bf596ec03eca", "fastreid/evaluation/rank_cylib/rank_cy.pyx"),
        *_at("44cee30dfc929df2051d1ca56e36dc152866e96b", "projects/PartialReID/partialreid/dsr_evaluation.py"),
        *_at("866a196d1937e267cca515ac942fb539df595505", "fastreid/data/common.py"),
    ),
    "hits", "dropped", True, _STALE, _SORTED,
)  # fmt: skip
BPBREID = Codebase(
    "bpbreid", "VlSomers/bpbreid", _at(_BP, "torchreid/metrics/rank.py"), "hits", "dropped", True, _STACKED, _SET
)
KPR = Codebase(
    "KPR", "VlSomers/keypoint_promptable_reidentification", _at(_KPR, "torchreid/metrics/rank.py"),
    "hits", "dropped", True, f"{_STACKED}; dropped probes are printed one by one", _SET,
)  # fmt: skip
PVPM = Codebase(
    "PVPM", "hh23333/PVPM", _at(_PVPM, "torchreid/engine/engine.py", "scripts/default_parser.py"),
    "hits", "dropped", True, f"{_STACKED}; ranks up to 20 are printed, so a gallery under 20 raises", _SET,
    certainty="second-hand",
)  # fmt: skip
TRANSREID = Codebase(
    "TransReID", "damo-cv/TransReID", (), "hits", "dropped", True, _STACKED, _UNREAD, certainty="second-hand"
)
PADE = Codebase("PADE", "ziwang1121/PADE", (), "hits", "dropped", True, _STACKED, _ROWS, certainty="second-hand")
FED = Codebase(
    "FED", "ZacharyWang-007/FED-Occluded-ReID",
    _at("f274b54833e3d744e2f756f02d8a24dab3e8509e", "utils/metrics.py"), "hits", "dropped", True, _STACKED, _UNREAD,
)  # fmt: skip
DPM = Codebase(
    "DPM", "stone96123/DPM", _at("409a66519858ccf5a6636ae3958253fa91cbf11a", "utils/metrics.py"),
    "hits", "dropped", True, _STACKED, _ROWS,
)  # fmt: skip
HOREID = Codebase(
    "HOReID", "wangguanan/HOReID", _at(_HOREID, "tools/evaluation/retrieval2.py"), "hits", "zero", False, _SHORTEST,
    _SORTED,
)  # fmt: skip
LIGHTREID = Codebase(
    "light-reid", "wangguanan/light-reid",
    _at("48bbab732ff55dc622989b162ac7bf1837b008c7", "lightreid/evaluations/rank/rank.py"),
    "hits", "zero", False, _SHORTEST, _SORTED,
)  # fmt: skip
OPENUNREID = Codebase(
    "OpenUnReID", "open-mmlab/OpenUnReID",
    _at("77d727527d2efe6b4c21bf6d9a14ca269b9b7d75", "openunreid/core/metrics/rank.py"),
    "hits", "dropped", True, _STACKED, _UNREAD,
)  # fmt: skip
NIREID = Codebase(
    "NIReID", "xiaolai-sqlai/NIReID", _at(_NIREID, "test_p_dukemtmc.py"), "trapezoid", "minus-one", False,
    "curves are as long as the gallery; nothing raises above 10 pictures", _UNREAD,
)  # fmt: skip
MSVIT = Codebase(
    "MSViT-ReID", "xiaolai-sqlai/MSViT-ReID", _at(_MSVIT, "MSViT-ReID/test_p_dukemtmc.py"), "trapezoid", "minus-one",
    False, "curves are as long as the gallery; nothing raises above 10 pictures", _UNREAD,
)  # fmt: skip

_IMAGES = "torchreid/data/datasets/image/"
_ALL = ("partial-reid", "occluded-reid", "p-dukemtmc-reid", "partial-ilids", "p-ethz")
# Who has no loader for the sets named, and the list of loaders that shows it.
_REGISTERS: tuple[tuple[Codebase, tuple[SourceFile, ...], tuple[str, ...], str], ...] = (
    (TORCHREID, _at("9131c537d5b989b0f6dbaa749c0d3f6b1d099cde", "torchreid/data/datasets/__init__.py"),
     _ALL, ""),
    (FASTREID, _at(_FAST, "projects/PartialReID/partialreid/partial_dataset.py"), ("p-dukemtmc-reid", "p-ethz"), ""),
    (PVPM, _at("1bcdb5d85ef46283c0893b3e60aeef318d512233", "torchreid/data/datasets/__init__.py"),
     ("partial-ilids",), ""),
    (TRANSREID, _at("6227ebdb0385aaaba15635d3a3b9ebc352682285", "datasets/make_dataloader.py"),
     _ALL, "Occluded-DukeMTMC is its one occluded set."),
    (FED, _at(_FED, "datasets/make_dataloader.py"),
     _ALL, "Users ask for an Occluded-REID loader in its issue 3."),
    (HOREID, _at(_HOREID, "core/data_loader/__init__.py"), ("partial-reid", "occluded-reid", "partial-ilids"),
     "Its paper reports this set; the repository reads Occluded-DukeMTMC's layout alone."),
    (OPENUNREID, _at("4adbaab537b7725aa1e2df0bd821019f36bdb68b", "openunreid/data/datasets/__init__.py"),
     _ALL, ""),
    (PADE, _at(_PADE, "datasets/make_dataloader.py"), ("p-dukemtmc-reid", "partial-ilids", "p-ethz"), ""),
)  # fmt: skip
NO_LOADER = tuple(
    LoaderRule(codebase, dataset, files, obstacle="no loader", notes=notes)
    for codebase, files, datasets, notes in _REGISTERS
    for dataset in datasets
)

_OCC, _WHOLE, _PART = ("occluded_body_images",), ("whole_body_images",), ("partial_body_images",)
_ROLE = "0 for every probe, 1 for every gallery picture"
_NUMBER = "the second number of the name, which is the picture's number within its identity"
_PROBES = "Two probe folders are published under one name; scores on one never compare with scores on the other."
_FOLDER = "by folder, in training too: 0 occluded, 1 whole"
_DUKE = (("test/occluded_body_images",), ("test/whole_body_images",))
_OWN = "a number of its own for each picture, gallery first"
_BASE = "torchreid/data/datasets/dataset.py"
_NO_TRANSFORM = (
    "cannot be constructed: its constructor reads self.transform ({}), which its base class never sets (dataset.py, "
    "lines 66 and 67, sets transform_tr and transform_te)"
)

LOADERS = (
    LoaderRule(
        FASTREID, "partial-reid", _at(_FAST, "projects/PartialReID/partialreid/partial_dataset.py"), _PART, _WHOLE,
        "name-field-2", _NUMBER, "transfer-all-partial-probe",
        "Each probe loses the gallery picture of its own number: one true match of five. The mixing weight of its own "
        "distance is chosen among 101 by rank-1 on this test set. The pattern is searched in the whole path, so "
        "a folder's name with a digit before an underscore is matched first.",
    ),
    LoaderRule(BPBREID, "partial-reid", _at(_BP, f"{_IMAGES}partial_reid.py", _BASE), _PART, _WHOLE, "role", _ROLE,
               "transfer-all-partial-probe", _PROBES, _NO_TRANSFORM.format("partial_reid.py, line 34")),
    LoaderRule(KPR, "partial-reid", _at(_KPR, f"{_IMAGES}partial_reid.py"), _OCC, _WHOLE, "role", _ROLE,
               "transfer-all-occluded-probe", _PROBES),
    LoaderRule(PVPM, "partial-reid", _at(_PVPM, f"{_IMAGES}partial_reid.py"), _OCC, _WHOLE, "role", _ROLE,
               "transfer-all-occluded-probe", _PROBES),
    LoaderRule(PADE, "partial-reid", _at(_PADE, "datasets/partial_reid.py", "datasets/make_dataloader.py"),
               _PART, _WHOLE, "role", _ROLE, "transfer-all-partial-probe",
               "The loader is there and commented out of the list; the README says that its results were selected by "
               "hand with early stopping."),
    LoaderRule(LIGHTREID, "partial-reid", _at(_LIGHT, "lightreid/data/datasets/partial_reid.py"),
               obstacle="reads Probe.txt and Gallery.txt, which the published archive has not", camera="role",
               camera_text=_ROLE, notes="The probe set is what the reader's own lists say."),
    LoaderRule(
        FASTREID, "occluded-reid", _at(_FAST, "projects/PartialReID/partialreid/partial_dataset.py"), _OCC, _WHOLE,
        "name-field-2", _NUMBER, "transfer-all",
        "Reads flat query/ and gallery/ folders of .jpg, which no archive has; the numbers assume that conversion kept "
        "the names NNN_MM. Then each probe loses one true match of five. Market-style names end in an error.",
    ),
    LoaderRule(BPBREID, "occluded-reid", _at(_BP_REID, f"{_IMAGES}occluded_reid.py"), _OCC, _WHOLE, "role", _ROLE,
               "transfer-all"),
    LoaderRule(KPR, "occluded-reid", _at(_KPR, f"{_IMAGES}occluded_reid.py"), _OCC, _WHOLE, "role", _ROLE,
               "transfer-all"),
    LoaderRule(PVPM, "occluded-reid", _at(_PVPM, f"{_IMAGES}occlusion_reid.py"), _OCC, _WHOLE, "role", _ROLE,
               "transfer-all",
               obstacle="cannot be run as published: it looks for .jpg (occlusion_reid.py, line 46), and the archive "
               "holds .tif, so it has no probe and no gallery"),
    LoaderRule(PADE, "occluded-reid", _at(_PADE, "datasets/occ_reid.py", "datasets/make_dataloader.py"), _OCC, _WHOLE,
               "role", _ROLE, "transfer-all", "Reads flat query/ and gallery/ folders of .jpg, which no archive has."),
    LoaderRule(DPM, "occluded-reid",
               (*_at("f7d301e94808909105495dbf90ba5b6721077ab2", "datasets/market1501.py"),
                *_at("2f070e9999ebd8627539b7b853eb86068ac1aac3", "Rename.py")),
               _OCC, _WHOLE, "role", "by a renaming script: c1 for every probe, c3 for every gallery picture",
               "transfer-all", "The script must be run first; without it the loader finds no camera in the names."),
    LoaderRule(LIGHTREID, "occluded-reid", _at(_LIGHT, "lightreid/data/datasets/occluded_reid.py"), _OCC, _WHOLE,
               "role", _ROLE, "transfer-all",
               "The pid is the position of the folder on its side: a folder that is missing on one side shifts all "
               "pids after it."),
    LoaderRule(BPBREID, "p-dukemtmc-reid", _at(_BP, f"{_IMAGES}p_dukemtmc_reid.py"), *_DUKE, "folder", _FOLDER,
               "transfer"),
    LoaderRule(KPR, "p-dukemtmc-reid", _at(_KPR, f"{_IMAGES}p_dukemtmc_reid.py"), *_DUKE, "folder", _FOLDER,
               "transfer",
               obstacle="cannot be constructed: its first training image ends it in a NameError (p_dukemtmc_reid.py, "
               "lines 89 and 102, read kp_path, which nothing sets there)"),
    LoaderRule(PVPM, "p-dukemtmc-reid", _at(_PVPM, f"{_IMAGES}pduke_reid.py"), *_DUKE, "folder", _FOLDER, "transfer"),
    LoaderRule(NIREID, "p-dukemtmc-reid", _at(_NIREID, "test_p_dukemtmc.py"), *_DUKE, "own", _OWN, "transfer",
               "Features of the picture and its mirror image are summed."),
    LoaderRule(MSVIT, "p-dukemtmc-reid", _at(_MSVIT, "MSViT-ReID/test_p_dukemtmc.py"), *_DUKE, "own", _OWN, "transfer",
               "Features of the picture and its mirror image are summed."),
    LoaderRule(
        FASTREID, "partial-ilids", _at(_FAST, "projects/PartialReID/partialreid/partial_dataset.py"), ("Probe",),
        ("Gallery",), "name-field-2", "the second number of the name, which published names have not", "single-shot",
        "Its README counts 238 queries and 238 gallery pictures; 119 and 119 are published.",
        "names without a second number end in an error",
    ),
    LoaderRule(BPBREID, "partial-ilids", _at(_BP, f"{_IMAGES}partial_ilids.py", _BASE), ("Probe",), ("Gallery",),
               "role", _ROLE, "single-shot", "Reads folders renamed to partial_body_images and whole_body_images.",
               _NO_TRANSFORM.format("partial_ilids.py, line 33")),
    LoaderRule(KPR, "partial-ilids", _at(_KPR, f"{_IMAGES}__init__.py"), certainty="not-read",
               obstacle="the loader's file could not be read", notes="Listed beside the others."),
    LoaderRule(LIGHTREID, "partial-ilids", _at(_LIGHT, "lightreid/data/datasets/partial_ilids.py"), ("Probe",),
               ("Gallery",), "role", _ROLE, "single-shot", "Reads the archive's Probe.txt and Gallery.txt."),
    LoaderRule(BPBREID, "p-ethz", _at(_BP, f"{_IMAGES}p_ETHZ.py"), _OCC, _WHOLE, "role", _ROLE, "transfer-all"),
    LoaderRule(KPR, "p-ethz", _at(_KPR, f"{_IMAGES}__init__.py"), certainty="not-read",
               obstacle="the loader's file could not be read", notes="Listed beside the others."),
    LoaderRule(PVPM, "p-ethz", _at(_PVPM, f"{_IMAGES}p_ETHZ.py"), _OCC, _WHOLE, "role", _ROLE, "transfer-all"),
)  # fmt: skip
