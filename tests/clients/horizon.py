"""The unmodified dashboard, in a browser: signs in, opens its pages, launches and deletes a server.

Owns: Horizon's settings, its server, and what the browser must see.
May not: install a browser: Debian's `chromium` and `chromium-driver` must be there.
Crash story: server and browser end with the run.
"""

from __future__ import annotations

import subprocess
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

from tests.clients.environments import Environment, NotSeen
from tests.real_neighbours.services import LOCAL, free_port

REQUIREMENTS = ("horizon==27.0.0", "waitress==3.0.2", "whitenoise==6.12.0", "selenium==4.51.0")
START_DEADLINE_S = 60.0
_SETTINGS = """
from openstack_dashboard.settings import *
DEBUG = False
ALLOWED_HOSTS = ['{host}']
SECRET_KEY = 'of a dashboard that is thrown away'
OPENSTACK_HOST = '{host}'
OPENSTACK_KEYSTONE_URL = '{identity_url}/v3'
SESSION_ENGINE = 'django.contrib.sessions.backends.cache'
CACHES = {{'default': {{'BACKEND': 'django.core.cache.backends.locmem.LocMemCache'}}}}
COMPRESS_ENABLED = False
STATIC_ROOT = '{static}'
WHITENOISE_AUTOREFRESH = True  # style sheets are compiled when a page asks for them
MIDDLEWARE = ('whitenoise.middleware.WhiteNoiseMiddleware', *MIDDLEWARE)
"""
_SERVE = (
    "from waitress import serve; from django.core.wsgi import get_wsgi_application;"
    " serve(get_wsgi_application(), listen='{host}:{port}', threads=8)"
)
"""Not `openstack_dashboard.wsgi`, which brings its own settings."""


def run(environment: Environment, identity_url: str, screenshots: Path) -> str:
    """Raises `NotSeen`; what the pages had on them otherwise."""
    with ExitStack() as ending:
        url = _start(environment, identity_url, ending)
        program = str(environment.programs / "python")
        pages = str(Path(__file__).with_name("horizon_pages.py"))
        began = environment.log.stat().st_size
        said = environment.run([program, pages, url, str(screenshots)])
        _complaints(environment.log.read_bytes()[began:].decode(errors="replace"))
        return said


def _complaints(log: str) -> None:
    """Of the dashboard: what it asks for in the background it need not show on a page."""
    if found := [line for line in log.splitlines() if "Internal Server Error" in line]:
        raise NotSeen(f"the dashboard complains {len(found)} times, first: {found[0]}")


def _start(environment: Environment, identity_url: str, ending: ExitStack) -> str:
    folder, port = environment.folder / "horizon", free_port()
    folder.mkdir(parents=True, exist_ok=True)
    settings = _SETTINGS.format(host=LOCAL, identity_url=identity_url, static=folder / "static")
    (folder / "dashboard_settings.py").write_text(settings)
    variables = {"PYTHONPATH": str(folder), "DJANGO_SETTINGS_MODULE": "dashboard_settings"}
    python = str(environment.programs / "python")
    collect = [python, "-m", "django", "collectstatic", "--noinput", "--verbosity=0"]
    environment.run(collect, variables)
    log = ending.enter_context(environment.log.open("ab"))
    process = subprocess.Popen(
        [python, "-c", _SERVE.format(host=LOCAL, port=port)],
        stdout=log,
        stderr=log,
        cwd=folder,
        env={**variables, "PATH": "/usr/bin:/bin"},
    )
    ending.callback(process.wait)
    ending.callback(process.terminate)
    url = f"http://{LOCAL}:{port}"
    began = time.monotonic()
    while not _answers(f"{url}/auth/login/"):
        if time.monotonic() - began > START_DEADLINE_S or process.poll() is not None:
            raise NotSeen(f"Horizon is not up; see {environment.log}")
        time.sleep(0.5)
    return url


def _answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=30).close()
    except OSError:
        return False
    return True
