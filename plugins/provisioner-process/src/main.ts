#!/usr/bin/env node
/**
 * `boi-provisioner-process --state DIR [--max N] -- PROGRAM ARGS…`: starts PROGRAM on this host for each request. `{request_id}`,
 * `{token_file}`, `{bootstrap}`, `{labels}` and `{data_dir}` in ARGS are replaced.
 */
import { parseArgs } from 'node:util';
import { serveProvisioner } from '@boi/plugin-sdk';
import { NodeProcesses } from './node-processes.ts';

const { values, positionals } = parseArgs({
  options: { state: { type: 'string' }, max: { type: 'string', default: '4' } },
  allowPositionals: true,
});
const max = Number(values.max);
if (values.state === undefined || positionals.length === 0 || !Number.isInteger(max) || max < 1) {
  process.stderr.write('usage: boi-provisioner-process --state DIR [--max N] -- PROGRAM ARGS…\n');
  process.exit(2);
}

const nodes = new NodeProcesses(values.state, positionals, max);
serveProvisioner({
  name: 'provisioner-process',
  version: '0.1.0',
  provision: (request) => nodes.provision(request),
  deprovision: (requestId) => nodes.deprovision(requestId),
  list: () => nodes.list(),
});
