"""`python -m services.scheduler`."""

from common.runtime.main import run
from services.scheduler.app import create

if __name__ == "__main__":
    run("scheduler", create)
