"""From the names in a raw tree to rows: pure, no file of the tree is opened here.

The five rules: body and role come from the folder; the pattern is matched on the stem and must agree with the
identity folder; known clutter is skipped and counted, two encodings of one stem are refused and anything unknown is
an error that names the file; nested levels and renamed folders are read; declared counts are checked.
"""

from __future__ import annotations

from .guess import Guess, guess
from .names import TWIN_MARK, ignore_option, is_clutter, is_picture, is_readme, read_list, stem_of
from .parse import LabelReader, ParsedTree, Row, parse_tree
from .verdict import PartCount, Verdict, compare_with_declared, judge_copy, missing_from_list

__all__ = [
    "TWIN_MARK",
    "Guess",
    "LabelReader",
    "ParsedTree",
    "PartCount",
    "Row",
    "Verdict",
    "compare_with_declared",
    "guess",
    "ignore_option",
    "is_clutter",
    "is_picture",
    "is_readme",
    "judge_copy",
    "missing_from_list",
    "parse_tree",
    "read_list",
    "stem_of",
]
