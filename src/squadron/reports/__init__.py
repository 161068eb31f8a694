"""How results look: the race's table, the report with its plots, notes for MLflow, the model card.

May import `scores` and what is below it. Others use the modules that `__all__` names.
"""

__all__ = [
    "check_page",
    "markdown",
    "model_card",
    "notes",
    "page",
    "plain_tables",
    "plots",
    "race_plots",
    "race_table",
    "report",
]
