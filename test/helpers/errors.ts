/** Comparing what two functions do: their results, or the errors they throw. */

export interface Outcome {
  result?: unknown;
  error?: { name: string; code: unknown; message: string };
}

export function failure(error: unknown): Outcome {
  const { name, code, message } = error as Error & { code?: unknown };
  return { error: { name, code, message } };
}

export function attempt(run: () => unknown): Outcome {
  try {
    return { result: run() };
  } catch (error) {
    return failure(error);
  }
}

export async function attemptAsync(run: () => Promise<unknown>): Promise<Outcome> {
  try {
    return { result: await run() };
  } catch (error) {
    return failure(error);
  }
}

/** The code of what `run` throws, or undefined. */
export function codeOf(run: () => unknown): unknown {
  return attempt(run).error?.code;
}

/** The code of what a promise rejects with, or undefined. */
export function rejectionCode(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: { code?: unknown }) => error.code,
  );
}
