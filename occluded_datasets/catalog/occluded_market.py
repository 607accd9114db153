"""Occluded-Market: MARS and Market-1501 regrouped by five published name lists."""

from .spec import Count, Dataset, Derivation, Form, Lineage, Part, Picked, Source, Terms, Variant

_MARKET = r"(?P<pid>\d{4})_c(?P<camid>[1-6])s\d_\d{6}_\d{2}"
_EITHER = r"(?P<pid>\d{4})_c(?P<camid>[1-6])s(?:\d_\d{6}_\d{2}|\d{4}_\d{3})"
_MARS = (r"(?P<p>\d{4})_c(?P<c>\d)s(?P<t>\d{4})_(?P<f>\d{3})", "{p}C{c}T{t}F{f}")
_TWIN = "{pid:04d}_c{camera}s1_{index:06d}_00"
_PAGE = "https://github.com/LiuDHS/Occluded-Market-Dataset"
_COMMIT = "f4de885e23b80b2079c1fd844fb2466ec2e04c17"
_FILES = (
    ("train_market.list", "occluded_train"),
    ("train_mars.list", "occluded_train"),
    ("query_market.list", "occluded_query"),
    ("query_mars.list", "occluded_query"),
    ("test.list", "bounding_box_test"),
)

DATASET = Dataset(
    id="occluded-market",
    title="Occluded-Market",
    paper="none is named in the repository of its authors",
    year=0,
    bibtex="""@misc{occluded-market,
  title        = {The Occluded-Market Dataset},
  howpublished = {\\url{https://github.com/LiuDHS/Occluded-Market-Dataset}}
}""",
    kind="neighbour",
    status="by form",
    status_note="Its authors publish name lists; the pictures are those of MARS and Market-1501, whose copies you hold.",
    terms=Terms(
        text="The pictures are those of MARS and Market-1501, under their terms. Name the repository.",
        source="the authors' repository, which has no licence text",
    ),
    sources=tuple(Source(file, (f"{_PAGE}/raw/{_COMMIT}/Occluded_Market/{file}",)) for file, _ in _FILES),
    tree="Occluded_Market",
    camid_source="filename",
    parts=(
        Part(
            "occluded_train",
            "unknown",
            "train",
            "train",
            (Form(("occluded_train",), _EITHER),),
            Count(9287, None, "documented"),
            twin=_TWIN,
        ),
        Part(
            "occluded_query",
            "occluded",
            "probe",
            "test",
            (Form(("occluded_query",), _EITHER),),
            Count(2343, None, "documented"),
            twin=_TWIN,
        ),
        Part(
            "bounding_box_test",
            "unknown",
            "gallery",
            "test",
            (Form(("bounding_box_test",), _MARKET),),
            Count(15913, None, "documented"),
            roles=(("0", "distractor"),),
            twin=_TWIN,
        ),
    ),
    variants=(
        Variant(
            "full",
            "train, query and gallery",
            ("occluded_train", "occluded_query", "bounding_box_test"),
            Count(27543, None, "documented"),
        ),
    ),
    lists=_FILES,
    derivation=Derivation(
        published=_PAGE,
        relabel="*",  # new*old: a name that the authors gave to another identity
        picked=(  # the authors' script: a name of MARS is looked for in its training folder first
            Picked("train_market.list", "market-1501", ("bounding_box_train",)),
            Picked("train_mars.list", "mars", ("bbox_train", "bbox_test"), _MARS),
            Picked("query_market.list", "market-1501", ("query",)),
            Picked("query_mars.list", "mars", ("bbox_train", "bbox_test"), _MARS),
            Picked("test.list", "market-1501", ("bounding_box_test",)),
        ),
    ),
    lineage=(
        Lineage("market-1501", "its gallery, and some training and query pictures"),
        Lineage("mars", "most training and query pictures"),
    ),
    notes=(
        "The numbers are those of one public loader and of the lists' lengths at the commit in their addresses; nobody "
        "here built the set from real copies.",
        "The gallery is Market-1501's: it holds distractors of pid 0, which one loader drops.",
        "MARS and Market-1501 show the same people: training on either and testing here leaks.",
    ),
)
