"""Whether a race is finished, judged by what it left behind.

The status that Kubeflow hands to the exit handler is a hint: which words arrive, and when they are
true, depends on the backend (docs/decisions/race-status.md).
"""

from dataclasses import dataclass

COMPLETED = frozenset({"COMPLETE", "CACHED", "SUCCEEDED"})
"""Every step ended well: the metadata store's words of KFP 2.15 to 2.17, then kfp.local's."""
STOPPED = frozenset({"FAILED", "CANCELED", "CANCELLED", "CANCELING", "ERROR", "SKIPPED", "KILLED"})
"""Some step did not end well. Any other word, such as RUNNING, says nothing."""


@dataclass(frozen=True)
class Left:
    """What one try of a race left behind in MLflow."""

    opened: bool
    """This try opened the race, and nobody has closed it since."""
    worked: bool
    """A step of this try ran; if not, every step came from the cache."""
    result: bool
    """There is a champion.json, of this try or of an earlier one."""
    new_result: bool
    """This try wrote champion.json."""
    reported: bool
    """This try ran the last step, report, to its end."""
    failure: str
    """Why a step failed, unless a later step that needs it ended well; "" if none said so."""
    opened_by: str = ""
    """Id of the pipeline's run that opened the race last; "" if it had none."""


def may_close(word: str, left: Left, this_try: str) -> bool:
    """Says whether this try may end the race: it opened it last, or all of its steps ended well.

    Args:
        word: Kubeflow's status of the pipeline.
        left: What is in MLflow.
        this_try: Id of this run of the pipeline; "" where nobody knows it.
    """
    is_whole = word.strip().upper() in COMPLETED
    return not this_try or left.opened_by == this_try or is_whole


def judge_race(word: str, left: Left) -> str:
    """Why the race is not finished; "" if it is.

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
