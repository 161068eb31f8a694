"""Figures in, pages out: the race's table, the report, plots, notes for MLflow, the model card.

Owns how results look. May import scores and what is below them. Others use the modules that
`__all__` names.
"""

__all__ = ["markdown", "model_card", "notes", "plots", "race_table", "report"]
