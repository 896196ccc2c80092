import { createHmac } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runConformance } from '@boi/plugin-host';
import { bundleProgram } from '@boi/plugin-host/testing';
import type { SequencedEvent } from '@boi/plugin-sdk';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { postEvents } from './post.ts';

interface Received {
  readonly signature: string;
  readonly body: string;
}

let server: Server;
let directory: string;
let received: Received[];
let answers: number[];
let url: URL;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'boi-webhook-'));
  received = [];
  answers = [];
  server = createServer(async (request, response) => {
    const body = await bodyOf(request);
    received.push({ signature: String(request.headers['boi-signature']), body });
    response.writeHead(answers.shift() ?? 204, { location: 'http://127.0.0.1:1/' }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/events`);
});
afterEach(async () => {
  await new Promise((resolve) => server.close(resolve));
  await rm(directory, { recursive: true, force: true });
});

const events = [
  { sequence: 1, event: { id: 'evt_1', kind: 'cluster.paused', payload: {} } },
] as unknown as SequencedEvent[];
const post = (attempts = 3) =>
  postEvents(events, { url, secret: 'hush', timeoutMs: 5_000, attempts, signal: new AbortController().signal });

describe('hooks-webhook', () => {
  test('conforms, and everything it posted is signed', async () => {
    const program = await bundleProgram(join(import.meta.dirname, 'main.ts'));
    const secretFile = join(directory, 'secret');
    writeFileSync(secretFile, 'hush\n');
    const args = [program, '--url', url.href, '--secret-file', secretFile];
    const results = await runConformance({ plugin: { kind: 'hooks', command: process.execPath, args } });
    expect(results.filter(({ ok }) => !ok)).toEqual([]);
    expect(received.length).toBeGreaterThan(0);
    for (const { signature, body } of received) {
      const [, seconds = '', hash] = /^t=(\d+),v1=([0-9a-f]{64})$/.exec(signature) ?? [];
      expect(hash).toBe(createHmac('sha256', 'hush').update(`${seconds}.${body}`).digest('hex'));
      expect(Math.abs(Date.now() / 1_000 - Number(seconds))).toBeLessThan(120);
    }
  });

  test('tries again what may pass: 503, 429', async () => {
    answers = [503, 429, 200];
    await post();
    expect(received).toHaveLength(3);
    expect(new Set(received.map(({ body }) => body)).size).toBe(1);
  });

  test('leaves to the node what stays wrong', async () => {
    answers = [503, 503, 503];
    await expect(post(3)).rejects.toThrow('it answered 503');
    expect(received).toHaveLength(3);
  });

  test('does not repeat what the endpoint refuses, and follows no redirect', async () => {
    answers = [400];
    await expect(post()).rejects.toThrow('it answered 400');
    answers = [307];
    await expect(post(1)).rejects.toThrow();
    expect(received).toHaveLength(2);
  });
});

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
