// @jitsu/js: HOST KEY

import { jitsuAnalytics } from '@jitsu/js';

const [host, key] = process.argv.slice(2);
const analytics = jitsuAnalytics({ host, writeKey: `${key}:-` });

await analytics.identify('user-1', { email: 'jane@example.com', plan: 'pro' });
await analytics.page('Widget', { category: 'Shop', path: '/p/widget' });
await analytics.track('Product Viewed', { product_id: 'SKU-1', price: 49.99 });
await analytics.group('org-1', { name: 'Acme' });
