// DOM: elements from code, because the page's policy forbids markup from text.

export function h(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, '');
    else if (value !== false && value != null) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child != null && child !== false));
  return element;
}

export function money(amount) {
  return new Intl.NumberFormat('en-IE', { style: 'currency', currency: 'EUR' }).format(amount);
}

// What this browser remembers of the shop.
export const memory = {
  get(name, otherwise) {
    try {
      return JSON.parse(localStorage.getItem('shop.' + name)) ?? otherwise;
    } catch {
      return otherwise;
    }
  },
  set(name, value) {
    try {
      if (value == null) localStorage.removeItem('shop.' + name);
      else localStorage.setItem('shop.' + name, JSON.stringify(value));
    } catch {} // then it forgets
  },
};
