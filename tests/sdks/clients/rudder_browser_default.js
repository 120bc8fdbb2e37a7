// @rudderstack/analytics-js, the default build, which loads its plugins from elsewhere: ?host&key

import { RudderAnalytics } from '@rudderstack/analytics-js';

const { host, key } = Object.fromEntries(new URLSearchParams(location.search));
const analytics = new RudderAnalytics();
analytics.load(key, host, { configUrl: host });

analytics.track('Lost');
