import { Readable } from 'node:stream';
import { expect, it } from 'vitest';
import type { Io } from '../io.ts';
import { readSpecSource } from './spec-source.ts';

const io = (stdin: Readable = Readable.from([])) => ({ stdin }) as Io;

it('what has no end is no spec, from a path as from standard input', async () => {
  const refusal = (label: string) => ({ code: 'too-large', message: `${label}: more than 16777216 bytes is no spec` });
  await expect(readSpecSource(io(), '/dev/zero')).rejects.toMatchObject(refusal('/dev/zero'));
  const endless = Readable.from(
    (function* () {
      for (;;) yield Buffer.alloc(1 << 20);
    })(),
  );
  await expect(readSpecSource(io(endless), '-')).rejects.toMatchObject(refusal('<stdin>'));
});

it('a path that is none is told with why', async () => {
  await expect(readSpecSource(io(), '/nowhere.yaml')).rejects.toMatchObject({
    code: 'bad-request',
    message: '/nowhere.yaml: there is no such file',
  });
  await expect(readSpecSource(io(), '/')).rejects.toMatchObject({ message: '/: it is a directory' });
});
