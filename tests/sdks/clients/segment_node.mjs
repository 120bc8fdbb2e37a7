// @segment/analytics-node: HOST KEY

import { Analytics } from '@segment/analytics-node';

const [host, writeKey] = process.argv.slice(2);
const analytics = new Analytics({ writeKey, host });

analytics.identify({ userId: 'user-1', traits: { email: 'jane@example.com', plan: 'pro' } });
analytics.page({ userId: 'user-1', category: 'Shop', name: 'Widget', properties: { path: '/p/widget' } });
analytics.track({ userId: 'user-1', event: 'Product Viewed', properties: { product_id: 'SKU-1', price: 49.99 } });
analytics.group({ userId: 'user-1', groupId: 'org-1', traits: { name: 'Acme' } });
await analytics.closeAndFlush({ timeout: 60000 });
