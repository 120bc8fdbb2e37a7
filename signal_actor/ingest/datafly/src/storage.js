// Storage: cookies and localStorage that never throw. A page may be sandboxed, its storage full, blocked or switched off.

export const local = {
  get(name) {
    try {
      return localStorage.getItem(name);
    } catch {
      return null;
    }
  },

  // True if the browser has taken it.
  set(name, value) {
    try {
      localStorage.setItem(name, value);
      return true;
    } catch {
      return false;
    }
  },

  remove(name) {
    try {
      localStorage.removeItem(name);
    } catch {} // what cannot be reached holds nothing of ours
  },

  names(prefix) {
    try {
      return Object.keys(localStorage).filter((name) => name.startsWith(prefix)).sort();
    } catch {
      return [];
    }
  },

  // What is not JSON of ours counts as absent.
  json(name) {
    try {
      return JSON.parse(localStorage.getItem(name));
    } catch {
      return null;
    }
  },
};

export function readCookie(name) {
  try {
    const found = document.cookie.match('(?:^|; )' + name + '=([^;]*)');
    return found ? decodeURIComponent(found[1]) : '';
  } catch {
    return '';
  }
}

// The widest domain that the browser accepts is the registrable one, so that www.example.com and shop.example.com
// share the visitor. Public suffixes are refused by the browser itself, which spares us their list.
export function writeCookie(name, value, seconds) {
  const labels = location.hostname.split('.');
  const domains = labels.map((_, i) => '; Domain=' + labels.slice(i).join('.')).reverse();
  const secure = location.protocol === 'https:' ? '; Secure' : '';
  try {
    for (const domain of domains.concat('')) {
      document.cookie = name + '=' + value + domain + '; Path=/; SameSite=Lax; Max-Age=' + seconds + secure;
      if (seconds && readCookie(name) === value) return;
    }
  } catch {} // an opaque origin has no cookies
}

export function removeCookie(name) {
  writeCookie(name, '', 0);
}
