"""What MLflow loads to serve a registered model.

Owns the pyfunc. May import registry and what is below it. No module imports this package:
`registry.registration` gives the file `pyfunc.py` to MLflow.
"""
