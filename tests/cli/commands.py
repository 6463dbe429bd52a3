"""Running commands in this process."""

from typer.testing import CliRunner

from reidaug.cli.app import app

runner = CliRunner()


def error_of(*arguments: str) -> str:
    """Runs a command that must fail with exit code 1 and one line; gives the line."""
    result = runner.invoke(app, list(arguments))
    lines = [line for line in result.stderr.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("error: ")]
    assert result.exit_code == 1, (result.exit_code, result.output, result.exception)
    assert len(errors) == 1 and lines[-1] == errors[0], result.stderr
    assert "Traceback" not in result.output
    return errors[0]
