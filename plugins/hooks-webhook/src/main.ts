#!/usr/bin/env node
/** `boi-hooks-webhook --url URL [--secret-file PATH] [--timeout-ms N] [--attempts N]`: posts events, signed and retried. */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { serveHooks } from '@boi/plugin-sdk';
import { postEvents } from './post.ts';

const { values } = parseArgs({
  options: {
    url: { type: 'string' },
    'secret-file': { type: 'string' },
    'timeout-ms': { type: 'string', default: '10000' },
    attempts: { type: 'string', default: '5' },
  },
});
const fail = (message: string): never => {
  process.stderr.write(`hooks-webhook: ${message}\n`);
  process.exit(2);
};
const url = URL.canParse(values.url ?? '') ? new URL(values.url ?? '') : fail('name the endpoint with --url URL');
if (!['http:', 'https:'].includes(url.protocol)) fail('the endpoint must be http: or https:');
const [timeoutMs, attempts] = [Number(values['timeout-ms']), Number(values.attempts)];
if (!(timeoutMs > 0) || !Number.isInteger(attempts) || attempts < 1)
  fail('--timeout-ms and --attempts must be above 0');
const secretFile = values['secret-file'];
const secret = secretFile === undefined ? undefined : readFileSync(secretFile, 'utf8').trim();
if (secret === '') fail(`${secretFile} is empty`);

serveHooks({
  name: 'hooks-webhook',
  version: '0.1.0',
  tier: 'audit',
  deliver: (events, signal) =>
    postEvents(events, { url, timeoutMs, attempts, signal, ...(secret === undefined ? {} : { secret }) }),
});
