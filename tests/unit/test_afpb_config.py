"""A config says everything, comes back as it was, and refuses what cannot be."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from occluded_datasets.afpb.config import Config, parameter_help
from occluded_datasets.cli.afpb.options import OWN
from occluded_datasets.errors import InputError, UnknownNameError, UsageError


def test_a_config_comes_back_from_its_file(tmp_path: Path) -> None:
    """JSON in the order of the parameters."""
    config = Config(backbone="tiny", obc_weight=0.1, flip=False)
    (tmp_path / "config.json").write_text(config.to_json())
    assert Config.read(tmp_path / "config.json") == config


def test_differences_name_exactly_what_differs() -> None:
    """So a record can show that two rows differ by what they name."""
    assert Config().differences(Config()) == {}
    assert Config().differences(Config(occlusion="clean", lr=1e-4)) == {
        "occlusion": ("afpb", "clean"),
        "lr": (3.5e-4, 1e-4),
    }


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"epochs": 0}, "epochs 0: expected 1 or more"),
        ({"epochs": 1.5}, "epochs 1.5: expected a whole number"),
        ({"epochs": True}, "epochs True: expected a whole number"),
        ({"flip": "yes"}, "flip 'yes': expected true or false"),
        ({"lr": float("nan")}, "lr nan"),
        ({"label_smoothing": 1.0}, "less than 1"),
        ({"id_weight": 0, "obc_weight": 0}, "nothing would be learned"),
        ({"height": 4}, "height 4: expected 16 or more"),
    ],
)
def test_values_that_cannot_be_are_refused(values: dict[str, object], words: str) -> None:
    """The message names the parameter, what was found and what was expected."""
    with pytest.raises(UsageError, match=words):
        Config.of(values)


@pytest.mark.parametrize("values", [{"epoch": 3}, {"occlusion": "afbp"}, {"precision": "half"}, {"schedule": "step"}])
def test_unknown_names_get_the_nearest(values: dict[str, object]) -> None:
    """A parameter, a recipe, a precision, a schedule."""
    with pytest.raises(UnknownNameError):
        Config.of(values)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"epochs": "many"}'])
def test_a_file_that_is_no_config_is_named(tmp_path: Path, text: str) -> None:
    """Rubbish, another kind of JSON, a value of the wrong kind."""
    path = tmp_path / "c.json"
    path.write_text(text)
    with pytest.raises((InputError, UsageError)):
        Config.read(path)


def test_every_parameter_has_a_sentence_of_its_own() -> None:
    """The help of an option is its parameter's, and no two parameters share one."""
    words = parameter_help()
    assert list(words) == [one.name for one in fields(Config)]
    assert len(set(words.values())) == len(words)
    assert all(sentence.endswith(".") for sentence in words.values())


def test_help_needs_no_docstrings() -> None:
    """Python without docstrings shows the same help of parameters."""
    code = "from occluded_datasets.cli.afpb import group; group(['train', '--help'])"
    plain, bare = (
        subprocess.run([sys.executable, *flags, "-c", code], capture_output=True, text=True, check=True).stdout
        for flags in ([], ["-OO"])
    )
    for name, sentence in parameter_help().items():
        assert name in OWN or "".join(sentence.split()) in "".join(bare.split())
    assert plain.partition("Options:")[2] == bare.partition("Options:")[2]
