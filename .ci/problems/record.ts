/**
 * A setup file of every test project: keeps which error codes the tests have seen, for `check.js` at the end of `make test`.
 * Seen is a code that production code gave to a `BoiError`, or that came in a problem document over HTTP. What a test makes up
 * itself does not count. Each worker appends to a file of its own under `BOI_SEEN_CODES`; without that variable nothing is done.
 */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { vi } from 'vitest';

/** Of one code in one worker: a stack is dear, and a test that makes thousands of errors itself must not become slow by it. */
const LOOKS_MAX = 200;

const folder = process.env.BOI_SEEN_CODES;

const recorder = vi.hoisted(() => ({ made: (_code: string, _error: Error): void => undefined }));

vi.mock('../../packages/core/src/errors.ts', async (original) => {
  const errors = await original<typeof import('../../packages/core/src/errors.ts')>();
  class BoiError extends errors.BoiError {
    constructor(...words: ConstructorParameters<typeof errors.BoiError>) {
      super(...words);
      recorder.made(this.code, this);
    }
  }
  return { ...errors, BoiError };
});

if (folder !== undefined) {
  const told = new Set<string>();
  const tell = (kind: 'made' | 'problem', code: string) => {
    const line = `${kind} ${code}\n`;
    if (told.has(line)) return;
    told.add(line);
    appendFileSync(join(folder, String(process.pid)), line);
  };

  const looks = new Map<string, number>();
  recorder.made = (code, error) => {
    const looked = looks.get(code) ?? 0;
    if (looked === LOOKS_MAX || told.has(`made ${code}\n`)) return;
    looks.set(code, looked + 1);
    if (isProduction(error.stack ?? '')) tell('made', code);
  };

  const { fetch } = globalThis;
  globalThis.fetch = async (...words) => {
    const response = await fetch(...words);
    if (response.headers.get('content-type')?.startsWith('application/problem+json')) {
      const text = await response.clone().text();
      tell('problem', codeOf(text));
    }
    return response;
  };
}

/** Whether the error was made by a source file of a package, not by a test nor from what another process claims. */
function isProduction(stack: string): boolean {
  const maker = stack
    .split('\n')
    .filter((line) => line.startsWith('    at '))
    .find((line) => !/packages\/core\/(src|dist)\/errors\.|\.ci\/problems\//.test(line));
  return (
    maker !== undefined &&
    /\/(packages|plugins)\//.test(maker) &&
    !/\.test\.ts|\/testing\/|\/test\/|packages\/client\/src\/problem\.ts/.test(maker)
  );
}

function codeOf(text: string): string {
  try {
    const { code } = JSON.parse(text) as { code?: unknown };
    return typeof code === 'string' ? code : 'without-code';
  } catch {
    return 'not-json';
  }
}
