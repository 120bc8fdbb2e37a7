// @segment/analytics-next with its half minutes shortened, after which it tells how it was used: ?host&key

import { AnalyticsBrowser } from '@segment/analytics-next';

const { setTimeout } = window;
window.setTimeout = (call, ms, ...more) => setTimeout(call, ms === 30000 ? 300 : ms, ...more);

const { host, key } = Object.fromEntries(new URLSearchParams(location.search));
const analytics = AnalyticsBrowser.load({ writeKey: key, cdnURL: host });

analytics.track('Counted');
