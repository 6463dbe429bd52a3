"""`python -m reidaug`: the command line without its console script."""

from reidaug.cli import main

main()
