"""P-ETHZ: 85 identities cut from ETHZ."""

from .spec import OCCLUDED, WHOLE, Count, Dataset, Form, Lineage, Part, Source, Terms, Variant

_COMMIT = "61e54da27fc1999dd68ce5681f251220beb0fc64"
_REPOSITORY = "https://github.com/tinajia2012/ICME2018_Occluded-Person-Reidentification_datasets"
_STEM = r"(?P<pid>\d+)_(?P<index>\d+)"
_TWIN = "{pid:03d}/{pid:03d}_{index:02d}"

DATASET = Dataset(
    id="p-ethz",
    title="P-ETHZ",
    paper="Zhuo, Chen, Lai, Wang: Occluded Person Re-identification. ICME 2018, arXiv 1804.02792",
    year=2018,
    bibtex="""@inproceedings{zhuo2018occluded,
  title     = {Occluded Person Re-identification},
  author    = {Zhuo, Jiaxuan and Chen, Zeyu and Lai, Jianhuang and Wang, Guangcong},
  booktitle = {IEEE International Conference on Multimedia and Expo (ICME)},
  year      = {2018}
}""",
    status="open download",
    status_note="Served from the authors' repository; they ask for a signed form by mail.",
    terms=Terms(
        text="Academic and educational, non-commercial use. Cite arXiv 1804.02792. The authors ask for a signed form "
        "by mail. Samples may appear only in academic papers and technical reports; no republication, copying or "
        "further distribution in any form, for profit or not.",
        source=f"{_REPOSITORY} (readme and the Chinese form)",
    ),
    sources=(
        Source(
            name="P_ETHZ.zip",
            urls=(f"{_REPOSITORY}/raw/{_COMMIT}/P_ETHZ.zip",),
            git_blob="bcfdccefe944ffbd5aec6c9af9e030417e8912a6",
        ),
    ),
    tree="P_ETHZ",
    extension=".png",
    parts=(
        Part(
            "occluded_body_images",
            "occluded",
            "probe",
            "",
            (Form(OCCLUDED, _STEM, pid_folder=True),),
            Count(None, 85, "inferred"),
            id_folder="{pid_text}",
            twin=_TWIN,
            size=(40, 64, 100, 150),
        ),
        Part(
            "whole_body_images",
            "full",
            "gallery",
            "",
            (Form(WHOLE, _STEM, pid_folder=True),),
            Count(None, 85, "inferred"),
            id_folder="{pid_text}",
            twin=_TWIN,
            size=(40, 64, 100, 150),
        ),
    ),
    variants=(
        Variant(
            "full", "all 3,897 pictures", ("occluded_body_images", "whole_body_images"), Count(3897, 85, "documented")
        ),
    ),
    lineage=(Lineage("ethz", "people of the ETHZ sequences"),),
    notes=(
        "1 to 30 occluded and 1 to 30 full-body pictures an identity; how the 3,897 fall into the two parts is unknown.",
        "No camera and no split are published.",
    ),
)
