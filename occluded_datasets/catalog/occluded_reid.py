"""Occluded-REID: 200 identities on a campus, five occluded and five full-body images each."""

from .spec import OCCLUDED, WHOLE, Count, Dataset, Form, Numbering, Part, Source, Terms, Variant

_COMMIT = "61e54da27fc1999dd68ce5681f251220beb0fc64"
_REPOSITORY = "https://github.com/tinajia2012/ICME2018_Occluded-Person-Reidentification_datasets"
_STEM = r"(?P<pid>\d{3})_(?P<index>\d{2})"
_NUMBERING = Numbering("{pid:03d}/{pid:03d}_{index:02d}", 200, 5)

DATASET = Dataset(
    id="occluded-reid",
    title="Occluded-REID",
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
            name="Occluded_REID.zip",
            urls=(f"{_REPOSITORY}/raw/{_COMMIT}/Occluded_REID.zip",),
            git_blob="e19c5d821fe61953cfadd92fa01bbaac72a2da1e",
            sha256="1c8854e02db775da6a51399df4b7e02c299804850dff9985451d610fc8c6d57d",
            sha256_from="one third-party dataset card",
            note="About 41.9 MB.",
        ),
    ),
    tree="Occluded_REID",
    extension=".tif",
    parts=(
        Part(
            folder="occluded_body_images",
            body="occluded",
            role="probe",
            split="",
            forms=(
                Form(OCCLUDED, _STEM, pid_folder=True),
                Form((*OCCLUDED, "query", "probe"), _STEM, known_as="flat query/ and gallery/"),
                Form(
                    ("query", "probe", *OCCLUDED, "bounding_box_test", ""),
                    r"(?P<pid>\d{4})_c1s1_\d{6}_\d{2}",
                    known_as="Market-1501 style names",
                ),
            ),
            count=Count(1000, 200, "documented"),
            id_folder="{pid:03d}",
            numbering=_NUMBERING,
        ),
        Part(
            folder="whole_body_images",
            body="full",
            role="gallery",
            split="",
            forms=(
                Form(WHOLE, _STEM, pid_folder=True),
                Form((*WHOLE, "gallery"), _STEM, known_as="flat query/ and gallery/"),
                Form(
                    ("gallery", *WHOLE, "bounding_box_test", ""),
                    r"(?P<pid>\d{4})_c3s3_\d{6}_\d{2}",
                    known_as="Market-1501 style names",
                ),
            ),
            count=Count(1000, 200, "documented"),
            id_folder="{pid:03d}",
            numbering=_NUMBERING,
        ),
    ),
    variants=(
        Variant(
            "full", "all 2,000 pictures", ("occluded_body_images", "whole_body_images"), Count(2000, 200, "documented")
        ),
    ),
    notes=("128x64 (height x width) TIFF files. No camera and no split are published.",),
)
