// Locks: one tab at a time. Without Web Locks (insecure contexts, old browsers) nothing is exclusive,
// which costs a repeated request at worst: the service recognises every event by its messageId.

const PATIENCE = 10000; // ms; a frozen tab may hold a lock for hours

export const hasLocks = !!(navigator.locks && window.AbortController);

export async function exclusively(name, work) {
  let started = false;
  const once = () => {
    started = true;
    clearTimeout(timer);
    return work();
  };
  const impatience = hasLocks && new AbortController();
  const timer = impatience && setTimeout(() => impatience.abort(), PATIENCE);
  if (!hasLocks) return once();
  try {
    return await navigator.locks.request(name, { signal: impatience.signal }, once);
  } catch (error) {
    if (started) throw error;
    return once(); // sandboxed, or out of patience
  }
}
