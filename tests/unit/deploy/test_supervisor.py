"""Supervisor's configuration, read back by supervisor's own parser."""

from __future__ import annotations

import shlex
import signal
from pathlib import Path

from supervisor.options import ServerOptions

from deploy.local.home import Home
from deploy.local.supervisor import Program, _state, supervisor_config

AWKWARD = 'a b%c"d\\e'


def test_programs_survive_the_configuration_file(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.prepare()
    program = Program("api", ["/bin/x", AWKWARD], 7, "INT")
    file = tmp_path / "supervisord.conf"
    file.write_text(supervisor_config(home, [program]))

    options = ServerOptions()
    options.realize(["-c", str(file)])
    (group,) = options.process_group_configs
    (config,) = group.process_configs
    assert config.name == "api"
    assert config.autorestart is False
    assert config.stopsignal == signal.SIGINT
    assert shlex.split(config.command) == ["/bin/x", AWKWARD]
    assert options.server_configs[0]["file"] == str(home.supervisor_socket)


def test_supervisors_words_become_ours() -> None:
    def exited(code: int) -> str:
        return _state({"statename": "EXITED", "exitstatus": code, "pid": 0})

    assert [exited(0), exited(1), exited(-1)] == ["stopped", "failed", "killed"]
    assert _state({"statename": "FATAL", "exitstatus": 0, "pid": 0}) == "failed"
