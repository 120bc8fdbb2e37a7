// @rudderstack/analytics-js/bundled: ?host&key

import { RudderAnalytics } from '@rudderstack/analytics-js/bundled';

const { host, key } = Object.fromEntries(new URLSearchParams(location.search));
const analytics = new RudderAnalytics();
analytics.load(key, host, { configUrl: host });

analytics.identify('user-1', { email: 'jane@example.com', plan: 'pro' });
analytics.page('Shop', 'Widget', { path: '/p/widget' });
analytics.track('Product Viewed', { product_id: 'SKU-1', price: 49.99 });
analytics.group('org-1', { name: 'Acme' });

window.analytics = analytics;
