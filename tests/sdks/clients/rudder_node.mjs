// @rudderstack/rudder-sdk-node: HOST KEY

import RudderAnalytics from '@rudderstack/rudder-sdk-node';

const [dataPlaneUrl, writeKey] = process.argv.slice(2);
const analytics = new RudderAnalytics(writeKey, { dataPlaneUrl, errorHandler: (error) => console.error(error.message) });

analytics.identify({ userId: 'user-1', traits: { email: 'jane@example.com', plan: 'pro' } });
analytics.page({ userId: 'user-1', name: 'Widget', properties: { category: 'Shop', path: '/p/widget' } });
analytics.track({ userId: 'user-1', event: 'Product Viewed', properties: { product_id: 'SKU-1', price: 49.99 } });
analytics.group({ userId: 'user-1', groupId: 'org-1', traits: { name: 'Acme' } });
await analytics.flush();
