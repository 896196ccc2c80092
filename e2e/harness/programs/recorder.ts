/**
 * A plugin of any kind that keeps all it is sent and does nothing: `recorder KIND`. Each message becomes a line of `/effects/KIND`:
 * its path, the metadata and the bytes as they came, in hexadecimal digits.
 */
import { appendFileSync } from 'node:fs';
import { type hooks, type PluginKind, SERVICE_NAMES, serviceDefinition } from '@boi/proto';
import { type ServerDuplexStream, type ServiceDefinition, status } from '@grpc/grpc-js';
import type { Recorded } from '../witnesses.ts';
import { always, ready, serve, type Unary } from './serve.ts';

const kind = process.argv[2] as PluginKind;

function record(line: Recorded): void {
  appendFileSync(`/effects/${kind}`, `${JSON.stringify(line)}\n`);
}

/** The same calls, with a look at the bytes before they are read. */
function definition(): ServiceDefinition {
  const methods = Object.entries(serviceDefinition(SERVICE_NAMES[kind]));
  return Object.fromEntries(
    methods.map(([name, method]) => {
      const requestDeserialize = (bytes: Buffer): unknown => {
        record({ path: method.path, bytes: bytes.toString('hex') });
        return method.requestDeserialize(bytes);
      };
      return [name, { ...method, requestDeserialize } as ServiceDefinition[string]];
    }),
  );
}

const withMetadata =
  (handler: Unary): Unary =>
  (call, answer) => {
    record({ path: call.getPath(), metadata: JSON.stringify(call.metadata.toJSON()) });
    handler(call, answer);
  };
const refuse: Unary = (_, answer) => answer({ code: status.FAILED_PRECONDITION, details: 'this one does nothing' });

function deliver(stream: ServerDuplexStream<hooks.DeliverRequest__Output, hooks.DeliverResponse>): void {
  record({ path: stream.getPath(), metadata: JSON.stringify(stream.metadata.toJSON()) });
  stream.on('data', ({ event }: hooks.DeliverRequest__Output) =>
    stream.write({ acknowledgedSequence: event?.sequence ?? '0' }),
  );
}

const handshake = {
  ...{ major: 1, minor: 0, name: 'recorder', version: '1', capabilities: [] },
  ...(kind === 'hooks' ? { tier: 'DELIVERY_TIER_BEST_EFFORT', kinds: [] } : {}),
};
const answers: Readonly<Record<string, Unary>> = {
  Handshake: always(handshake),
  Hint: always({ hints: [] }),
  List: always({}),
  Deprovision: always({}),
  Cleanup: always({}),
  Release: always({}),
  Cancel: always({}),
};
const handlers = Object.fromEntries(
  Object.keys(definition()).map((name) => [name, withMetadata(answers[name] ?? refuse)]),
);
void serve(definition(), { ...handlers, ...(kind === 'hooks' ? { Deliver: deliver } : {}) }).then(ready);
