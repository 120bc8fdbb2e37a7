"""segment-analytics-python: HOST KEY. Values that are no JSON, which it sends all the same."""

import sys

from segment import analytics

analytics.host, analytics.write_key = sys.argv[1:]

analytics.track("user-1", "Strange", {"nan": float("nan"), "inf": float("inf"), "text": "a\ud800b\0c", "n": 2**70})
analytics.track("user-1", "Plain", {"n": 1})
analytics.shutdown()
