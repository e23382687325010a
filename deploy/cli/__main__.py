"""`python -m deploy.cli`, which ./muster calls."""

from deploy.cli.app import main

main()
