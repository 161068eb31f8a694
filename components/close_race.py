"""Component close_race: the exit handler, which ends the race in MLflow whatever happened."""

from kfp import dsl


@dsl.component(base_image="python:3.11-slim-bookworm", install_kfp_package=False)
def close_race(this_try: str, status: dsl.PipelineTaskFinalStatus):
    """Ends the parent run and its children with a status and a reason, and shows the table.

    Args:
        this_try: The id of the pipeline's run in Kubeflow.
        status: The status of the run, which Kubeflow gives.
    """
    from squadron import steps

    steps.close_race(state=status.state, message=status.error_message, this_try=this_try)
