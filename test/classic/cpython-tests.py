"""Names every test of CPython's own test_asyncore and test_asynchat, as unittest finds them: JSON on stdout."""
import json
import sys
import unittest


def flat(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite):
            yield from flat(item)
        else:
            yield item


# A module that cannot be loaded would be one more test, which fails.
import test.test_asynchat
import test.test_asyncore

names = []
for module in (test.test_asyncore, test.test_asynchat):
    for found in flat(unittest.defaultTestLoader.loadTestsFromModule(module)):
        names.append(found.id().removeprefix("test."))
json.dump({"python": "%d.%d" % sys.version_info[:2], "tests": sorted(names)}, sys.stdout)
