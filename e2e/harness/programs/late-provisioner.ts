/**
 * `late-provisioner STATE FILE -- PROGRAM ARGS…`: a provisioner that refuses every request for a node with `net` but the third,
 * for which it does what `provisioner-process` does. Each request is a line in FILE.
 */
import { appendFileSync, readFileSync } from 'node:fs';
import { Refusal, serveProvisioner } from '@boi/plugin-sdk';
import { NodeProcesses } from '../../../plugins/provisioner-process/src/node-processes.ts';

const [root = '', file = '', , ...command] = process.argv.slice(2);
const nodes = new NodeProcesses({ root, command, max: 1, offers: { net: 'fast' } });

serveProvisioner({
  name: 'late-provisioner',
  version: '1.0.0',
  provision: async (request) => {
    if (!request.requirements.some(({ key }) => key === 'net')) throw new Refusal('failed-precondition', 'not mine');
    appendFileSync(file, `${request.requestId}\n`);
    const asked = new Set(readFileSync(file, 'utf8').trim().split('\n'));
    if (asked.size !== 3) throw new Refusal('failed-precondition', 'not this time');
    return nodes.provision(request);
  },
  deprovision: (requestId) => nodes.deprovision(requestId),
  list: () => nodes.list(),
});
