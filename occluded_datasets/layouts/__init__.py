"""From the names in a raw tree to rows: pure, no file of the tree is opened here.

The five rules: body and role come from the folder; the pattern is matched on the stem and must agree with the
identity folder; known clutter is skipped and counted, two encodings of one stem are refused and anything unknown is
an error that names the file; nested levels and renamed folders are read; declared counts are checked.
"""

from __future__ import annotations

from .guess import Guess, guess
from .names import TWIN_MARK, ignore_option, is_clutter, is_picture, is_readme, read_list, stem_of
from .parse import Arrangement, Row, arrange
from .verdict import PartCount, Verdict, judge, judge_copy, missing_from_list

__all__ = [
    "TWIN_MARK",
    "Arrangement",
    "Guess",
    "PartCount",
    "Row",
    "Verdict",
    "arrange",
    "guess",
    "ignore_option",
    "is_clutter",
    "is_picture",
    "is_readme",
    "judge",
    "judge_copy",
    "missing_from_list",
    "read_list",
    "stem_of",
]
