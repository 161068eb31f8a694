"""Follows an alias: a new version is loaded beside the old one, tried, and then answers.

The old version answers until the new one has answered its input example. A version that fails is
not tried again until the alias moves.
"""

import threading

from squadron.errors import InputError
from squadron.registry import Registered, fingerprint
from squadron.registry.following import Followed
from squadron.serving.engine import load_version
from squadron.serving.logs import log, log_problem
from squadron.serving.service import Service


class Follower:
    """Asks the registry from time to time, in a thread of its own.

    Args:
        service: Its model is switched.
        followed: The aliases.
        seconds: The time between two questions to the registry.
    """

    def __init__(self, service: Service, followed: Followed, seconds: float) -> None:
        self._service, self._followed, self._seconds = service, followed, seconds
        self._failed = ""
        self._is_registry_lost = False
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="squadron-follower", daemon=True)

    def start(self) -> None:
        """Starts the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; a version that is being loaded will not be used."""
        self._stopped.set()

    def check(self) -> None:
        """Asks the registry once, and switches to another version if the alias points at one."""
        try:
            registered, alias = self._followed.find()
        except InputError as error:
            self._lose_registry(error)
            return
        if self._is_registry_lost:
            self._is_registry_lost = False
            log("registry answers again")
        served, new = self._service.engine, fingerprint(registered)
        if new == served.fingerprint:
            if self._failed:
                self._failed = ""
                self._service.metrics.forget_failure()
            if alias != served.alias:
                self._service.rename_alias(alias)
        elif new != self._failed:
            self._switch(registered, alias)

    def _switch(self, registered: Registered, alias: str) -> None:
        """Loads and tries a version, and lets it answer; or says why it does not."""
        old = self._service.engine
        log("new version", name=registered.name, version=registered.version, alias=alias)
        try:
            engine = load_version(registered, alias)
            self._service.try_engine(engine)
        except Exception as error:  # Whatever is wrong with it, the old version goes on.
            self._failed = fingerprint(registered)
            self._service.metrics.count_switch(registered.name, registered.version, failed=True)
            log_problem(
                "version failed",
                name=registered.name,
                version=registered.version,
                served=old.version,
                reason=" ".join(str(error).split())[:500] or type(error).__name__,
            )
            return
        if not self._stopped.is_set():
            self._service.switch(engine)
            self._service.metrics.count_switch(registered.name, registered.version, failed=False)
            log("switched", name=engine.name, version=engine.version, before=old.version)

    def _lose_registry(self, error: InputError) -> None:
        """Counts that the registry did not answer, and logs it once."""
        self._service.metrics.count_registry_error()
        if not self._is_registry_lost:
            self._is_registry_lost = True
            served = self._service.engine.version
            log_problem("registry lost", served=served, reason=str(error))

    def _run(self) -> None:
        while not self._stopped.wait(self._seconds):
            try:
                self.check()
            except Exception as error:  # The next check may go well.
                log_problem("follower failed", error)
