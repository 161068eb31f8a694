"""Decides whether a race is finished, from what it left in MLflow.

The status that Kubeflow passes to the exit handler is only a hint: which words it uses, and when,
depends on the backend (docs/decisions/race-status.md).
"""

from dataclasses import dataclass

COMPLETED = frozenset({"COMPLETE", "CACHED", "SUCCEEDED"})
"""Every step succeeded. KFP 2.15 to 2.17 says COMPLETE or CACHED, kfp.local SUCCEEDED."""
STOPPED = frozenset({"FAILED", "CANCELED", "CANCELLED", "CANCELING", "ERROR", "SKIPPED", "KILLED"})
"""Some step did not succeed. Any other word, such as RUNNING, gives no information."""


@dataclass(frozen=True)
class Left:
    """What one try of a race left behind in MLflow."""

    opened: bool
    """Whether the race is open: this try opened it, and nobody has closed it."""
    worked: bool
    """Whether a step of this try ran; if not, every step came from the cache."""
    result: bool
    """Whether there is a race_result.json, from this try or an earlier one."""
    new_result: bool
    """Whether this try wrote race_result.json."""
    reported: bool
    """Whether report, the last step, ran to its end in this try."""
    failure: str
    """Why a step failed; "" if no step noted a failure, or register or report succeeded later."""
    opened_by: str = ""
    """The id of the pipeline's run that opened the race last; "" if it had none."""


def may_close(word: str, left: Left, this_try: str) -> bool:
    """Says whether this try may end the race: it opened the race last, or all its steps succeeded.

    Args:
        word: Kubeflow's status of the pipeline.
        left: What this try left behind.
        this_try: The id of this run of the pipeline; "" if it is unknown.
    """
    is_whole = word.strip().upper() in COMPLETED
    return not this_try or left.opened_by == this_try or is_whole


def judge_race(word: str, left: Left) -> str:
    """Returns why the race is not finished; "" if it is.

    Args:
        word: Kubeflow's status of the pipeline.
        left: What this try left behind.
    """
    word = word.strip().upper()
    if not left.result:
        return left.failure or f"no step left a result or a reason (Kubeflow's status: {word!r})"
    if word in COMPLETED:
        return ""
    if left.failure:
        return left.failure
    if left.opened and left.reported:
        return ""
    is_whole = left.new_result or not left.worked
    if left.opened and is_whole and word not in STOPPED:
        return ""
    return f"no step said why (Kubeflow's status: {word!r})"
