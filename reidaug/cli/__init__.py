"""The command line: each command parses, calls one function and prints. No other module prints or exits."""
