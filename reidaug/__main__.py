"""`python -m reidaug`, and the console script: Ctrl-C ends it quietly from the first import on."""

import sys


def main() -> None:
    """Runs the command line.

    Raises:
        SystemExit: with the exit code.
    """
    try:
        from reidaug.cli.app import app

        app()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
