/** Which version of a file a client has, and whether it wants this one (https://www.rfc-editor.org/rfc/rfc9110#section-13). */
import type { Stats } from 'node:fs';
import type { IncomingHttpHeaders } from 'node:http';

/** A file that was changed less than this ago may change again without its time of change showing it. */
const UNSURE_MILLISECONDS = 2000;

/** What tells one version of a file from another. */
export interface Validators {
  etag: string;
  /** In whole seconds, as in the header, since 1970. */
  lastModified: number;
  /** Whether two versions with the same validators have the same bytes, so that ranges of both can be joined. */
  strong: boolean;
}

export function validatorsOf({ ino, size, mtimeMs }: Stats, now = Date.now()): Validators {
  const strong = now - mtimeMs >= UNSURE_MILLISECONDS;
  const tag = [ino, size, Math.round(mtimeMs * 1000)].map((number) => number.toString(36)).join('-');
  return {
    etag: `${strong ? '' : 'W/'}"${tag}"`,
    lastModified: Math.floor(Math.min(mtimeMs, now) / 1000), // never after the Date of the response (8.8.2.1)
    strong,
  };
}

/** What the conditions of a GET or HEAD come to, in the order of 13.2.2; `undefined` where they let it pass. */
export function refusal(headers: IncomingHttpHeaders, { etag, lastModified }: Validators): 304 | 412 | undefined {
  const matching = headers['if-match'];
  const unmodifiedSince = seconds(headers['if-unmodified-since']);
  if (matching !== undefined) {
    if (!names(matching, etag, 'strong')) return 412;
  } else if (unmodifiedSince !== undefined && lastModified > unmodifiedSince) {
    return 412;
  }
  const noneMatching = headers['if-none-match'];
  const modifiedSince = seconds(headers['if-modified-since']);
  if (noneMatching !== undefined) {
    if (names(noneMatching, etag, 'weak')) return 304;
  } else if (modifiedSince !== undefined && lastModified <= modifiedSince) {
    return 304;
  }
  return undefined;
}

/** Whether a range can be added to what the client has: `If-Range` is absent, or names this very version (13.1.5). */
export function sameVersion(header: string | undefined, { etag, lastModified, strong }: Validators): boolean {
  if (header === undefined) return true;
  return strong && (header.trim() === etag || seconds(header) === lastModified);
}

/** Whether a list of entity tags has this one (8.8.3.2). `*` is any. */
function names(list: string, etag: string, comparison: 'strong' | 'weak'): boolean {
  if (list.trim() === '*') return true;
  const tags: string[] = list.match(/(?:W\/)?"[^"]*"/g) ?? [];
  if (comparison === 'strong') return !etag.startsWith('W/') && tags.includes(etag);
  const opaque = (tag: string): string => tag.replace(/^W\//, '');
  return tags.some((tag) => opaque(tag) === opaque(etag));
}

/** A date of HTTP; `undefined` for what is none, which is as if the header was not there. */
function seconds(date: string | undefined): number | undefined {
  // Date.parse takes `1` and much else; every form of HTTP's begins with the name of a day (5.6.7).
  if (date === undefined || !/^(Mon|Tues?|Wed(nes)?|Thu(rs)?|Fri|Sat(ur)?|Sun)/.test(date.trim())) return undefined;
  const time = Date.parse(date);
  return Number.isNaN(time) ? undefined : time / 1000;
}
