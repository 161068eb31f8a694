"""Answers in, figures out: exact match, F1, their intervals, comparisons and breakdowns.

Owns every figure that a race is decided by or that a report shows. May import models, for the
encoder of BERTScore, and what is below them. Others use the modules that `__all__` names.
"""

__all__ = [
    "answer_files",
    "bertscore",
    "breakdown",
    "confidence",
    "contender_result",
    "error_kinds",
    "evaluation",
    "figures",
    "gate_verdict",
    "leads",
    "metrics",
    "official_layout",
    "open_domain",
    "open_scores",
    "race_result",
    "scoring",
    "served_format",
    "split_evaluation",
    "squad_metric",
    "standings",
    "type_figures",
]
