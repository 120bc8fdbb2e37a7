// @segment/analytics-next, with an identify that names nobody: ?host&key

import { AnalyticsBrowser } from '@segment/analytics-next';

const { host, key } = Object.fromEntries(new URLSearchParams(location.search));
const analytics = AnalyticsBrowser.load({ writeKey: key, cdnURL: host });

analytics.identify({ email: 'jane@example.com' });
analytics.track('Newsletter Opened');
