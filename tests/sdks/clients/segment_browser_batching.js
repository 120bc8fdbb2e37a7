// @segment/analytics-next, without a request for settings, in batches, with cookies: ?host&key

import { AnalyticsBrowser } from '@segment/analytics-next';

const { host, key } = Object.fromEntries(new URLSearchParams(location.search));
const { host: address, protocol } = new URL(host);
const analytics = AnalyticsBrowser.load(
  { writeKey: key, cdnSettings: { integrations: { 'Segment.io': { apiKey: key } } } },
  {
    integrations: {
      'Segment.io': {
        apiHost: `${address}/v1`,
        protocol: protocol.slice(0, -1),
        deliveryStrategy: { strategy: 'batching', config: { size: 10, timeout: 300, credentials: 'include' } },
      },
    },
  }
);

analytics.identify('user-1', { email: 'jane@example.com', plan: 'pro' });
analytics.page('Shop', 'Widget', { path: '/p/widget' });
analytics.track('Product Viewed', { product_id: 'SKU-1', price: 49.99 });
analytics.group('org-1', { name: 'Acme' });
