/** Making one's own copy of a module of Node's, and of its functions. */

/**
 * An object with all the properties of `module`, each its own: assigning to one, as users and tests of node:fs do, does
 * not reach the original.
 */
export function copyOf<T extends object>(module: T, replaced: Partial<T>): T {
  const copy = {} as T;
  for (const key of Reflect.ownKeys(module) as Array<keyof T & (string | symbol)>) {
    const original = Object.getOwnPropertyDescriptor(module, key) as PropertyDescriptor;
    const { configurable = false, enumerable = false } = original;
    if (original.get === undefined || Object.hasOwn(replaced, key)) {
      const value = Object.hasOwn(replaced, key) ? replaced[key] : (original.value as unknown);
      Object.defineProperty(copy, key, { value, enumerable, configurable, writable: original.writable ?? true });
    } else {
      // Asked for when somebody asks: some load a part of Node then, and some tell that they are deprecated.
      const set = function (this: object, value: unknown): void {
        Object.defineProperty(this, key, { value, enumerable, configurable, writable: true });
      };
      Object.defineProperty(copy, key, {
        get: () => module[key],
        ...(configurable && { set }),
        enumerable,
        configurable,
      });
    }
  }
  return copy;
}

/** Gives `own` what `original` has beside being callable: its name and length, and what `util.promisify` looks for. */
export function dressed<T extends object>(own: T, original: object): T {
  for (const key of Reflect.ownKeys(original)) {
    if (key === 'prototype') continue;
    Object.defineProperty(own, key, Object.getOwnPropertyDescriptor(original, key) as PropertyDescriptor);
  }
  return own;
}
