"""A registered model as it is served: what it takes and gives, the pyfunc, and the HTTP server.

Owns the types of questions, params and answers (`wire`), how answers become rows (`answer_rows`),
the pyfunc, whose file `registry.logged_model` gives to MLflow, and the server of `squadron serve`
(`app`, `running`). May import registry and what is below it.
"""
