"""Published results: every row parses, cites and says how sure it is; what may stand beside a score."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from occluded_datasets import build, catalog, evaluate, load
from occluded_datasets.cli.app import group
from occluded_datasets.errors import ManifestError
from occluded_datasets.literature import published as room
from occluded_datasets.literature.published import CERTAINTIES, UNSTATED, match_published, published
from occluded_datasets.manifest.claims import OTHER_PIXELS
from occluded_datasets.protocol import protocols
from occluded_datasets.twin import twin

AFPB = [
    # dataset, N, rank-1 / 5 / 10 of AFPB as its authors print them
    ("occluded-reid", 1, (68.14, 88.29, 93.67)),
    ("partial-reid", 1, (78.52, 94.87, 98.03)),
    ("p-dukemtmc-reid", 1, (46.15, 63.47, 70.67)),
    ("p-ethz", 1, (58.15, 84.61, 92.11)),
    ("occluded-reid", 2, (86.51, 97.26, 98.88)),
    ("partial-reid", 2, (91.25, 99.20, 99.77)),
    ("p-dukemtmc-reid", 2, (51.95, 70.40, 77.22)),
    ("p-ethz", 2, (61.31, 85.94, 92.84)),
    ("occluded-reid", 5, (94.00, 99.00, 100.00)),
    ("partial-reid", 5, (96.67, 100.00, 100.00)),
    ("p-ethz", 5, (63.55, 87.02, 93.50)),
]


@pytest.mark.parametrize(("dataset", "shots", "scores"), AFPB)
def test_afpb_rows(dataset: str, shots: int, scores: tuple[float, ...]) -> None:
    """The authors' table is there to the digit."""
    rows = [row for row in published(dataset) if row.method == "AFPB" and row.setting.startswith(f"N={shots},")]
    assert {row.metric: row.value for row in rows} == dict(zip(("rank-1", "rank-5", "rank-10"), scores, strict=True))


RECORD = {"verdict": "complete", "twin": False, "reference": "none known", "declared": {}}


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"twin": True}, "drawn"),
        ({"verdict": "subset"}, "subset"),
        ({"reference": OTHER_PIXELS}, "other pixels"),
    ],
)
def test_beside_a_twin_or_a_part_is_no(change: dict[str, object], word: str) -> None:
    """No published number stands beside a score of drawn pictures, of a part, or of other pixels."""
    found = match_published({**RECORD, "protocol": "occluded-reid/transfer-all@00000000", **change})
    assert {one.verdict for one in found} == {"no"}
    assert all(word in one.reasons[0] for one in found)


def test_every_row_cites() -> None:
    """Each row has a known set, a paper, a metric in per cent and a certainty; its protocol is ours or unstated."""
    known = {one.id.partition("@")[0] for dataset in catalog.ids() for one in protocols(dataset)}
    assert len(published()) == 204
    for row in published():
        assert row.dataset in catalog.ids()
        assert row.paper
        assert row.certainty in CERTAINTIES
        assert row.protocol in known | {UNSTATED}
        assert row.metric in {"rank-1", "rank-5", "rank-10", "mAP"}


def test_no_row_is_there_twice() -> None:
    """A method, setting and metric stands once."""
    keys = [(row.dataset, row.method, row.setting, row.protocol, row.metric) for row in published()]
    assert len(set(keys)) == len(keys)


def test_beside_another_protocol_is_no() -> None:
    """The paper's N-shot numbers never stand beside ours, nor partial-reid's beside a probe set that is unsaid."""
    for name in ("partial-reid/afpb-nshot-1", "partial-reid/transfer-all-occluded-probe"):
        verdicts = match_published({**RECORD, "protocol": f"{name}@00000000"})
        assert verdicts
        assert {one.verdict for one in verdicts} == {"no"}


def test_beside_the_same_protocol_names_conditions() -> None:
    """Under the same protocol each unstated or different condition is a reason."""
    record = {**RECORD, "protocol": "occluded-reid/transfer-all@00000000", "declared": {"pretraining": "ImageNet"}}
    found = {one.row.method: one for one in match_published(record)}
    assert found["AFPB"].verdict == "no"
    assert found["PVPM"].verdict == "with care"
    assert "the paper's pretraining is unstated" in found["PVPM"].reasons


def test_a_bad_row_is_named() -> None:
    """A row that does not parse is an error with its number."""
    good = {key: str(value) for key, value in published()[0].to_dict().items()}
    for change in ({"value": "high"}, {"value": "120"}, {"certainty": "sure"}, {"paper": ""}):
        with pytest.raises(ManifestError, match="row 7"):
            room._parse(7, {**good, **change})


def test_the_command_says_which_may_stand_beside(tmp_path: Path) -> None:
    """``compare --published`` names every published number of the set and why it may or may not stand there."""
    runner = CliRunner()
    twin("partial-reid", tmp_path / "twin", ids=4)
    built = build("partial-reid", tmp_path / "twin" / "Partial-REID_Dataset", tmp_path, allow_subset=True)
    manifest = load(built.manifest)
    features = {name: [float(1 + number), 1.0] for number, name in enumerate(manifest.frame["image_id"])}
    score = evaluate(manifest, "transfer-all-occluded-probe", features, bootstrap=10)
    score.write(tmp_path / "score.json")
    done = runner.invoke(group, ["compare", "--published", str(tmp_path / "score.json")])
    assert done.exit_code == 1  # on Partial-REID no paper's protocol is known to be one of ours
    assert "no: AFPB (N=1, one decision per identity): rank-1 78.52, rank-5 94.87, rank-10 98.03" in done.output
    assert "this score is of a twin" in done.output
    assert runner.invoke(group, ["compare", str(tmp_path / "score.json")]).exit_code == 2
    assert "78.52" in runner.invoke(group, ["published", "partial-reid"]).output
