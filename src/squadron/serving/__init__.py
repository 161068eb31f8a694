"""A registered model as it is served: what it takes and gives, and what MLflow loads.

Owns the types of questions, params and answers (`wire`), how answers become rows (`answer_rows`)
and the pyfunc, whose file `registry.logged_model` gives to MLflow. May import registry and what is
below it.
"""
