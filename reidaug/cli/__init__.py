"""The command line: each command parses, calls one function and prints. Nothing else prints, asks or exits."""
