// @segment/analytics-next, told the host, but with settings that do not name Segment.io: ?host&key

import { AnalyticsBrowser } from '@segment/analytics-next';

const { host, key } = Object.fromEntries(new URLSearchParams(location.search));
const analytics = AnalyticsBrowser.load(
  { writeKey: key, cdnSettings: { integrations: {} } },
  { integrations: { 'Segment.io': { apiHost: `${new URL(host).host}/v1`, protocol: 'http' } } }
);

analytics.track('Lost');
