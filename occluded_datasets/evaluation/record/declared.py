"""What a user states of the model: nine conditions, each `unstated` until said."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ...errors import RecordError, UnknownNameError

UNSTATED = "unstated"
CONDITIONS = {
    "training_sets": "sets the model was trained on, with their fingerprints",
    "pretraining": "ImageNet, LUPerson, SOLIDER, CLIP, MARS, none",
    "extra_inputs": "pose, prompts, parsing, none",
    "cameras_fed_to_model": "whether camera numbers enter the model",
    "input_size": "height x width",
    "flip_test": "whether features are averaged with the mirrored picture's",
    "model_selection": "on what the checkpoint was chosen",
    "seed": "of the training run",
    "occlusion_augmentation": "kinds of occlusion that were trained with: none, random-erasing, afpb, ...",
}
_PLAIN = (str, int, float, bool)


def declared(said: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return all conditions, `unstated` where `said` is silent.

    Raises
    ------
    UnknownNameError
        If `said` has another key.
    RecordError
        If a value is neither text, number, truth value nor a list of those.

    Examples
    --------
    >>> declared({"pretraining": "ImageNet"})["pretraining"], declared()["seed"]
    ('ImageNet', 'unstated')
    """
    result: dict[str, Any] = dict.fromkeys(CONDITIONS, UNSTATED)
    for name, value in (said or {}).items():
        if name not in CONDITIONS:
            raise UnknownNameError.of("condition", str(name), CONDITIONS, "occreid-prepare evaluate --help")
        if not is_plain(value):
            raise RecordError(f"declared: {name} is {value!r}.", "Expected text, a number, true or false, or a list.")
        result[name] = value
    return result


def is_plain(value: Any) -> bool:
    """Return whether a value may stand for a condition."""
    values = value if isinstance(value, (list, tuple)) else [value]
    return all(isinstance(one, _PLAIN) and one == one for one in values)


def parse(said: Iterable[str]) -> dict[str, Any]:
    """Return the conditions that ``key=value`` texts and ``.json`` files spell; later ones win.

    Examples
    --------
    >>> parse(["flip_test=true", "input_size=256x128"])
    {'flip_test': True, 'input_size': '256x128'}
    """
    result: dict[str, Any] = {}
    for text in said:
        name, separator, value = text.partition("=")
        if separator:
            result[name] = _value(value)
            continue
        try:
            content = json.loads(Path(text).read_bytes())
        except (OSError, ValueError) as error:
            raise RecordError(
                f"{text}: no declaration.", f"Expected KEY=VALUE or a JSON file; the reader says: {error}."
            ) from error
        if not isinstance(content, dict):
            raise RecordError(f"{text}: no declaration.", "Expected a JSON object.")
        result.update(content)
    return result


def _value(text: str) -> Any:
    """Return a value of the command line: JSON where it is a plain one, else the text itself."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if is_plain(value) else text
