/** Images made for one test, on top of those that docker/build.sh made: `docker build` with a Dockerfile from standard input. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { docker, LABEL } from './engine.ts';

/** Builds it, labelled as everything of the suite; answers its tag. */
export async function derive(name: string, dockerfile: readonly string[]): Promise<string> {
  const tag = `boi-e2e-${name}`;
  const build = spawn('docker', ['build', '--quiet', '--label', `${LABEL}=image`, '--tag', tag, '-'], {
    stdio: ['pipe', 'ignore', 'pipe'],
  });
  let said = '';
  build.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  build.stdin.end(`${dockerfile.join('\n')}\n`);
  const [code] = (await once(build, 'close')) as [number | null];
  if (code !== 0) throw new Error(`docker build of ${tag} exits ${code}\n${said.slice(-4_000)}`);
  return tag;
}

export async function removeImage(tag: string): Promise<void> {
  await docker.getImage(tag).remove({ force: true });
}
