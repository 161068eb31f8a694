"""The MLflow model registry: versions, their files, aliases, registration and promotion.

A race sets the alias `candidate`; a person sets `staging` and `production` with `squadron promote`.
A race sets `staging` only if its experiment says so.
May import tracking and what is below it. Others use the names and modules that `__all__` lists. A
step imports from `squadron.registry.versions`: importing the package would make it depend on the
reader.
"""

from squadron.registry.opening import (
    OpenedModel,
    fetch_version,
    find_model,
    is_place,
    load_reader,
    open_model,
)
from squadron.registry.versions import (
    CANDIDATE,
    STAGING,
    Registered,
    choose_model,
    find_champion,
    find_version,
    fingerprint,
    latest_model,
    promote,
    read_about,
)

__all__ = [
    "CANDIDATE",
    "STAGING",
    "OpenedModel",
    "Registered",
    "catalogue",
    "choose_model",
    "comparison",
    "copying",
    "evidence",
    "export",
    "export_card",
    "fetch_version",
    "find_champion",
    "find_model",
    "find_version",
    "fingerprint",
    "following",
    "format_gate",
    "gates",
    "hub_push",
    "is_place",
    "latest_model",
    "load_reader",
    "logged_model",
    "open_model",
    "promote",
    "promotions",
    "read_about",
    "registration",
    "review",
    "rollback",
    "trial",
    "versions",
]
