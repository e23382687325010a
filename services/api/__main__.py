"""`python -m services.api`."""

from common.runtime.main import run
from services.api.app import create

if __name__ == "__main__":
    run("api", create)
