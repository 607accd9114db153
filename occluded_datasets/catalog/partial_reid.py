"""Partial-REID: 60 identities, five occluded, five partial and five full-body images each."""

from .spec import OCCLUDED, PARTIAL, WHOLE, Count, Dataset, Form, Numbering, Part, Source, Terms, Variant

_STEM = r"(?P<pid>\d{3})_(?P<index>\d{3})"
_NUMBERING = Numbering("{pid:03d}_{index:03d}", 60, 5)
_COUNT = Count(300, 60, "verified-on-copy")

DATASET = Dataset(
    id="partial-reid",
    title="Partial-REID",
    paper="Zheng, Li, Xiang, Liao, Lai, Gong: Partial Person Re-identification. ICCV 2015",
    year=2015,
    bibtex="""@inproceedings{zheng2015partial,
  title     = {Partial Person Re-identification},
  author    = {Zheng, Wei-Shi and Li, Xiang and Xiang, Tao and Liao, Shengcai and Lai, Jianhuang and Gong, Shaogang},
  booktitle = {IEEE International Conference on Computer Vision (ICCV)},
  year      = {2015}
}""",
    status="open download",
    status_note="Served by the authors over plain http.",
    terms=Terms(
        text="The authors ask that the paper be cited. No licence text is published.",
        source="Readme.txt in the archive",
    ),
    sources=(
        Source(
            name="Partial-REID_Dataset.rar",
            urls=("http://isee.sysu.edu.cn/files/resource/Partial-REID_Dataset.rar",),
            note="No hash is published. Counts, names and pictures here were verified on a zip of the same tree.",
        ),
    ),
    tree="Partial-REID_Dataset",
    parts=(
        Part(
            "occluded_body_images",
            "occluded",
            "probe",
            "",
            (Form(OCCLUDED, _STEM),),
            _COUNT,
            numbering=_NUMBERING,
            group="{stem}",
            size=(37, 92, 103, 200),
        ),
        Part(
            "partial_body_images",
            "partial",
            "probe",
            "",
            (Form(PARTIAL, _STEM),),
            _COUNT,
            numbering=_NUMBERING,
            group="{stem}",
            size=(20, 82, 36, 193),
        ),
        Part(
            "whole_body_images",
            "full",
            "gallery",
            "",
            (Form(WHOLE, _STEM),),
            _COUNT,
            numbering=_NUMBERING,
            size=(33, 96, 101, 197),
        ),
    ),
    variants=(
        Variant(
            "full",
            "all 900 pictures",
            ("occluded_body_images", "partial_body_images", "whole_body_images"),
            Count(900, 60, "verified-on-copy"),
            files="partial-reid",
            fingerprint="fba064e616ed52f3d1fbfecd58b24ceab9c3b828df17c577132dcf3d8f288540",
        ),
    ),
    notes=(
        "partial_body_images/X is a manual crop of occluded_body_images/X: the same photo, so both share a group and "
        "are never two independent probes.",
        "Two probe sets are published under one name: occluded (PVPM, HPNet, KPR) and partial (BPBreID, EANet, "
        "fast-reid, FPC, PADE). Their scores do not compare.",
    ),
)
