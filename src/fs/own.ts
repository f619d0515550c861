/** Making one's own copy of a module of Node's, and of its functions. */

/**
 * An object with all the properties of `module`, each a value of its own: assigning to one, as users and tests of
 * node:fs do, does not reach the original.
 */
export function copyOf<T extends object>(module: T, replaced: Partial<T>): T {
  const copy = {} as Record<PropertyKey, unknown>;
  for (const key of Reflect.ownKeys(module)) {
    const { enumerable, configurable, writable } = Object.getOwnPropertyDescriptor(module, key) as PropertyDescriptor;
    // Read only where it is not replaced: some load a part of Node when they are.
    const value: unknown = Object.hasOwn(replaced, key) ? replaced[key as keyof T] : module[key as keyof T];
    // Accessors become values.
    Object.defineProperty(copy, key, {
      value,
      enumerable: enumerable === true,
      configurable: configurable === true,
      writable: writable ?? true,
    });
  }
  return copy as T;
}

/** Gives `own` what `original` has beside being callable: its name and length, and what `util.promisify` looks for. */
export function dressed<T extends object>(own: T, original: object): T {
  for (const key of Reflect.ownKeys(original)) {
    if (key === 'prototype') continue;
    Object.defineProperty(own, key, Object.getOwnPropertyDescriptor(original, key) as PropertyDescriptor);
  }
  return own;
}
