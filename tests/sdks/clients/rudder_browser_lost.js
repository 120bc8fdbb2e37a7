// @rudderstack/analytics-js/bundled, told only one of the two addresses: ?host&key

import { RudderAnalytics } from '@rudderstack/analytics-js/bundled';

const { host, key } = Object.fromEntries(new URLSearchParams(location.search));
const analytics = new RudderAnalytics();
analytics.load(key, host);

analytics.track('Lost');
