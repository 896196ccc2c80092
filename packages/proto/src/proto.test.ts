import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type BoiEvent, EVENT_KINDS, EVENTS, type EventKind, IdMinter } from '@boi/core';
import { SeededRandom, VirtualClock } from '@boi/core/testing';
import type { MethodDefinition } from '@grpc/grpc-js';
import { afterAll, describe, expect, test } from 'vitest';
import {
  fromMetadata,
  fromWireEvent,
  PLUGIN_KINDS,
  SERVICE_NAMES,
  serviceDefinition,
  toMetadata,
  toWireEvent,
  toWireKind,
} from './index.ts';

const packageRoot = join(import.meta.dirname, '..');
const protoRoot = join(packageRoot, '..', '..', 'proto');
const scratch = mkdtempSync(join(tmpdir(), 'boi-proto-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

const buf = join(dirname(createRequire(import.meta.url).resolve('@bufbuild/buf/package.json')), 'bin', 'buf');
const runBuf = (cwd: string, ...args: string[]) =>
  spawnSync(process.execPath, [buf, ...args], { cwd, encoding: 'utf8' });

describe('the contracts', () => {
  test('the generated types are those of the .proto files', () => {
    const fresh = join(scratch, 'generated');
    execFileSync(process.execPath, [join(packageRoot, 'scripts', 'generate.mjs'), fresh]);
    expect(filesIn(join(packageRoot, 'src', 'generated'))).toEqual(filesIn(fresh));
  });

  test('are linted by buf, and a missing comment is found', () => {
    expect(runBuf(protoRoot, 'lint').stdout).toBe('');
    const broken = copyOfContracts('lint');
    edit(join(broken, 'boi/router/v1/router.proto'), '  // Id of the node.\n', '');
    expect(runBuf(broken, 'lint')).toMatchObject({ status: 100, stdout: expect.stringContaining('comment') });
  });

  test('do not break the released ones, and a field that is gone is found', () => {
    expect(runBuf(protoRoot, 'breaking', '--against', 'released.json').stdout).toBe('');
    const broken = copyOfContracts('breaking');
    edit(join(broken, 'boi/pool/v1/pool.proto'), '  uint32 grace_ms = 3;\n', '');
    expect(runBuf(broken, 'breaking', '--against', 'released.json')).toMatchObject({
      status: 100,
      stdout: expect.stringContaining('grace_ms'),
    });
  });

  test.each(PLUGIN_KINDS)('%s has a handshake, and its methods are bound to their wire types', (kind) => {
    const definition = serviceDefinition(SERVICE_NAMES[kind]);
    const handshake = definition.Handshake;
    const answer = { major: 1, minor: 2, name: 'x', version: '3', capabilities: ['a'] };
    expect(handshake?.responseDeserialize(handshake.responseSerialize(answer))).toMatchObject(answer);
  });
});

describe('events', () => {
  const clock = new VirtualClock();
  const random = new SeededRandom(1);
  const minter = new IdMinter(clock, random);

  const sample = (kind: EventKind): BoiEvent => {
    const forms = { count: 7, code: 'some-code', decimal: '18446744073709551615' } as const;
    const payload = Object.fromEntries(
      Object.entries(EVENTS[kind].fields).map(([name, field]) => {
        const form = (field as string).replace('?', '');
        if (form in forms) return [name, forms[form as keyof typeof forms]];
        return [name, form === 'task' ? minter.mint('spec').replace('spc', 'tsk') : minter.mint(form as 'node')];
      }),
    );
    const { id, emitter, project } = {
      id: minter.mint('event'),
      emitter: minter.mint('node'),
      project: minter.mint('project'),
    };
    return {
      id,
      kind,
      at: clock.now(),
      emitter,
      project,
      correlation: 'c0ffee',
      outcome: 'unknown',
      payload,
    } as BoiEvent;
  };

  const method = serviceDefinition(SERVICE_NAMES.hooks).Deliver as MethodDefinition<object, object>;
  const overTheWire = (event: BoiEvent) => {
    const bytes = method.requestSerialize({ event: toWireEvent({ sequence: 2 ** 53 - 1, event }) }) as Buffer;
    return fromWireEvent((method.requestDeserialize(bytes) as { event: Parameters<typeof fromWireEvent>[0] }).event);
  };

  test.each(EVENT_KINDS)('%s crosses the wire with every field of its payload', (kind) => {
    const event = sample(kind);
    expect(overTheWire(event)).toEqual({ sequence: 2 ** 53 - 1, event });
  });

  test('optional fields that are absent stay absent, and 0 stays 0', () => {
    const event = { ...sample('plugin.crashed'), payload: { plugin: 'p', crashes: 0 } } as BoiEvent;
    expect(overTheWire(event)?.event.payload).toEqual({ plugin: 'p', crashes: 0 });
  });

  test('the enum of the contract has the kinds of the catalogue and no others', () => {
    const source = readFileSync(join(protoRoot, 'boi/hooks/v1/hooks.proto'), 'utf8');
    const values = [...source.matchAll(/^ {2}(EVENT_KIND_[A-Z_]+) = /gm)].map(([, name]) => name);
    expect(values.sort()).toEqual(['EVENT_KIND_UNSPECIFIED', ...EVENT_KINDS.map(toWireKind)].sort());
  });

  test('the contract says of each kind what the catalogue says', () => {
    const source = readFileSync(join(protoRoot, 'boi/hooks/v1/hooks.proto'), 'utf8');
    const payloadFields = [...source.matchAll(/^ {2}optional (?:string|double) (\w+) = /gm)].map(([, name]) => name);
    const catalogued = new Set(EVENT_KINDS.flatMap((kind) => Object.keys(EVENTS[kind].fields)));
    expect(payloadFields.map((name) => name?.replace(/_(.)/g, (_, c: string) => c.toUpperCase())).sort()).toEqual(
      [...catalogued].sort(),
    );
  });

  test('one of a later version is passed over, an ill-formed one is refused with all that is wrong', () => {
    const wire = { ...toWireEvent({ sequence: 1, event: sample('node.joined') }) } as Parameters<
      typeof fromWireEvent
    >[0];
    expect(fromWireEvent({ ...wire, kind: 999 as unknown as 'EVENT_KIND_NODE_JOINED' })).toBeUndefined();
    const bad = { ...wire, sequence: '0', id: 'x', emitterNodeId: '', payload: { epoch: 'y' } } as typeof wire;
    expect(() => fromWireEvent(bad)).toThrow(
      /sequence.*id must.*emitter_node_id.*node\.joined\.node.*node\.joined\.epoch/,
    );
  });
});

test('what a call is made for crosses as metadata, and nothing that was not given', () => {
  const context = { fence: '12', epoch: '34', correlation: 'ab' };
  expect(fromMetadata(toMetadata(context))).toEqual(context);
  expect(fromMetadata(toMetadata({ fence: '1' }))).toEqual({ fence: '1' });
});

function filesIn(folder: string): Record<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  return Object.fromEntries(names.sort().map((name) => [name, readFileSync(join(folder, name), 'utf8')]));
}

function copyOfContracts(name: string): string {
  const copy = join(scratch, name);
  cpSync(protoRoot, copy, { recursive: true });
  return copy;
}

function edit(path: string, from: string, to: string): void {
  const before = readFileSync(path, 'utf8');
  expect(before).toContain(from);
  writeFileSync(path, before.replace(from, to));
}
