"""segment-analytics-python: HOST KEY."""

import sys

from segment import analytics

analytics.host, analytics.write_key = sys.argv[1:]

analytics.identify("user-1", {"email": "jane@example.com", "plan": "pro"})
analytics.page("user-1", "Shop", "Widget", {"path": "/p/widget"})
analytics.track("user-1", "Product Viewed", {"product_id": "SKU-1", "price": 49.99})
analytics.group("user-1", "org-1", {"name": "Acme"})
analytics.shutdown()
