"""The way to where jobs are submitted: dpdispatcher's contexts, on this machine or by ssh."""

from __future__ import annotations

import getpass
import logging
import os
import socket
from pathlib import Path
from typing import Any

from pfd.errors import MissingError, SettingError, TaskFailed
from pfd.schedulers.known import SCHEDULERS
from pfd.schedulers.settings import ClusterSettings

CONTEXTS = {"shared": "LazyLocal", "ssh": "SSH", "bohrium": "OpenAPI"}
PASSPHRASE_VARIABLE = "PFD_SSH_PASSPHRASE"  # noqa: S105
"""Environment variable with the passphrase of an ssh key."""
INSTALL = 'pip install "pfd-kit[hpc]"'


class Dispatcher:
    """The classes of dpdispatcher, imported when they are first needed: paramiko alone takes half a second.

    Raises:
        MissingError: without it.
    """

    def __init__(self) -> None:
        log = logging.getLogger("dpdispatcher")  # it would write into the present folder, and to standard output
        log.disabled = True
        try:
            from dpdispatcher import Machine, Resources, Submission, Task
            from dpdispatcher.submission import Job
            from paramiko import SSHException
        except ImportError as error:
            raise MissingError("jobs are submitted through dpdispatcher, which is missing", hint=INSTALL) from error
        self.Machine, self.Resources, self.Submission, self.Task, self.Job = Machine, Resources, Submission, Task, Job
        self.SSH_ERROR = SSHException


class Connection:
    """To one cluster; made when it is first used.

    Args:
        settings: the input's word on it.
        local: the folder here that work is kept in.
        remote: the same as the cluster sees it.
    """

    def __init__(self, settings: ClusterSettings, local: Path, remote: str) -> None:
        self.settings, self.local, self.remote = settings, local, remote
        self._dispatcher: Dispatcher | None = None
        self._machine: Any = None
        self._place = ""

    @property
    def dispatcher(self) -> Dispatcher:
        """See ``Dispatcher``."""
        self._dispatcher = self._dispatcher or Dispatcher()
        return self._dispatcher

    @property
    def user(self) -> str:
        """The user there."""
        return self.settings.user or getpass.getuser()

    def description(self) -> dict[str, Any]:
        """The machine in dpdispatcher's own words; secrets are added only when it is reached."""
        profile: dict[str, Any] = {}
        if self.settings.context == "ssh":
            key = self.settings.key_file
            profile = {"hostname": self.settings.host, "username": self.user, "port": self.settings.port}
            profile |= {"key_filename": str(Path(key).expanduser())} if key else {}
        if self.settings.context == "bohrium":
            work = {"image_address": self.settings.image, "scass_type": self.settings.machine_type}
            profile = {
                "project_id": self.settings.project,
                "input_data": work | {"platform": "ali", "log_file": "*.log"},
            }
        scheduler = SCHEDULERS.get(self.settings.scheduler)
        return {
            "batch_type": "OpenAPI" if scheduler is None else scheduler.batch_type,
            "context_type": CONTEXTS[self.settings.context],
            "local_root": str(self.local),
            "remote_root": self.remote,
            "remote_profile": profile,
        }

    @property
    def machine(self) -> Any:
        """The machine of dpdispatcher.

        Raises:
            MissingError: without dpdispatcher.
            SettingError: if the host cannot be reached.
        """
        if self._machine is None:
            description, dispatcher = self.description(), self.dispatcher
            if self.settings.context == "ssh":
                description["create_remote_root"] = True
                if os.environ.get(PASSPHRASE_VARIABLE):
                    description["remote_profile"]["passphrase"] = os.environ[PASSPHRASE_VARIABLE]
            try:
                if self.settings.context == "ssh":  # dpdispatcher would try six times, and leave its sockets open
                    socket.create_connection((self.settings.host or "", self.settings.port), timeout=10).close()
                self._machine = dispatcher.Machine.load_from_dict(description)
            except (OSError, EOFError, RuntimeError, dispatcher.SSH_ERROR) as error:
                port = "" if self.settings.port == 22 else f"-p {self.settings.port} "
                raise SettingError(
                    f"{self.settings.host} cannot be reached by ssh as {self.user}: {error}",
                    where="resources.cluster.host",
                    hint=f"this must work without a password: ssh {port}{self.user}@{self.settings.host}",
                ) from error
        return self._machine

    def context(self, place: str) -> Any:
        """The context of dpdispatcher, at work in a folder below ``local``.

        Args:
            place: that folder, relative to ``local``.
        """
        context = self.machine.context
        if self._place != place:
            none = self.dispatcher.Resources(1, 1, 0, "", 1)
            empty = self.dispatcher.Submission(place, resources=none, task_list=[])
            empty.submission_hash = place
            context.remote_root = ""  # else it would move the folder of the last one
            (self.local / place).mkdir(parents=True, exist_ok=True)
            context.bind_submission(empty)
            self._place = place
        return context

    def shell(self, command: str) -> tuple[int, str, str]:
        """Run a command line where jobs are submitted (see ``scheduler.Shell``).

        Raises:
            TaskFailed: if the connection is lost and does not come back.
        """
        context = self.context(self._place or ".")
        try:
            code, _, output, error = context.block_call(command)
            return code, _text(output), _text(error)
        except (OSError, EOFError, RuntimeError, self.dispatcher.SSH_ERROR) as lost:
            hint = "submit again: what is in the queue goes on, and is then taken up"
            raise TaskFailed(f"the connection is lost: {lost}", where=str(self.settings.host), hint=hint) from lost


def _text(stream: Any) -> str:
    content = stream.read()
    return content.decode("utf-8", errors="replace") if isinstance(content, bytes) else str(content)
