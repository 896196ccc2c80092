/** What a plugin may answer goes into results and environments: each lie is refused as such, and what is for a person is cut. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type PluginKind, SERVICE_NAMES, serviceDefinition } from '@boi/proto';
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { PluginChannel } from '../channel.ts';
import { spawnTask, tailTask } from './pool-client.ts';
import { cleanupWorkspace, prepareWorkspace } from './workspace-client.ts';

let directory: string;
const undo: (() => void)[] = [];
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'boi-answers-'));
});
afterEach(async () => {
  for (const one of undo.splice(0)) one();
  await rm(directory, { recursive: true, force: true });
});

type Handlers = Record<string, (call: never, answer: never) => void>;

async function plugin(kind: PluginKind, handlers: Handlers): Promise<PluginChannel> {
  const server = new Server({ 'grpc.max_send_message_length': -1 });
  const socket = join(directory, 'plugin.sock');
  server.addService(serviceDefinition(SERVICE_NAMES[kind]), handlers as Parameters<Server['addService']>[1]);
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    );
  });
  const channel = new PluginChannel({ plugin: 'liar', kind, socket });
  undo.push(
    () => channel.close(),
    () => server.forceShutdown(),
  );
  return channel;
}

const key = { taskId: 'tsk_1', fence: '7' };

async function tail(...answers: readonly object[]) {
  const channel = await plugin('pool', {
    Tail: (stream: ServerDuplexStream<object, object>) => {
      for (const answer of answers) stream.write(answer);
    },
  });
  return tailTask(channel, key, { fromOffset: 0, onOutput: () => true });
}

const answering = (answer: object) => (_: ServerUnaryCall<object, object>, send: sendUnaryData<object>) =>
  send(null, answer);
const invalid = (field: string) => ({ reason: 'invalid-answer', message: expect.stringContaining(field) });

test.each([
  ['end.exit_code', { exitCode: 256 }],
  ['end.exit_code', { exitCode: 4_294_967_295 }],
  ['end.signal', { signal: '' }],
  ['end.signal', { signal: '\u001b[31mSIGKILL\n' }],
  ['end.signal', { signal: 'S'.repeat(3_000_000) }],
  ['end.how', {}],
  ['end.end_offset', { exitCode: 0, endOffset: '3' }],
])('the end of a task is refused for its %s: %o', async (field, end) => {
  await expect(tail({ end })).rejects.toMatchObject(invalid(field));
});

test('output of a stream that there is not is refused, not taken for another', async () => {
  const chunk = { offset: '0', stream: 9, data: Buffer.from('x') };
  await expect(tail({ chunk })).rejects.toMatchObject(invalid('chunk.stream'));
});

test.each([{ exitCode: 255 }, { signal: 'SIGKILL' }, { signal: 'SIGRTMIN+1' }, { lost: '' }])(
  'an end that holds is told as it is: %o',
  async (end) => {
    expect(await tail({ end })).toMatchObject(end);
  },
);

test('why a task could not be started is cut and made safe, since a result that is too large can never be committed', async () => {
  const words = `\u001b[31mno such image\u0000${'x'.repeat(3_000_000)}`;
  const { startFailure = '' } = await tail({ end: { startFailure: words } });
  expect(startFailure).toMatch(/^no such imagexxx.*…$/);
  expect(Buffer.byteLength(startFailure)).toBeLessThan(2_100);
});

test('the words of a refusal are cut and made safe', async () => {
  const details = `\u001b[31mno room\u0007${'x'.repeat(50_000)}`;
  const channel = await plugin('pool', {
    Spawn: (_: ServerUnaryCall<object, object>, send: sendUnaryData<object>) =>
      send({ code: status.FAILED_PRECONDITION, details }),
  });
  const error = (await spawnTask(channel, key).catch((caught: unknown) => caught)) as Error;
  expect(error.message).toMatch(/: FAILED_PRECONDITION: no roomxxx.*…$/);
  expect(Buffer.byteLength(error.message)).toBeLessThan(2_200);
});

test.each([
  ['path', { path: 'relative' }],
  ['path', { path: '/two\nlines' }],
  ['version', { path: '/tmp', version: 'zero\0byte' }],
  ['env', { path: '/tmp', env: { lower: 'x' } }],
])('a workspace is refused for its %s: %o', async (field, answer) => {
  const channel = await plugin('workspace', { Prepare: answering(answer) });
  await expect(prepareWorkspace(channel, key)).rejects.toMatchObject(invalid(field));
});

test.each([
  ['kept_path', { keptPath: '/a\u001b[2J' }],
  ['pushed_version', { pushedVersion: 'a\nb' }],
])('a cleanup is refused for its %s: %o', async (field, answer) => {
  const channel = await plugin('workspace', { Cleanup: answering(answer) });
  await expect(cleanupWorkspace(channel, key)).rejects.toMatchObject(invalid(field));
});
