"""`python -m klantwaarde`: the command line."""

from klantwaarde.cli import main

main()
