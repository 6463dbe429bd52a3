"""`python -m reidaug`, and the console script."""

import sys


def main() -> None:
    """Runs the command line, and exits with its exit code."""
    try:
        from reidaug.cli.app import app  # here, so that Ctrl-C while it is imported is quiet too

        app()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
