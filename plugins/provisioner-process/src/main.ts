#!/usr/bin/env node
/**
 * `boi-provisioner-process --state DIR [--max N] [--offers LABELS] -- PROGRAM ARGS…`: starts PROGRAM on this host for each request.
 * `{request_id}`, `{token_file}`, `{bootstrap}`, `{labels}` and `{data_dir}` in ARGS are replaced.
 */
import { parseArgs } from 'node:util';
import { type Offers, parseOffers, serveProvisioner } from '@boi/plugin-sdk';
import { NodeProcesses } from './node-processes.ts';

const USAGE = 'usage: boi-provisioner-process --state DIR [--max N] [--offers key=value,key=value] -- PROGRAM ARGS…';

function readArguments(): ConstructorParameters<typeof NodeProcesses>[0] {
  const { values, positionals: command } = parseArgs({
    options: { state: { type: 'string' }, max: { type: 'string', default: '4' }, offers: { type: 'string' } },
    allowPositionals: true,
  });
  const max = Number(values.max);
  if (values.state === undefined || command.length === 0) throw new Error('--state and a program are needed');
  if (!Number.isInteger(max) || max < 1) throw new Error(`--max ${values.max}: must be a whole number from 1 on`);
  const offers: { offers?: Offers } = values.offers === undefined ? {} : { offers: parseOffers(values.offers) };
  return { root: values.state, command, max, ...offers };
}

let options: ConstructorParameters<typeof NodeProcesses>[0];
try {
  options = readArguments();
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n${USAGE}\n`);
  process.exit(2);
}

const nodes = new NodeProcesses(options);
serveProvisioner({
  name: 'provisioner-process',
  version: '0.1.0',
  provision: (request) => nodes.provision(request),
  deprovision: (requestId) => nodes.deprovision(requestId),
  list: () => nodes.list(),
});
