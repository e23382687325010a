"""`python -m services.metadata`."""

from common.runtime.main import run
from services.metadata.app import create

if __name__ == "__main__":
    run("metadata", create)
