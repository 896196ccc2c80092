#!/usr/bin/env node
/** `boi-plugin-test --kind KIND [--source SOURCE] -- PROGRAM ARGS…`: the conformance kit. Exit code 0: it conforms, 1: it does not. */
import { parseArgs } from 'node:util';
import { PLUGIN_KINDS, type PluginKind } from '@boi/proto';
import { runConformance } from './kit.ts';

const { values, positionals } = parseArgs({
  options: { kind: { type: 'string' }, source: { type: 'string' } },
  allowPositionals: true,
});
const [command, ...args] = positionals;
const kind = PLUGIN_KINDS.find((known) => known === values.kind) as PluginKind | undefined;
if (kind === undefined || command === undefined || (kind === 'workspace' && values.source === undefined)) {
  process.stderr.write(
    `usage: boi-plugin-test --kind ${PLUGIN_KINDS.join('|')} [--source SOURCE] -- PROGRAM ARGS…; a workspace plugin needs --source\n`,
  );
  process.exit(2);
}

runConformance({
  plugin: { kind, command, args },
  ...(values.source === undefined ? {} : { source: values.source }),
  onResult: ({ name, ok, problem, wrote = [], tookMs }) => {
    const more = ok ? [] : [problem, ...wrote.map((line) => `  ${line}`)];
    process.stdout.write(
      `${ok ? 'ok  ' : 'FAIL'}  ${name} (${Math.round(tookMs)} ms)\n${more.map((line) => `      ${line}\n`).join('')}`,
    );
  },
}).then((results) => {
  const failed = results.filter(({ ok }) => !ok).length;
  process.stdout.write(`${results.length - failed} of ${results.length} checks passed\n`);
  process.exitCode = failed === 0 ? 0 : 1;
});
