"""`python -m reidaug`, and the console script."""

import io
import sys


def main() -> None:
    """Runs the command line, and exits with its exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors in ("strict", "surrogateescape"):
        sys.stdout.reconfigure(errors="replace")  # what a console cannot show must not end the work
    try:
        from reidaug.cli.app import app  # here, so that Ctrl-C while it is imported is quiet too

        app()
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
