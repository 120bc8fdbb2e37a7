"""rudder-sdk-python: HOST KEY. A hundred events of 30 kB, which it sends as one batch of 3 MB."""

import sys

from rudderstack import analytics

analytics.dataPlaneUrl, analytics.write_key = sys.argv[1:]

for n in range(100):
    analytics.track("user-1", f"Large {n}", {"text": "é0123456789" * 2500})
analytics.shutdown()
