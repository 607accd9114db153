"""Market-1501: the parent and training set of most occluded re-id work."""

from .spec import Count, Dataset, Form, Part, Source, Terms, Variant

_STEM = r"(?P<pid>-1|\d{4})_c(?P<camid>[1-6])s(?P<x_sequence>\d)_(?P<frame>\d{6})_(?P<box>\d{2})"
_TWIN = "{pid:04d}_c{camera}s1_{index:06d}_00"

DATASET = Dataset(
    id="market-1501",
    title="Market-1501",
    paper="Zheng, Shen, Tian, Wang, Wang, Tian: Scalable Person Re-identification: A Benchmark. ICCV 2015",
    year=2015,
    bibtex="""@inproceedings{zheng2015scalable,
  title     = {Scalable Person Re-identification: A Benchmark},
  author    = {Zheng, Liang and Shen, Liyue and Tian, Lu and Wang, Shengjin and Wang, Jingdong and Tian, Qi},
  booktitle = {IEEE International Conference on Computer Vision (ICCV)},
  year      = {2015}
}""",
    kind="parent",
    status="by form",
    status_note="Its authors' page links the archive; a copy you hold is read.",
    terms=Terms(text="Academic use. Cite the paper.", source="the authors' page"),
    sources=(Source("Market-1501-v15.09.15.zip", md5="65005ab7d12ec1c44de4eeafe813e68a"),),
    tree="Market-1501-v15.09.15",
    camid_source="filename",
    parts=(
        Part(
            "bounding_box_train",
            "full",
            "train",
            "train",
            (Form(("bounding_box_train",), _STEM),),
            Count(12936, 751, "verified-on-copy"),
            twin=_TWIN,
        ),
        Part("query", "full", "probe", "test", (Form(("query",), _STEM),), Count(3368, 750, "documented"), twin=_TWIN),
        Part(
            "bounding_box_test",
            "full",
            "gallery",
            "test",
            (Form(("bounding_box_test",), _STEM),),
            Count(15913, None, "documented"),
            roles=(("-1", "junk"), ("0", "distractor")),
            twin=_TWIN,
        ),
    ),
    variants=(
        Variant(
            "full",
            "train, query and gallery",
            ("bounding_box_train", "query", "bounding_box_test"),
            Count(32217, None, "documented"),
        ),
        Variant(
            "train-only",
            "the training part alone",
            ("bounding_box_train",),
            Count(12936, 751, "verified-on-copy"),
            files="market-1501-train-only",
            fingerprint="b2f484c594fda2a56e1705451b35e32eab18d08333e6aa83cbb8ea84a1fb5db3",
        ),
    ),
    ignored=("gt_bbox", "gt_query"),
    notes=(
        "Declared counts leave out the junk pictures of pid -1, which are kept as rows of role junk; pid 0 is "
        "role distractor.",
        "A holistic set: its pictures are taken for full-body by folder, nobody looked at each.",
    ),
)
