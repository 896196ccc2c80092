/**
 * A hooks plugin that takes and acknowledges as much as it is told: `receiver NAME TIER [LOG]`. Each event it takes becomes a line
 * of `/effects/NAME`; `/effects/NAME.gate` says up to which sequences it takes and acknowledges, nothing before there is one. LOG
 * is the directory of its write-ahead log on this host: a line says whether the event was there already.
 */
import { appendFileSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fromWireEvent, type hooks, SERVICE_NAMES, serviceDefinition } from '@boi/proto';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { Gate, Receipt } from '../witnesses.ts';
import { always, ready, serve, told } from './serve.ts';

const LOOK_EVERY_MS = 20;
const [name = '', tier = '', log] = process.argv.slice(2);

type Stream = ServerDuplexStream<hooks.DeliverRequest__Output, hooks.DeliverResponse>;

function deliver(stream: Stream): void {
  const waiting: hooks.DeliverRequest__Output[] = [];
  let taken = 0;
  let acknowledged = 0;
  const turn = () => {
    const gate = told<Gate>(`/effects/${name}.gate`) ?? { take: 0, acknowledge: 0 };
    while (waiting[0] !== undefined && Number(waiting[0].event?.sequence) <= gate.take) taken = take(waiting.shift());
    const upTo = Math.min(taken, gate.acknowledge);
    if (upTo <= acknowledged) return;
    acknowledged = upTo;
    stream.write({ acknowledgedSequence: String(upTo) });
  };
  const timer = setInterval(turn, LOOK_EVERY_MS);
  stream.on('data', (request: hooks.DeliverRequest__Output) => waiting.push(request));
  for (const last of ['end', 'error', 'cancelled']) stream.on(last, () => clearInterval(timer));
}

function take(request: hooks.DeliverRequest__Output | undefined): number {
  const sequenced = request?.event && fromWireEvent(request.event);
  if (!sequenced) throw new Error('this test knows all kinds of events');
  const { sequence, event } = sequenced;
  const onDisk = log !== undefined && isOnDisk(log, sequence, event.id);
  const receipt: Receipt = { sequence, id: event.id, kind: event.kind, payload: { ...event.payload }, onDisk };
  appendFileSync(`/effects/${name}`, `${JSON.stringify(receipt)}\n`);
  return sequence;
}

function isOnDisk(directory: string, sequence: number, id: string): boolean {
  const files = readdirSync(directory).filter((file) => file.endsWith('.wal'));
  const text = files.map((file) => readFileSync(join(directory, file), 'utf8')).join('');
  return text.includes(`"sequence":${sequence}`) && text.includes(id);
}

const handshake = {
  ...{ major: 1, minor: 0, name: 'receiver', version: '1', capabilities: [], kinds: [] },
  tier: tier === 'audit' ? 'DELIVERY_TIER_AUDIT' : 'DELIVERY_TIER_BEST_EFFORT',
};
void serve(serviceDefinition(SERVICE_NAMES.hooks), { Handshake: always(handshake), Deliver: deliver }).then(ready);
