"""Occluded-DukeMTMC: DukeMTMC-reID regrouped by three published name lists."""

from .spec import Count, Dataset, Derivation, Form, Lineage, Part, Picked, Source, Terms, Variant

_STEM = r"(?P<pid>\d{4})_c(?P<camid>[1-8])_f(?P<frame>\d{7})"
_TWIN = "{pid:04d}_c{camera}_f{index:07d}"
_SIZE = (60, 100, 140, 250)
_LISTS = "https://github.com/lightas/Occluded-DukeMTMC-Dataset/raw/master/Occluded_Duke"

DATASET = Dataset(
    id="occluded-dukemtmc",
    title="Occluded-DukeMTMC",
    paper="Miao, Wu, Liu, Ding, Yang: Pose-Guided Feature Alignment for Occluded Person Re-identification. ICCV 2019",
    year=2019,
    bibtex="""@inproceedings{miao2019pose,
  title     = {Pose-Guided Feature Alignment for Occluded Person Re-Identification},
  author    = {Miao, Jiaxu and Wu, Yu and Liu, Ping and Ding, Yuhang and Yang, Yi},
  booktitle = {IEEE/CVF International Conference on Computer Vision (ICCV)},
  year      = {2019}
}""",
    kind="neighbour",
    status="withdrawn",
    status_note="Its parent DukeMTMC was withdrawn by its university in 2019. It is never fetched; a copy you hold "
    "is read.",
    terms=Terms(
        text="The pictures are DukeMTMC-reID's (CC BY-NC-SA 4.0, withdrawn 2019). Cite the paper.",
        source="DukeMTMC-reID's licence",
    ),
    sources=(
        Source(
            "train.list",
            (f"{_LISTS}/train.list",),
            sha256="dadffee79d8601545ca2217a38406c1cb6dab39d0b4b0c6370c8486738dee059",
        ),
        Source(
            "query.list",
            (f"{_LISTS}/query.list",),
            sha256="fb5e1b1a749a0ab8602414bc9159e7a03216c2bdc519b5a4e513e05e3f612333",
        ),
        Source(
            "gallery.list",
            (f"{_LISTS}/gallery.list",),
            sha256="0393fa86344ef4c220a5589aaad409f3adda1e14e39fc8425c80e90196065fca",
        ),
    ),
    tree="Occluded_Duke",
    camid_source="filename",
    parts=(
        Part(
            "bounding_box_train",
            "unknown",
            "train",
            "train",
            (Form(("bounding_box_train", "train"), _STEM),),
            Count(15618, 702, "documented"),
            twin=_TWIN,
            size=_SIZE,
        ),
        Part(
            "query",
            "occluded",
            "probe",
            "test",
            (Form(("query",), _STEM),),
            Count(2210, 519, "documented"),
            twin=_TWIN,
            size=_SIZE,
        ),
        Part(
            "bounding_box_test",
            "unknown",
            "gallery",
            "test",
            (Form(("bounding_box_test", "gallery", "test"), _STEM),),
            Count(17661, 1110, "documented"),
            twin=_TWIN,
            size=_SIZE,
        ),
    ),
    variants=(
        Variant(
            "full",
            "train, query and gallery",
            ("bounding_box_train", "query", "bounding_box_test"),
            Count(35489, None, "documented"),
        ),
    ),
    lists=(("train.list", "bounding_box_train"), ("query.list", "query"), ("gallery.list", "bounding_box_test")),
    derivation=Derivation(
        published="https://github.com/lightas/Occluded-DukeMTMC-Dataset",
        picked=(  # the authors' script: a query that is not the parent's is a gallery image, and stays one
            Picked("train.list", "dukemtmc-reid", ("bounding_box_train",)),
            Picked("query.list", "dukemtmc-reid", ("query", "bounding_box_test")),
            Picked("gallery.list", "dukemtmc-reid", ("bounding_box_test",)),
        ),
    ),
    lineage=(Lineage("dukemtmc-reid", "its pictures, regrouped", "withdrawn by its university in 2019"),),
    notes=(
        "About a tenth of the gallery is itself occluded, with no flag on a picture: it is not a full-body gallery, "
        "and its body is unknown.",
    ),
)
