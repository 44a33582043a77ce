const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
/** Keys come from outside; a context is a place, not a copy of the request. */
const MAX_KEY_LENGTH = 100;

/** A path as the contract writes it: `$.to[3].variables['first name']`. */
export function jsonPath(path: readonly PropertyKey[]): string {
  return path.reduce<string>((at, key) => at + step(key), '$');
}

function step(key: PropertyKey): string {
  if (typeof key === 'number') return `[${key}]`;
  const name = String(key).slice(0, MAX_KEY_LENGTH);
  return NAME.test(name) ? `.${name}` : `['${name.replace(/[\\']/g, '\\$&')}']`;
}
