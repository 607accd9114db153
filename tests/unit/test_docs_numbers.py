"""Numbers that one page takes from another are those of that page, and pages that claim little still say so."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def script(path: str) -> ModuleType:
    """Return a script of the documentation as a module."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, DOCS / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def plain_tau_b(one: list[float], other: list[float]) -> float:
    """Return Kendall's tau-b as it is defined: (P - Q) / sqrt((P + Q + T) (P + Q + U))."""
    agree = differ = tied_one = tied_other = 0
    for a in range(len(one)):
        for b in range(a + 1, len(one)):
            x, y = one[a] - one[b], other[a] - other[b]
            agree += x * y > 0
            differ += x * y < 0
            tied_one += x == 0 and y != 0
            tied_other += y == 0 and x != 0
    return (agree - differ) / ((agree + differ + tied_one) * (agree + differ + tied_other)) ** 0.5


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([1, 2, 3, 4, 5], [3, 4, 1, 2, 5], 0.2),
        ([12, 2, 1, 12, 2], [1, 4, 7, 1, 0], -0.47140452079103173),
        ([1, 2, 3], [1, 2, 3], 1.0),
        ([1, 2, 3], [3, 2, 1], -1.0),
    ],
)
def test_tau_b_is_that_of_its_definition(one: list[float], other: list[float], expected: float) -> None:
    """With and without ties, and the same whichever side is named first."""
    tau_b = script("benchmark_occ.py").tau_b
    assert tau_b(one, other) == pytest.approx(expected)
    assert tau_b(one, other) == pytest.approx(plain_tau_b(one, other))
    assert tau_b(other, one) == tau_b(one, other)


# docs/results-afpb.md: mAP of baseline, noise, simulator, afpb, erasing, noise-obc
REAL = [37.4, 38.9, 42.6, 42.4, 38.4, 38.7]
COLUMNS = {
    "headline": [17.7, 23.9, 21.5, 21.3, 23.1, 23.7], "clean": [55.2, 54.1, 53.0, 53.5, 55.1, 54.7],
    "noise": [16.5, 27.8, 17.5, 17.4, 26.5, 27.5], "self-background": [18.8, 20.0, 25.5, 25.2, 19.6, 19.9],
    "person": [25.7, 25.7, 25.7, 25.8, 25.9, 26.0],
}  # fmt: skip


def test_the_benchmark_warns_with_the_numbers_of_the_results() -> None:
    """What the page prints near its top is what the generator computes, and what the plain rule gives by hand."""
    module = script("benchmark_occ.py")
    told = module.warning((DOCS / "results-afpb.md").read_text("utf-8"))
    page = (DOCS / "benchmark-occ.md").read_text("utf-8")
    assert page.index(told) < page.index("No picture belongs to it")
    by_hand = [f"{plain_tau_b(column, REAL):+.2f}" for column in COLUMNS.values()]
    assert by_hand == ["+0.20", "-1.00", "+0.20", "+1.00", "-0.15"]
    assert f"| tau-b against Partial-REID | {' | '.join(COLUMNS)} |" in told
    assert f"| occluded probes | {' | '.join(by_hand)} |" in told
    assert "not frozen" in told
    assert "no finding" in told


def test_the_warning_follows_the_results() -> None:
    """Another number in the results is another tau; a page without the table is refused."""
    module = script("benchmark_occ.py")
    results = (DOCS / "results-afpb.md").read_text("utf-8")
    assert results.count("| afpb | 21.3 [") == 1
    moved = plain_tau_b([17.7, 23.9, 21.5, 24.5, 23.1, 23.7], REAL)
    assert moved != pytest.approx(plain_tau_b(COLUMNS["headline"], REAL))
    told = module.warning(results.replace("| afpb | 21.3 [", "| afpb | 24.5 ["))
    assert f"| occluded probes | {moved:+.2f} | -1.00 |" in told
    with pytest.raises(SystemExit, match="no table below"):
        module.warning("# Results\n")


def test_the_study_of_parameters_says_at_its_head_that_it_is_one_seed() -> None:
    """One seed and the greatest of how many, before the first claim; the notes are those of the file beside it."""
    module = script("studies/afpb_why.py")
    page = (DOCS / "studies" / "afpb-why.md").read_text("utf-8")
    head = module.ONE_SEED.format(count=len((*module.PLAIN, *module.VARIANTS)))
    assert "greatest of 9 (winner's curse)" in head
    assert page.index(head) < page.index("## What it says")
    assert module.NOTES.read_text("utf-8").strip() in page


def test_what_the_study_says_of_other_seeds_is_what_both_pages_print() -> None:
    """Its second epoch is seed 0 of the three seeds whose means the results have."""
    table_below = script("benchmark_occ.py").table_below
    heading = "### mAP by kind of occluder, mean over its levels, held-out identities"
    three = table_below((DOCS / "results-afpb.md").read_text("utf-8"), heading)
    study = (DOCS / "studies" / "afpb-why.md").read_text("utf-8")
    one = table_below(study, heading)
    arms = ("baseline", "simulator", "afpb")
    means = [three[arm]["headline"].split(" ")[0] for arm in arms]
    seed = [one[f"{arm}:epochs=2"]["headline"].split(" ")[0] for arm in arms]
    told = " ".join(study.split())
    assert "headline {}, {} and {} (baseline, simulator, afpb) against {}, {} and {} here".format(*means, *seed) in told
    gaps = [round(float(own) - float(mean), 1) for own, mean in zip(seed, means, strict=True)]
    assert f"lies {min(gaps)} to {max(gaps)} above the mean of three" in told


def test_the_study_of_places_names_what_it_cannot_tell_apart() -> None:
    """Share of the image is no share of the person, and an ImageNet model is no re-id feature: in the claim itself."""
    page = (DOCS / "studies" / "occluder-type-position-level.md").read_text("utf-8")
    meaning = script("studies/occluder_type_position_level.py").MEANING
    assert meaning.strip() in page
    says = " ".join(meaning.partition("**What it does not.**")[0].split())
    assert says.index("less of the person is hidden") < says.index("costs less than one")
    weak = page.split("## efficientnet-lite0")[1].split("Clean: rank-1 ")[1].split(" ")[0]
    assert f"clean rank-1 of {weak} it is no re-id feature" in says


def test_every_table_of_the_benchmarks_names_its_machine() -> None:
    """Or says that it was not recorded; each script prints its own, so that a new table has it."""
    sections = (DOCS / "benchmarks.md").read_text("utf-8").split("\n## ")[1:]
    assert len(sections) == 8
    for section in sections:
        assert section.index("\nMachine: ") < section.index("\n|---"), section.splitlines()[0]
    scripts = sorted((DOCS.parent / "tests" / "benchmarks").glob("bench_*.py"))
    assert len(scripts) == 8
    for path in scripts:
        assert "machine()" in path.read_text("utf-8"), path.name


def test_no_goal_of_the_benchmarks_is_judged_by_a_memory_speed() -> None:
    """How fast a machine copies is of that machine: nothing is out of reach, or near a limit, because of it."""
    text = " ".join((DOCS / "benchmarks.md").read_text("utf-8").split())
    for words in ("out of reach", "of a plain copy", "copying the picture ("):
        assert words not in text
    assert "a plain copy by one core" in text


@pytest.mark.parametrize(
    ("written", "told"),
    [("processor\t: 0\nmodel name\t: AMD EPYC\n", "of AMD EPYC, "), ("processor\t: 0\n", "the system does not name")],
)
def test_a_machine_is_named_or_said_to_have_no_name(tmp_path: Path, written: str, told: str) -> None:
    """The processor as the system writes it, and no made name where there is none."""
    machine = script("../tests/benchmarks/this_machine.py").machine
    (tmp_path / "cpuinfo").write_text(written)
    line = machine(tmp_path / "cpuinfo")
    assert line.startswith("Machine: ")
    assert told in line
    assert ("AMD" in line) == ("AMD" in written)
    assert "does not name" in machine(tmp_path / "absent")
