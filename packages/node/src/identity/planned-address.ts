/** Where a node says it will serve, before it listens: what its certificate is for. */
import type { DaemonConfig } from '../config.ts';

/** URL; its port is 0 when the node is to take a free one. The certificate is for the host alone. */
export function plannedAddress(config: Pick<DaemonConfig, 'advertise' | 'listen'>): string {
  const { host, port } = config.listen;
  return config.advertise ?? `https://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
