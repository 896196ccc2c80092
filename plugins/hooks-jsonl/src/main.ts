#!/usr/bin/env node
/** `boi-hooks-jsonl --file PATH`: appends each event to PATH, one JSON document a line, each batch on the disk before it is acknowledged. */
import { parseArgs } from 'node:util';
import { serveHooks } from '@boi/plugin-sdk';
import { EventFile } from './event-file.ts';

const { values } = parseArgs({ options: { file: { type: 'string' } } });
if (values.file === undefined) {
  process.stderr.write('hooks-jsonl: name the file with --file PATH\n');
  process.exit(2);
}
const path = values.file;

EventFile.open(path).then(
  (file) =>
    serveHooks({
      name: 'hooks-jsonl',
      version: '0.1.0',
      tier: 'audit',
      deliver: (events) => file.append(events),
      close: () => file.close(),
    }),
  (error: unknown) => {
    process.stderr.write(`hooks-jsonl: ${path} cannot be opened: ${String(error)}\n`);
    process.exit(1);
  },
);
