"""`python -m klantwaarde`: the command line."""

from klantwaarde.cli.app import main

main()
