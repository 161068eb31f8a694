"""Turns candidates into answers: ranking, the null threshold and calibrated probabilities.

Owns how one answer is picked from the spans of all windows of a question. May import config and
artifacts, but no models and no torch. Others use the modules in `__all__`.
"""

__all__ = [
    "alternatives",
    "answering",
    "calibration",
    "explanation",
    "merging",
    "options",
    "ranking",
    "type_choice",
]
