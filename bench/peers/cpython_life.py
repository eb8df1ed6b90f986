"""What the Python programs of the bench do besides serving, as life.ts for the others: the port on one line, one line
of JSON for each question on standard input, an end when that ends, and a hard limit. Costs nothing while load is on:
a thread waits for standard input, unless the program reads the questions itself."""
import json
import os
import resource
import signal
import sys
import threading

HARD_LIFETIME_S = 120


def _begin(port):
    signal.alarm(HARD_LIFETIME_S)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(port, flush=True)


def serving(port):
    """For a program that goes on to loop(): announces the port and ends with its parent."""

    def wait_for_end():
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=wait_for_end, daemon=True).start()
    _begin(port)


def answering(commands):
    """For a program that does what it is told: each line names a command and its argument, until there are no more."""
    _begin(0)
    for line in sys.stdin:
        name, argument = line.split()
        print(json.dumps(commands[name](int(argument))), flush=True)
