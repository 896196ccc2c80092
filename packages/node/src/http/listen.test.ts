import { type AddressInfo, createServer, type Server } from 'node:net';
import fastify, { type FastifyInstance } from 'fastify';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { listen } from './listen.ts';

let app: FastifyInstance;
let other: Server;
beforeEach(async () => {
  app = fastify();
  other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  await app.close();
  await new Promise((resolve) => other.close(resolve));
});

test('a port that is taken is a mistake of the settings, and the address is named', async () => {
  const { port } = other.address() as AddressInfo;
  await expect(listen(app, { host: '127.0.0.1', port })).rejects.toMatchObject({
    code: 'config-invalid',
    message: expect.stringMatching(new RegExp(`^cannot listen on 127\\.0\\.0\\.1:${port}: another program .*--listen`)),
  });
});

test('so is an address that this host does not have', async () => {
  // Kept for documentation (RFC 5737): nobody has it.
  await expect(listen(app, { host: '192.0.2.1', port: 0 })).rejects.toMatchObject({
    code: 'config-invalid',
    message: expect.stringContaining('this host does not have that address'),
  });
});

test('the port that a free one was found for is answered', async () => {
  expect(await listen(app, { host: '127.0.0.1', port: 0 })).toBeGreaterThan(0);
});
