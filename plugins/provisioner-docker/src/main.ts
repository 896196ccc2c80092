#!/usr/bin/env node
/** `boi-provisioner-docker --image IMAGE … [-- ARGS…]`: starts a node in a container for each request; README.md has the flags. */
import { openEngine } from '@boi/docker-engine';
import { serveProvisioner } from '@boi/plugin-sdk';
import { NodeContainers } from './node-containers.ts';
import { readSettings, type Settings } from './settings.ts';

let settings: Settings;
try {
  settings = readSettings(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`provisioner-docker: ${(error as Error).message}\n`);
  process.exit(2);
}

const nodes = new NodeContainers(openEngine(settings.socket), settings);
serveProvisioner({
  name: 'provisioner-docker',
  version: '0.1.0',
  provision: (request) => nodes.provision(request),
  deprovision: (requestId) => nodes.deprovision(requestId),
  list: () => nodes.list(),
});
