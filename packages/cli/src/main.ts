/**
 * The process of the `boi-node` command: answers `--version` without loading anything, else runs the command with the real
 * streams and signals. Leaves when all output has been taken, whatever connection is still kept open.
 */
import { VERSION } from './version.ts';

const words = process.argv.slice(2);

/** Whoever read our output has gone, as `head` does: 128 + SIGPIPE, and no complaint. */
const EXIT_PIPE = 141;

if (words.length === 1 && (words[0] === '--version' || words[0] === '-V')) process.stdout.write(`${VERSION}\n`);
else {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      process.exit(EXIT_PIPE);
    });
  }
  const { runCli } = await import('./run-cli.ts');
  const code = await runCli(words, {
    // Taken only by commands that read it: opening it holds the process.
    get stdin() {
      return process.stdin;
    },
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    now: () => Date.now(),
    onInterrupt,
  });
  await Promise.all([process.stdout, process.stderr].map(flushed));
  process.exit(code);
}

function onInterrupt(fn: () => void): () => void {
  process.on('SIGINT', fn);
  process.on('SIGTERM', fn);
  return () => {
    process.off('SIGINT', fn);
    process.off('SIGTERM', fn);
  };
}

/** Pipes are written in the background; leaving before would cut the output. */
function flushed(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve());
  });
}
