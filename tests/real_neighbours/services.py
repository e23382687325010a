"""A real Keystone and a real Glance, each from PyPI, on loopback, over SQLite.

Owns: their environment, their configuration files, their processes.
May not: know Muster; who is to log in and what is in the catalog is registered by cloud.py.
Crash story: everything is in the workspace. What a killed run leaves running holds nothing but its
port; the next run takes free ones.
"""

from __future__ import annotations

import configparser
import json
import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

REQUIREMENTS = ("keystone==30.0.0", "glance==33.0.0", "waitress==3.0.2")
START_DEADLINE_S = 120.0
STOP_DEADLINE_S = 15.0
LOCAL = "127.0.0.1"
_RULE = re.compile(r'^"(.+?)": "(.*)"$', re.MULTILINE)
_NO_HOST = "not role:image_uploader"


class NotStarted(Exception):
    """A step of the installation failed; the text says where its log is."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOCAL, 0))
        return int(probe.getsockname()[1])


@dataclass
class Workspace:
    """One folder; `path / "venv"` is made once and used again by later runs."""

    path: Path

    @property
    def programs(self) -> Path:
        return self.path / "venv" / "bin"

    def install(self) -> None:
        """The environment with both services, unless it is there."""
        wanted = "\n".join(REQUIREMENTS)
        done = self.path / "installed.txt"
        if done.exists() and done.read_text() == wanted:
            return
        self.path.mkdir(parents=True, exist_ok=True)
        self.run("venv", [sys.executable, "-m", "venv", "--clear", str(self.path / "venv")])
        self.run("install", [str(self.programs / "pip"), "install", *REQUIREMENTS])
        done.write_text(wanted)

    def log(self, name: str) -> Path:
        (self.path / "logs").mkdir(parents=True, exist_ok=True)
        return self.path / "logs" / f"{name}.log"

    def run(self, name: str, command: list[str], **environment: str) -> None:
        """One command to its end; raises with the place of its log when it fails."""
        with self.log(name).open("wb") as log:
            done = subprocess.run(
                command, stdout=log, stderr=log, env={**os.environ, **environment}, check=False
            )
        if done.returncode:
            raise NotStarted(f"{command[0]} ended with {done.returncode}; see {self.log(name)}")

    def configure(self, name: str, sections: dict[str, dict[str, str]]) -> Path:
        config = configparser.ConfigParser(interpolation=None)
        config.read_dict(sections)
        file = self.path / f"{name}.conf"
        with file.open("w") as text:
            config.write(text)
        return file


class Server:
    """One WSGI application under waitress, which keeps connections and takes chunked uploads."""

    def __init__(self, workspace: Workspace, name: str, module: str, port: int) -> None:
        self._workspace = workspace
        self._name = name
        self._module = module
        self.url = f"http://{LOCAL}:{port}"
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, **environment: str) -> None:
        """Returns when it answers."""
        # Not waitress's own command: both applications read the command line they are started by.
        serve = (
            f"from waitress import serve; from {self._module} import application;"
            f" serve(application, listen='{LOCAL}:{self._port}', threads=8)"
        )
        command = [str(self._workspace.programs / "python"), "-c", serve]
        with self._workspace.log(self._name).open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, env={**os.environ, **environment}
            )
        began = time.monotonic()
        while not self._answers():
            late = time.monotonic() - began > START_DEADLINE_S
            if late or self._process.poll() is not None:
                self.stop()
                raise NotStarted(f"{self._name} is not up; see {self._workspace.log(self._name)}")
            time.sleep(0.2)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(self.url, timeout=5):
                return True
        except urllib.error.HTTPError as error:
            return error.code == 300
        except OSError:
            return False

    def stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_DEADLINE_S)
        process.kill()
        process.wait()


def keystone(workspace: Workspace, password: str) -> Server:
    """Started, with the user `admin` and the usual roles."""
    data = workspace.path / "keystone"
    (data / "fernet-keys").mkdir(parents=True, exist_ok=True)
    database = data / "keystone.sqlite"
    database.unlink(missing_ok=True)
    # The cost of a password is for a cloud with secrets; here it would only take time.
    config = workspace.configure(
        "keystone",
        {
            "DEFAULT": {"use_stderr": "true"},
            "database": {"connection": f"sqlite:///{database}"},
            "fernet_tokens": {"key_repository": str(data / "fernet-keys")},
            "credential": {"key_repository": str(data / "fernet-keys")},
            "identity": {"password_hash_rounds": "4"},
        },
    )
    manage = [str(workspace.programs / "keystone-manage"), "--config-file", str(config)]
    owner = ["--keystone-user", str(os.geteuid()), "--keystone-group", str(os.getegid())]
    workspace.run("keystone-db", [*manage, "db_sync"])
    workspace.run("keystone-fernet", [*manage, "fernet_setup", *owner])
    server = Server(workspace, "keystone", "keystone.wsgi.api", free_port())
    interfaces = ("public", "internal", "admin")
    urls = [text for name in interfaces for text in (f"--bootstrap-{name}-url", f"{server.url}/v3")]
    workspace.run(
        "keystone-bootstrap",
        [*manage, "bootstrap", *urls, "--bootstrap-region-id", "RegionOne"],
        OS_BOOTSTRAP_PASSWORD=password,
    )
    server.start(OS_KEYSTONE_CONFIG_FILES=str(config), OS_KEYSTONE_CONFIG_DIR=str(data))
    return server


def _policy(workspace: Workspace) -> Path:
    """Glance's rules with the role of hosts, as docs/real-neighbours.md says."""
    generator = str(workspace.programs / "oslopolicy-policy-generator")
    defaults, file = workspace.path / "defaults.yaml", workspace.path / "policy.yaml"
    # Without a file of ours: what an earlier run has left would be printed.
    (workspace.path / "none.conf").touch()
    command = [generator, "--config-file", str(workspace.path / "none.conf")]
    workspace.run(
        "glance-policy", [*command, "--namespace", "glance", "--output-file", str(defaults)]
    )
    rules = dict(_RULE.findall(defaults.read_text()))
    for name, check in rules.items():
        if name not in {"get_image", "upload_image"}:
            rules[name] = f"({check}) and {_NO_HOST}" if check else _NO_HOST
    rules["context_is_admin"] = "role:admin or role:image_uploader"
    file.write_text(json.dumps(rules, indent=1))  # JSON is YAML
    return file


def glance(workspace: Workspace, auth_url: str, password: str) -> Server:
    """Started, as the service user `glance`, which must be registered already."""
    data = workspace.path / "glance"
    (data / "images").mkdir(parents=True, exist_ok=True)
    database = data / "glance.sqlite"
    database.unlink(missing_ok=True)
    paste = workspace.path / "venv" / "etc" / "glance" / "glance-api-paste.ini"
    config = workspace.configure(
        "glance-api",
        {
            "DEFAULT": {"enabled_backends": "files:file", "use_stderr": "true"},
            "database": {"connection": f"sqlite:///{database}"},
            "glance_store": {"default_backend": "files"},
            "files": {"filesystem_store_datadir": str(data / "images")},
            "paste_deploy": {"flavor": "keystone", "config_file": str(paste)},
            "keystone_authtoken": {
                "www_authenticate_uri": auth_url,
                "auth_url": auth_url,
                "auth_type": "password",
                "username": "glance",
                "password": password,
                "project_name": "service",
                "user_domain_name": "Default",
                "project_domain_name": "Default",
                "service_token_roles_required": "true",
            },
            "oslo_concurrency": {"lock_path": str(data / "locks")},
            "oslo_policy": {"policy_file": str(_policy(workspace))},
        },
    )
    manage = [str(workspace.programs / "glance-manage"), "--config-file", str(config)]
    workspace.run("glance-db", [*manage, "db_sync"])
    server = Server(workspace, "glance", "glance.wsgi.api", free_port())
    # Glance looks for both of its files here, by these names.
    (workspace.path / paste.name).write_text(paste.read_text())
    server.start(OS_GLANCE_CONFIG_DIR=str(workspace.path))
    return server
