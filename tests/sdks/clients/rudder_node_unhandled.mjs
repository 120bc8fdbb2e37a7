// @rudderstack/rudder-sdk-node without an errorHandler: HOST KEY

import RudderAnalytics from '@rudderstack/rudder-sdk-node';

const [dataPlaneUrl, writeKey] = process.argv.slice(2);
const analytics = new RudderAnalytics(writeKey, { dataPlaneUrl });

analytics.track({ userId: 'user-1', event: 'Product Viewed' });
setTimeout(() => console.log('survived'), 1500);
