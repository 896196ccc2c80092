/** `join`: one node of a cluster, in the foreground, until TERM or Ctrl-C. */
import type { Args } from '../args.ts';
import type { Session } from '../session.ts';
import { readDaemonConfig } from './daemon-config.ts';
import { untilStopped } from './until-stopped.ts';

export async function joinCluster(session: Session, args: Args): Promise<number> {
  const { config } = await readDaemonConfig(session, args);
  const [node, system] = await Promise.all([import('@boi/node'), import('@boi/system')]);
  system.boundHeapGrowth();
  const level = config['log-level'] as 'debug' | 'info' | 'warn' | 'error';
  const log = system.createLogger({ name: 'boi-node', level });
  if (args.switch('enroll-only')) {
    const id = await node.enrollNode(config, log);
    session.note('enrolled; start it with `boi-node join` and the same settings');
    await session.print(`${id}\n`);
    return 0;
  }
  return untilStopped(session, async (fatal) => {
    let removed = false;
    const daemon = await node.startNode(config, log, (error) => {
      removed = true;
      fatal(error);
    });
    // What a node runs that is no member any more is others' by now.
    return () => daemon.stop(removed ? { drainMs: 0 } : {});
  });
}
