"""A registered model as MLflow loads it, and the HTTP server around it.

Owns the pyfunc (`pyfunc.py`, which `registry.registration` gives to MLflow), the types of requests
and answers (`wire.py`), and the server of `squadron serve` (`app.py`, `running.py`). May import
registry and what is below it.
"""
