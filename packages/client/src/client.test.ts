import { createServer, type Socket } from 'node:net';
import { BoiError, ROUTES } from '@boi/core';
import { afterEach, describe, expect, it } from 'vitest';
import { BoiClient, type BoiClientOptions } from './client.ts';
import { parseEndpoint } from './endpoint.ts';
import { ROUTE_PATHS, requestTarget } from './routes.ts';
import { NODE_ID, nodeView, SPEC_ID, StubApi, specView } from './testing/index.ts';

const open: { stop(): Promise<void> | void }[] = [];
const stubs: StubApi[] = [];

async function stub(): Promise<StubApi> {
  const api = await StubApi.start();
  open.push(api);
  stubs.push(api);
  return api;
}

function client(endpoints: readonly string[], more: Partial<BoiClientOptions> = {}): BoiClient {
  const made = new BoiClient({ endpoints, timeoutMs: 2_000, ...more });
  open.push({ stop: () => made.close() });
  return made;
}

/** An address that nobody listens on. */
async function deadUrl(): Promise<string> {
  const api = await StubApi.start();
  const { url } = api;
  await api.stop();
  return url;
}

/** Takes requests and cuts the connection instead of answering. */
async function swallower(): Promise<{ url: string; taken: () => number }> {
  let taken = 0;
  const server = createServer((socket: Socket) => {
    socket.once('data', () => {
      taken++;
      socket.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({ stop: () => new Promise<void>((resolve) => server.close(() => resolve())) });
  const address = server.address() as { port: number };
  return { url: `http://127.0.0.1:${address.port}`, taken: () => taken };
}

afterEach(async () => {
  for (const thing of open.splice(0).reverse()) await thing.stop();
  expect(stubs.splice(0).flatMap((s) => s.violations)).toEqual([]);
});

const dispatch = {
  params: { prj: 'default' },
  body: { source: 'tasks: []', format: 'yaml', idempotencyKey: 'k' },
} as const;
const answer = { id: SPEC_ID, project: { id: 'prj_1' }, tasks: 1, existing: false };

describe('the route table', () => {
  it('says the same methods and paths as the API', () => {
    const wanted = Object.entries(ROUTES).map(([id, { method, path }]) => [id, { method, path }]);
    expect(Object.entries(ROUTE_PATHS)).toEqual(wanted);
  });

  it('keeps every parameter within its segment of the path', () => {
    expect(requestTarget('node.show', { params: { nod: '../cluster?x=1#y' } })).toBe(
      '/v1/nodes/..%2Fcluster%3Fx%3D1%23y',
    );
    expect(requestTarget('node.show', { params: { nod: '..' } })).toBe('/v1/nodes/%2E%2E');
    expect(requestTarget('task.show', { params: { prj: 'default', tsk: 'nightly/build[1]' } })).toContain(
      'nightly%2Fbuild%5B1%5D',
    );
  });
});

describe('addresses', () => {
  it('are refused in plain HTTP off loopback', () => {
    expect(() => parseEndpoint('http://10.0.0.1:7440')).toThrow(expect.objectContaining({ code: 'insecure-refused' }));
    expect(() => parseEndpoint('http://127.0.0.1.example.org')).toThrow(
      expect.objectContaining({ code: 'insecure-refused' }),
    );
    expect(parseEndpoint('https://10.0.0.1')).toMatchObject({ secure: true, port: 443 });
    expect(parseEndpoint('http://[::1]:7440')).toMatchObject({ host: '::1', port: 7440 });
  });

  it.each(['', 'localhost:7440', 'ftp://127.0.0.1', 'http://127.0.0.1/api', 'http://u:p@127.0.0.1'])(
    'are origins, not %j',
    (text) => {
      expect(() => parseEndpoint(text)).toThrow(expect.objectContaining({ code: 'config-invalid' }));
    },
  );
});

describe('a call', () => {
  it('sends parameters, query and body, and answers what the daemon says', async () => {
    const api = (await stub()).on('spec.list', () => ({ items: [specView()] }));
    const page = await client([api.url]).call('spec.list', {
      params: { prj: 'web' },
      query: { state: 'active', limit: 5 },
    });
    expect(page.items[0]?.name).toBe('nightly');
    expect(api.calls).toEqual([
      { route: 'spec.list', params: { prj: 'web' }, query: { state: 'active', limit: '5' }, body: undefined },
    ]);
  });

  it('becomes the error of the problem document, with its issues', async () => {
    const issues = [{ path: '/tasks', message: 'must not be empty', line: 3, column: 1 }];
    const api = (await stub()).on('spec.dispatch', () => {
      throw new BoiError('invalid-spec', 'The spec has errors', { issues, details: { limit: 1 } });
    });
    await expect(client([api.url]).call('spec.dispatch', dispatch)).rejects.toMatchObject({
      code: 'invalid-spec',
      exitCode: 2,
      issues,
      details: { limit: 1, requestId: 'req-1' },
    });
    expect(api.calls).toHaveLength(1);
  });

  it('goes on to the next address when one refuses the connection, and asks that one first from then on', async () => {
    const api = (await stub()).on('node.cordon', () => nodeView());
    const asked = client([await deadUrl(), api.url]);
    await asked.call('node.cordon', { params: { nod: NODE_ID }, body: {} });
    await asked.call('node.cordon', { params: { nod: NODE_ID }, body: {} });
    expect(api.calls).toHaveLength(2);
  });

  it('fails as unreachable, naming every address tried', async () => {
    const [a, b] = [await deadUrl(), await deadUrl()];
    const failure = await client([a, b])
      .call('cluster.show', {})
      .catch((e: BoiError) => e);
    expect(failure).toMatchObject({ code: 'unreachable', exitCode: 3, details: { tried: [a, b] } });
    expect((failure as BoiError).message).toContain(`${a} (connection refused), ${b} (connection refused)`);
  });

  it('asks the next node when one cannot serve a question now', async () => {
    const ill = (await stub()).on('cluster.fsck', () => {
      throw new BoiError('store-unreachable', 'the store is away');
    });
    const failure = await client([ill.url, ill.url])
      .call('cluster.fsck', {})
      .catch((e: BoiError) => e);
    expect(failure).toMatchObject({ code: 'store-unreachable' });
    expect(ill.calls).toHaveLength(2);
  });

  it('repeats a question whose answer was lost', async () => {
    const lossy = await swallower();
    const api = (await stub()).on('node.show', () => nodeView());
    expect(await client([lossy.url, api.url]).call('node.show', { params: { nod: 'x' } })).toMatchObject({
      id: NODE_ID,
    });
    expect(lossy.taken()).toBe(1);
  });

  it('never repeats a change whose answer was lost', async () => {
    const lossy = await swallower();
    const api = (await stub()).on('node.cordon', () => nodeView());
    const call = client([lossy.url, api.url]).call('node.cordon', { params: { nod: NODE_ID }, body: {} });
    await expect(call).rejects.toMatchObject({ code: 'outcome-unknown', exitCode: 3 });
    expect([lossy.taken(), api.calls.length]).toEqual([1, 0]);
  });

  it('repeats a dispatch under its idempotency key until an answer arrives', async () => {
    const api = (await stub()).on('spec.dispatch', ({ earlier, response }) => {
      if (earlier < 2) {
        response.destroy();
        return undefined;
      }
      return { ...answer, existing: true };
    });
    await expect(client([api.url]).call('spec.dispatch', dispatch)).resolves.toMatchObject({ id: SPEC_ID });
    expect(api.calls.map((c) => c.body)).toEqual([dispatch.body, dispatch.body, dispatch.body]);
  });

  it('says under which key to ask again when a dispatch never got an answer', async () => {
    const lossy = await swallower();
    const call = client([lossy.url], { retryForMs: 250 }).call('spec.dispatch', dispatch);
    await expect(call).rejects.toMatchObject({ code: 'outcome-unknown', details: { idempotencyKey: 'k' } });
    expect(lossy.taken()).toBeGreaterThan(1);
  });

  it('gives up on a node that does not answer in time', async () => {
    const api = (await stub()).on('node.show', () => undefined);
    const call = client([api.url], { timeoutMs: 100, retryForMs: 0 }).call('node.show', { params: { nod: 'x' } });
    await expect(call).rejects.toMatchObject({
      code: 'unreachable',
      message: expect.stringContaining('no answer within 100 ms'),
    });
  });

  it('goes on to the next node early when one accepts a question and says nothing', async () => {
    const stopped = (await stub()).on('node.list', () => undefined);
    const alive = (await stub()).on('node.list', () => ({ items: [] }));
    const made = client([stopped.url, alive.url], { timeoutMs: 3_000 });
    const started = performance.now();
    await expect(made.call('node.list', {})).resolves.toEqual({ items: [] });
    expect(performance.now() - started).toBeLessThan(3_000);
  });

  it('gives every node the whole time when none has answered early', async () => {
    const slow = async () => {
      const api = await stub();
      return api.on('node.list', async () => {
        await new Promise((resolve) => setTimeout(resolve, 400));
        return { items: [] };
      });
    };
    const made = client([(await slow()).url, (await slow()).url], { timeoutMs: 1_200, retryForMs: 0 });
    await expect(made.call('node.list', {})).resolves.toEqual({ items: [] });
  });

  it('ends with the signal', async () => {
    const stop = new AbortController();
    const api = (await stub()).on('node.show', () => {
      stop.abort(new Error('enough'));
      return undefined;
    });
    await expect(client([api.url]).call('node.show', { params: { nod: 'x' }, signal: stop.signal })).rejects.toThrow(
      'enough',
    );
  });
});
