"""MARS: the video set of Market-1501's people, a parent of Occluded-Market."""

from .spec import Count, Dataset, Form, Part, Source, Terms, Variant

_STEM = r"(?P<pid>\d{4})C(?P<camid>[1-6])T(?P<x_tracklet>\d{4})F(?P<frame>\d{3})"
_TWIN = "{pid:04d}/{pid:04d}C{camera}T{index:04d}F001"

DATASET = Dataset(
    id="mars",
    title="MARS",
    paper="Zheng, Bie, Sun, Wang, Su, Wang, Tian: MARS: A Video Benchmark for Large-Scale Person Re-identification. "
    "ECCV 2016",
    year=2016,
    bibtex="""@inproceedings{zheng2016mars,
  title     = {{MARS}: A Video Benchmark for Large-Scale Person Re-identification},
  author    = {Zheng, Liang and Bie, Zhi and Sun, Yifan and Wang, Jingdong and Su, Chi and Wang, Shengjin and Tian, Qi},
  booktitle = {European Conference on Computer Vision (ECCV)},
  year      = {2016}
}""",
    kind="parent",
    status="by form",
    status_note="Its authors' page links the archives, one a part; a copy you hold is read: name the folder that holds "
    "bbox_train and bbox_test.",
    terms=Terms(text="Academic use. Cite the paper.", source="the authors' page"),
    sources=(Source("MARS.zip", note="The authors serve one archive a part; this name is ours, for a copy of both."),),
    tree="MARS",
    camid_source="filename",
    parts=(
        Part(
            "bbox_train",
            "unknown",
            "train",
            "train",
            (Form(("bbox_train",), _STEM, pid_folder=True),),
            Count(509914, 625, "documented"),
            id_folder="{pid:04d}",
            twin=_TWIN,
            size=(128, 128, 256, 256),
        ),
        Part(
            "bbox_test",
            "unknown",
            "gallery",
            "test",
            (Form(("bbox_test",), _STEM, pid_folder=True),),
            Count(None, None, "inferred"),
            id_folder="{pid:04d}",
            roles=(("0", "distractor"),),
            twin=_TWIN,
            size=(128, 128, 256, 256),
        ),
    ),
    variants=(
        Variant(
            "full", "both folders; which tracklets are queries is not read", ("bbox_train", "bbox_test"),
            Count(None, None, "inferred"),
        ),
    ),
    ignored=("00-1",),
    notes=(
        "The folder 00-1 holds junk and is left aside; public descriptions count it among the test pictures, so their "
        "number for the test part is not declared here.",
        "It has over a million pictures: name a folder, as an archive of so many members is refused.",
        "Shares its people with Market-1501: whoever trains here and tests on a set of Market's people leaks.",
    ),
)  # fmt: skip
