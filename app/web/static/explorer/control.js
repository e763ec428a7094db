// The control API of the sandbox this page belongs to.

const HEADER = "X-Admin-Key";

/** The sandbox wants its admin key, or another one than it got. */
export class KeyNeeded extends Error {}

/** Reads the control API at `base`, with the admin key once one was given. */
export class Control {
  constructor(base) {
    this.base = base;
    this.place = `sandkasse-admin-key ${base}`;
  }

  get key() {
    return sessionStorage.getItem(this.place) ?? "";
  }

  set key(value) {
    sessionStorage.setItem(this.place, value);
  }

  /** The headers that carry the key; none without one. */
  get headers() {
    return this.key ? { [HEADER]: this.key } : {};
  }

  /** The answer as JSON; null when there is no such thing. */
  async get(path) {
    const response = await fetch(this.base + path, { headers: this.headers });
    if (response.status === 404) return null;
    if (response.status === 401) throw new KeyNeeded();
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
    return response.json();
  }
}
