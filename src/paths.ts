/** The paths that callers give as URLs. */
import { fileURLToPath } from 'node:url';

/**
 * The path that a file URL names; undefined for what is no URL, or only pretends to be one. Throws Node's own errors,
 * `ERR_INVALID_URL_SCHEME` for one, for a URL that names no path.
 */
export function pathOfURL(value: unknown): string | undefined {
  return isURL(value) ? fileURLToPath(value) : undefined;
}

/** What has only the prototype cannot be looked at. */
function isURL(value: unknown): value is URL {
  try {
    return value instanceof URL && typeof value.href === 'string';
  } catch {
    return false;
  }
}
