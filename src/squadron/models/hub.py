"""Checks quickly whether the model hub answers, before its client starts to wait and retry.

If the hub can't be reached, huggingface_hub spends minutes on each file: six tries of up to a
minute each (file_download.py of version 2.4).
"""

import functools
import os
import threading

from squadron.uris import hide_secrets

ANSWER_SECONDS = 5.0
"""How long to wait for the hub, unless HF_HUB_ETAG_TIMEOUT is set."""


def shown_endpoint() -> str:
    """Returns the address of the hub, HF_ENDPOINT or the default, without secrets."""
    from huggingface_hub import constants

    return hide_secrets(constants.ENDPOINT)


@functools.cache
def find_problem() -> str:
    """Returns why the hub can't be used, in words; "" if it can, or if HF_HUB_OFFLINE is set.

    The first call asks the hub. Later calls return the same answer.
    """
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE:
        return ""
    seconds = ANSWER_SECONDS
    if os.environ.get("HF_HUB_ETAG_TIMEOUT"):
        seconds = float(constants.HF_HUB_ETAG_TIMEOUT)
    found: list[str] = []

    def ask() -> None:
        try:
            # This time limit does not include the DNS lookup and starts again with each packet,
            # so the thread has one of its own.
            status = get_session().head(constants.ENDPOINT, timeout=2 * seconds).status_code
            found.append(f"answers with the status {status}" if status >= 500 else "")
        except Exception as error:
            found.append(f"can't be reached ({hide_secrets(str(error)) or type(error).__name__})")

    thread = threading.Thread(target=ask, name="ask the hub", daemon=True)
    thread.start()
    thread.join(seconds)
    return found[0] if found else f"does not answer within {seconds:g} s"
