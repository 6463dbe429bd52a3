"""The commands, a group a file: each parses, calls one function and prints. Nothing else prints, asks or exits."""
