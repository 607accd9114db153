"""P-DukeMTMC-reID: 1,299 identities cut from DukeMTMC, with a published train and test part."""

from .spec import OCCLUDED, WHOLE, Count, Dataset, Form, Lineage, Part, Source, Terms, Variant

_COMMIT = "61e54da27fc1999dd68ce5681f251220beb0fc64"
_REPOSITORY = "https://github.com/tinajia2012/ICME2018_Occluded-Person-Reidentification_datasets"
_STEM = r"(?P<pid>\d+)_(?P<x_source_field_2>\d+)_(?P<x_source_field_3>\d+).*"
_TWIN = "{pid:04d}/{pid:04d}_{camera}_{index:07d}"
_SIZE = (64, 110, 150, 260)


def _folders(split: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"{split}/{name}" for name in names)


DATASET = Dataset(
    id="p-dukemtmc-reid",
    title="P-DukeMTMC-reID",
    paper="Zhuo, Chen, Lai, Wang: Occluded Person Re-identification. ICME 2018, arXiv 1804.02792",
    year=2018,
    bibtex="""@inproceedings{zhuo2018occluded,
  title     = {Occluded Person Re-identification},
  author    = {Zhuo, Jiaxuan and Chen, Zeyu and Lai, Jianhuang and Wang, Guangcong},
  booktitle = {IEEE International Conference on Multimedia and Expo (ICME)},
  year      = {2018}
}""",
    status="open download",
    status_note="Served from the authors' repository; its parent DukeMTMC was withdrawn by its university in 2019.",
    terms=Terms(
        text="Academic and educational, non-commercial use. Cite arXiv 1804.02792. The authors ask for a signed form "
        "by mail. Samples may appear only in academic papers and technical reports; no republication, copying or "
        "further distribution in any form, for profit or not.",
        source=f"{_REPOSITORY} (readme and the Chinese form)",
    ),
    sources=(
        Source(
            name="P-DukeMTMC-reid.zip",
            urls=(f"{_REPOSITORY}/raw/{_COMMIT}/P-DukeMTMC-reid.zip",),
            git_blob="cad961ef2242c98cad0f7d3361cb2ddec2c690ca",
        ),
    ),
    tree="P-DukeMTMC-reid",
    parts=(
        Part(
            "train/occluded_body_images",
            "occluded",
            "train",
            "train",
            (Form(_folders("train", OCCLUDED), _STEM, pid_folder=True),),
            Count(2647, 665, "documented"),
            id_folder="{pid_text}",
            twin=_TWIN,
            size=_SIZE,
        ),
        Part(
            "train/whole_body_images",
            "full",
            "train",
            "train",
            (Form(_folders("train", WHOLE), _STEM, pid_folder=True),),
            Count(10280, 665, "documented"),
            id_folder="{pid_text}",
            twin=_TWIN,
            size=_SIZE,
        ),
        Part(
            "test/occluded_body_images",
            "occluded",
            "probe",
            "test",
            (Form(_folders("test", OCCLUDED), _STEM, pid_folder=True),),
            Count(2163, 634, "documented"),
            id_folder="{pid_text}",
            twin=_TWIN,
            size=_SIZE,
        ),
        Part(
            "test/whole_body_images",
            "full",
            "gallery",
            "test",
            (Form(_folders("test", WHOLE), _STEM, pid_folder=True),),
            Count(9053, 634, "documented"),
            id_folder="{pid_text}",
            twin=_TWIN,
            size=_SIZE,
        ),
    ),
    variants=(
        Variant(
            "full",
            "train and test",
            (
                "train/occluded_body_images",
                "train/whole_body_images",
                "test/occluded_body_images",
                "test/whole_body_images",
            ),
            Count(24143, 1299, "documented"),
        ),
    ),
    lineage=(Lineage("dukemtmc-reid", "pictures and people of DukeMTMC", "withdrawn by its university in 2019"),),
    notes=(
        "Field 2 of a file name is kept as x_source_field_2: whether it is a camera is unsettled.",
        "It shares people and photos with DukeMTMC-reID and Occluded-DukeMTMC: training there and testing here leaks.",
    ),
)
