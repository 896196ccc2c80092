/**
 * A router plugin without an opinion: `speaker FILE [WISHES]`. Each process of it writes one line to FILE: its process id, that of
 * its child, and what it will say in its handshake, name, version and capabilities drawn at random. WISHES, a JSON object, changes
 * what it is: see {@link Wishes}.
 */
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { appendFileSync, existsSync } from 'node:fs';
import { SERVICE_NAMES, serviceDefinition } from '@boi/proto';
import type { ServiceDefinition } from '@grpc/grpc-js';
import type { Spoken, Wishes } from '../witnesses.ts';
import { always, ready, serve } from './serve.ts';

const [file = '', text = '{}'] = process.argv.slice(2);
const { minor = 0, contract = 1, silentWithout } = JSON.parse(text) as Wishes;
const word = () => `w${randomBytes(4).toString('hex')}`;

function definition(): ServiceDefinition {
  const first = serviceDefinition(SERVICE_NAMES.router);
  const path = (of: string) => of.replace('.v1.', `.v${contract}.`);
  return Object.fromEntries(
    Object.entries(first).map(([name, method]) => [name, { ...method, path: path(method.path) }]),
  );
}

const child = spawn('sleep', ['424242'], { stdio: 'ignore' });
const handshake = { name: word(), version: word(), capabilities: [word(), word(), word()] };
const spoken: Spoken = { pid: process.pid, child: child.pid ?? 0, ...handshake };
appendFileSync(file, `${JSON.stringify(spoken)}\n`);
const handlers = { Handshake: always({ major: contract, minor, ...handshake }), Hint: always({ hints: [] }) };
void serve(definition(), handlers).then(() => {
  const timer = setInterval(() => {
    if (silentWithout !== undefined && !existsSync(silentWithout)) return;
    clearInterval(timer);
    ready();
  }, 50);
});
