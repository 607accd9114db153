"""Partial-iLIDS: 119 identities in an airport, one partial and one full-body image each."""

from .spec import PARTIAL, WHOLE, Count, Dataset, Form, Numbering, Part, Source, Terms, Variant

_NUMBER = r"(?P<pid>\d{1,3})"

DATASET = Dataset(
    id="partial-ilids",
    title="Partial-iLIDS",
    paper="He, Liang, Li, Sun: Deep Spatial Feature Reconstruction for Partial Person Re-identification. CVPR 2018",
    year=2018,
    bibtex="""@inproceedings{he2018deep,
  title     = {Deep Spatial Feature Reconstruction for Partial Person Re-identification: Alignment-Free Approach},
  author    = {He, Lingxiao and Liang, Jian and Li, Haiqing and Sun, Zhenan},
  booktitle = {IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)},
  year      = {2018}
}""",
    kind="neighbour",
    status="by form",
    status_note="No official open download is known; a copy is asked for from the authors of the paper.",
    terms=Terms(text="No licence text is published. Cite the paper.", source="none found"),
    sources=(Source(name="Partial_iLIDS.zip", note="No hash is published."),),
    tree="Partial_iLIDS",
    parts=(
        Part(
            "Probe",
            "partial",
            "probe",
            "",
            (Form(("Probe", "query", *PARTIAL), _NUMBER),),
            Count(119, 119, "documented"),
            stem="{pid}",
            group="{pid}",
            size=(20, 80, 36, 160),
            numbering=Numbering("{pid}", 119),
        ),
        Part(
            "Gallery",
            "full",
            "gallery",
            "",
            (Form(("Gallery", *WHOLE), _NUMBER),),
            Count(119, 119, "documented"),
            stem="{pid}",
            size=(50, 90, 120, 220),
            numbering=Numbering("{pid}", 119),
        ),
        Part(
            "partial_iLIDS_Probe_nocrop",
            "occluded",
            "",
            "",
            (Form(("partial_iLIDS_Probe_nocrop",), _NUMBER),),
            Count(119, 119, "documented"),
            stem="{pid:03d}",
            group="{pid}",
            size=(50, 90, 120, 220),
            numbering=Numbering("{pid:03d}", 119),
        ),
    ),
    variants=(
        Variant(
            "full",
            "probe, gallery and the probes before cropping",
            ("Probe", "Gallery", "partial_iLIDS_Probe_nocrop"),
            Count(357, 119, "documented"),
        ),
        Variant(
            "probe-gallery",
            "probe and gallery alone, as most copies have it",
            ("Probe", "Gallery"),
            Count(238, 119, "documented"),
        ),
    ),
    lists=(("Probe.txt", "Probe"), ("Gallery.txt", "Gallery")),
    notes=("One picture an identity and part. No camera is published.",),
)
