#!/usr/bin/env node
/** `boi-pool-docker --image IMAGE …`: runs each task in a container of its own on a Docker engine; README.md has the flags. */
import { openEngine } from '@boi/docker-engine';
import { servePool } from '@boi/plugin-sdk';
import { ContainerRuns } from './container-runs.ts';
import { readSettings, type Settings } from './settings.ts';

let settings: Settings;
try {
  settings = readSettings(process.argv.slice(2), `${process.getuid?.()}:${process.getgid?.()}`);
} catch (error) {
  process.stderr.write(`pool-docker: ${(error as Error).message}\n`);
  process.exit(2);
}
servePool(new ContainerRuns(openEngine(settings.socket), settings));
