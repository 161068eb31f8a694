"""Pushes an exported model to a model hub, in one commit: all files appear at once or none does."""

import re
from pathlib import Path

from squadron.errors import InputError
from squadron.models import hub
from squadron.uris import hide_secrets

_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
MOST_CHARACTERS = 300
"""Maximum length of the hub's own reason that is shown."""


def check_name(name: str) -> None:
    """Refuses what is no name of a repository.

    Raises:
        InputError: With the form that is needed.
    """
    if not _NAME.fullmatch(name):
        raise InputError(f"--push: {name!r} is not allowed; give ORG/NAME, such as acme/reader")


def push(folder: Path, name: str, *, private: bool = True) -> str:
    """Pushes a folder to a repository of models, which is created if it is missing.

    The token is the one of huggingface_hub: HF_TOKEN, or the one that `hf auth login` stored.

    Args:
        folder: The folder.
        name: ORG/NAME.
        private: Whether a repository that is created is private. An existing one stays as it is.

    Returns:
        The address of the commit.

    Raises:
        InputError: If the hub can't be reached or refuses. Then no file was changed there.
    """
    from huggingface_hub import HfApi

    check_name(name)
    problem = hub.find_problem()
    if problem:
        raise InputError(
            f"The model was not pushed to {name}: the hub {hub.shown_endpoint()} {problem}; set "
            "HF_ENDPOINT to a hub that can be reached"
        )
    api = HfApi()
    created = False
    try:
        created = not api.repo_exists(name)
        api.create_repo(name, private=private, exist_ok=True)
        done = api.upload_folder(
            repo_id=name, folder_path=folder, commit_message="A model exported by Squadron"
        )
    # huggingface_hub raises its own errors, those of httpx and OSError, with no common base.
    except Exception as error:
        left = " The repository may be there, without these files." if created else ""
        raise InputError(
            f"The model was not pushed to {name} on {hub.shown_endpoint()}: {_explain(error)} "
            f"Nothing was changed there; check the name, and that HF_TOKEN may write to it.{left}"
        ) from None
    return hide_secrets(str(done.commit_url))


def _explain(error: Exception) -> str:
    """Returns the reason of an error in one line, without secrets."""
    text = " ".join(hide_secrets(str(error)).split()) or type(error).__name__
    return text[:MOST_CHARACTERS].rstrip(".") + "."
