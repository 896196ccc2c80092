#!/usr/bin/env node
/** `boi-provisioner-docker --image IMAGE … [-- ARGS…]`: starts a node in a container for each request; README.md has the flags. */
import { openEngine } from '@boi/docker-engine';
import { serveProvisioner } from '@boi/plugin-sdk';
import { tellEnds } from './ends.ts';
import { NodeContainers } from './node-containers.ts';
import { readSettings, type Settings } from './settings.ts';

let settings: Settings;
try {
  settings = readSettings(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`provisioner-docker: ${(error as Error).message}\n`);
  process.exit(2);
}

const docker = openEngine(settings.socket);
const nodes = new NodeContainers(docker, settings);
const closing = new AbortController();
const isRemoved = (container: string) => nodes.isRemoved(container);
const telling = tellEnds({ docker, isRemoved, say: (line) => process.stderr.write(`${line}\n`) }, closing.signal);
serveProvisioner({
  name: 'provisioner-docker',
  version: '0.1.0',
  provision: (request) => nodes.provision(request),
  deprovision: (requestId) => nodes.deprovision(requestId),
  list: () => nodes.list(),
  close: () => {
    closing.abort();
    return telling;
  },
});
