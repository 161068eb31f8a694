"""Candidates in, answers out: ranking, the null threshold, calibrated probabilities.

Owns how one answer is picked from the spans of all windows of a question. May import config and
artifacts; knows no network and no torch. Others use the modules that `__all__` names.
"""

__all__ = ["answering", "calibration", "ranking"]
