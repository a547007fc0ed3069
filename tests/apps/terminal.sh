#!/bin/sh
# test: cpus=1,4 limit=300 serial=two quick=no
# Programs on a terminal: line editing, job control, window sizes, full-screen programs, and what becomes of the terminal.
exec python3 "$APPS/terminal/drive.py"
