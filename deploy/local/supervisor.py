"""Supervisor: its configuration, and the control of a cluster through its socket.

Owns: the INI text and the translation between supervisor's words and ours. Supervisor never
restarts anything here: what was killed stays dead until `muster start`, because people kill
things in order to see what happens.
May not: know what a program does. Crash story: see deploy/local/processes.py.
"""

from __future__ import annotations

import contextlib
import os
import time
import xmlrpc.client
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy.local.home import ROOT, Home, LocalClusterError
from deploy.local.locked import is_locked
from deploy.local.unix_control import Control

if TYPE_CHECKING:
    from collections.abc import Mapping

    from common.messages.base import Message

STOP_WAIT_S = 30
STOP_WAVES = (
    ("compute",),
    ("api", "consoles", "metadata", "scheduler"),
    ("conductor",),
    ("standins", "relay", "postgres", "rabbitmq"),
)
"""So that all can say goodbye to someone. Supervisor's own order takes a second per program."""

RUNNING, FROZEN, CUT_OFF = "running", "frozen", "cut off"
ALIVE = frozenset({RUNNING, FROZEN, CUT_OFF})
"""States of a process that exists."""


@dataclass(frozen=True)
class Program:
    """One process under supervisor."""

    name: str
    command: list[str]
    priority: int
    stop_signal: str = "TERM"


def _quoted(text: str) -> str:
    """One word of a command line: quoted as for a shell, with %% for %."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%") + '"'


def _program_section(program: Program, home: Home) -> str:
    log = str(home.logs / f"{program.name}.log").replace("%", "%%")
    return f"""
[program:{program.name}]
command = {" ".join(map(_quoted, program.command))}
directory = {str(ROOT).replace("%", "%%")}
priority = {program.priority}
autorestart = false
startsecs = 0
stopsignal = {program.stop_signal}
stopwaitsecs = {STOP_WAIT_S}
redirect_stderr = true
stdout_logfile = {log}
stdout_logfile_maxbytes = 20MB
stdout_logfile_backups = 1
"""


def supervisor_config(home: Home, programs: list[Program]) -> str:
    run = str(home.run).replace("%", "%%")
    return f"""; Written by `muster up --processes`; changes are lost.
[unix_http_server]
file = {run}/supervisor.sock
chmod = 0600

[supervisord]
nodaemon = true
{f"user = {os.geteuid()}" if os.geteuid() == 0 else ""}
logfile = {str(home.logs).replace("%", "%%")}/supervisord.log
pidfile = {run}/supervisord.pid
childlogdir = {str(home.logs).replace("%", "%%")}

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
""" + "".join(_program_section(program, home) for program in programs)


class SupervisorControl(Control):
    """The control of a cluster of processes."""

    def __init__(self, home: Home) -> None:
        from supervisor.xmlrpc import SupervisorTransport

        from deploy.local.relay import RelayControl

        self._home = home
        self._relay = RelayControl(home.relay_socket)
        transport = SupervisorTransport(None, None, f"unix://{home.supervisor_socket}")
        self._rpc: Any = xmlrpc.client.ServerProxy("http://localhost", transport).supervisor

    def _infos(self) -> list[dict[str, Any]]:
        try:
            infos: list[dict[str, Any]] = self._rpc.getAllProcessInfo()
        except OSError as error:
            raise LocalClusterError(
                f"the cluster's supervisor does not answer ({error})"
            ) from error
        return infos

    def members(self) -> list[dict[str, Any]]:
        cut = self._relay.cut_members()
        found = []
        for info in self._infos():
            name, state = str(info["name"]), _state(info)
            if state == RUNNING and name in cut:
                state = CUT_OFF
            kind, pid = name.split("-", maxsplit=1)[0], info["pid"] or None
            found.append({"name": name, "kind": kind, "state": state, "pid": pid})
        return found

    def act(self, action: str, name: str) -> str:
        states = {member["name"]: member["state"] for member in self.members()}
        if name not in states:
            raise LocalClusterError(
                f"there is no service {name!r}; there are: {', '.join(sorted(states))}"
            )
        alive = states[name] in ALIVE
        if action in {"cut", "mend"}:
            self._relay.cut(name) if action == "cut" else self._relay.mend(name)
        elif action == "start":
            if not alive:
                self._rpc.startProcess(name)
        elif action in {"freeze", "thaw"} and not alive:
            raise LocalClusterError(f"{name} is {states[name]}; start it first")
        elif action == "stop" and alive:
            self._rpc.signalProcess(name, "CONT")  # a frozen one could not hear the request
            self._rpc.stopProcess(name)
        elif alive:
            number = {"kill": "KILL", "freeze": "STOP", "thaw": "CONT"}[action]
            self._rpc.signalProcess(name, number)
        wanted = {"kill": "killed", "freeze": FROZEN}.get(action)
        return self._settled(name, wanted if alive else None)

    def _settled(self, name: str, wanted: str | None) -> str:
        """The state, once a signal has had its effect."""
        deadline = time.monotonic() + 3
        while True:
            state = next(m["state"] for m in self.members() if m["name"] == name)
            if wanted in {None, state} or time.monotonic() > deadline:
                return str(state)
            time.sleep(0.02)

    def ask(self, questions: Mapping[str, Message]) -> dict[str, Message]:
        from deploy.local.host_calls import ask_processes

        return ask_processes(self._home, questions)

    def down(self) -> None:
        """Stop in waves; then the supervisor, with nothing left to stop, ends at once."""
        for name in self._relay.cut_members():
            self._relay.mend(name)
        for wave in STOP_WAVES:
            names = [m["name"] for m in self.members() if m["kind"] in wave]
            for name in names:
                with contextlib.suppress(xmlrpc.client.Fault):
                    self._rpc.signalProcess(name, "CONT")
                    self._rpc.stopProcess(name, False)
            deadline = time.monotonic() + STOP_WAIT_S
            while time.monotonic() < deadline and any(
                m["state"] in {RUNNING, "stopping"} for m in self.members() if m["name"] in names
            ):
                time.sleep(0.05)
        self._rpc.shutdown()
        deadline = time.monotonic() + STOP_WAIT_S
        while is_locked(self._home) and time.monotonic() < deadline:
            time.sleep(0.05)
        self._home.cluster_file.unlink(missing_ok=True)


def _state(info: dict[str, Any]) -> str:
    """Supervisor's state in our words; a stopped process (SIGSTOP) is still RUNNING to it."""
    name = str(info["statename"])
    if name == "RUNNING":
        try:
            stat = Path(f"/proc/{info['pid']}/stat").read_text()
            return FROZEN if stat.rpartition(")")[2].split()[0] == "T" else RUNNING
        except OSError:
            return RUNNING
    if name == "EXITED":
        return {0: "stopped", -1: "killed"}.get(int(info["exitstatus"]), "failed")
    return {"STARTING": "starting", "STOPPING": "stopping", "STOPPED": "stopped"}.get(
        name, "failed"
    )
