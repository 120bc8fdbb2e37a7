// Stub: takes the calls that come before the script, each with the page of its moment. Goes inline into the page.

(function (w, q) {
  if (w.datafly) return;
  q = w.datafly = w._df = [];
  'track page identify group consent reset flush ready'.split(' ').forEach(function (m) {
    q[m] = function () { q.push([m, arguments, [Date.now(), location.href, document.title, document.referrer]]); };
  });
})(window);
