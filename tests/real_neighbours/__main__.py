"""`tests/real_neighbours/run [WORKSPACE]`: the whole check; exit code 0 when all was seen.

Owns: the order: Keystone, who is who, Glance, the catalog, the cluster, the walk, the demo's story.
May not: touch a cluster of the user's: home and ports are of this run.
Crash story: Ctrl-C ends everything; the workspace keeps logs and the environment.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from subprocess import TimeoutExpired

from deploy.cli.cloud import CloudError
from deploy.cli.demo import TIMERS, Story
from deploy.cli.up import down, up
from deploy.local.home import Home, LocalClusterError
from deploy.local.plan import Options
from tests.real_neighbours.cloud import Administrator, public_image
from tests.real_neighbours.services import LOCAL, NotStarted, Workspace, free_port, glance, keystone
from tests.real_neighbours.walk import NotSeen, Walk

PASSWORDS = {
    "admin": "admin",
    "demo": "demo",
    "muster": "muster",
    "muster-host": "of hosts",
    "glance": "glance",
}


def check(workspace: Workspace, ending: ExitStack) -> None:
    workspace.install()
    identity = keystone(workspace, PASSWORDS["admin"])
    ending.callback(identity.stop)
    administrator = Administrator(identity.url, PASSWORDS)
    administrator.people()
    image = glance(workspace, identity.url, PASSWORDS["glance"])
    ending.callback(image.stop)
    compute_port, standins_port = free_port(), free_port()
    standins_url = f"http://{LOCAL}:{standins_port}"
    administrator.catalog(
        {
            "compute": ("nova", f"http://{LOCAL}:{compute_port}/v2.1"),
            "image": ("glance", image.url),
            "network": ("neutron", f"{standins_url}/network"),
            "block-storage": ("cinder", f"{standins_url}/volume/v3"),
        }
    )
    public_image(image.url, administrator.token, "cirros")
    print("Keystone and Glance are up.", flush=True)  # noqa: T201
    home = Path(tempfile.mkdtemp(prefix="muster-real-"))
    ending.callback(shutil.rmtree, home, ignore_errors=True)
    os.environ.update(
        TIMERS,
        MUSTER_HOME=str(home),
        MUSTER_STANDINS__SERVE='["network", "volume"]',
        MUSTER_IDENTITY__AUTH_URL=identity.url,
        MUSTER_IDENTITY__PASSWORD=PASSWORDS["muster"],
        MUSTER_COMPUTE__IDENTITY__PASSWORD=PASSWORDS["muster-host"],
        # What ended is to be seen at once.
        MUSTER_IDENTITY__TOKEN_CACHE_S="0.1",
    )
    ending.callback(down, purge=False)
    options = Options(port=compute_port, identity_port=standins_port, metadata_port=0)
    up(options, foreground=False, quiet=True)
    Walk(Home.find()).all()
    story = Story(Home.find())
    story.boot()
    host = story.kill("demo-1")
    story.declare_down("demo-1", host)
    story.evacuate("demo-1", host)
    story.come_back(host)
    story.maintain("demo-2")


def main() -> int:
    path = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.gettempdir()) / "muster-neighbours"
    began = time.monotonic()
    with ExitStack() as ending:
        try:
            check(Workspace(path.resolve()), ending)
        except (NotStarted, NotSeen, CloudError, LocalClusterError, TimeoutExpired) as error:
            print(f"Not seen: {error}", file=sys.stderr)  # noqa: T201
            return 1
    print(f"All was seen, in {time.monotonic() - began:.0f} s.")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
