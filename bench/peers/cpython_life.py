"""What the Python programs of the bench do besides serving, as life.ts for the others: the port on one line, one line
of JSON for each question on standard input, an end when that ends, and a hard limit. Costs nothing while load is on:
a thread waits for standard input, unless the program reads the questions itself."""
import gc
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


def _resident():
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def serving(port):
    """For a program that goes on to loop(): announces the port, tells its memory, and ends with its parent."""

    def answer_until_end():
        for _ in sys.stdin:
            gc.collect()
            print(json.dumps({"rss": _resident()}), flush=True)
        os._exit(0)

    threading.Thread(target=answer_until_end, daemon=True).start()
    _begin(port)


def answering(commands):
    """For a program that does what it is told: each line names a command and its argument, until there are no more."""
    _begin(0)
    for line in sys.stdin:
        name, argument = line.split()
        print(json.dumps(commands[name](int(argument))), flush=True)
