/**
 * One real etcd with a proxy before it, a store that goes through the proxy and one that does not: what the tests of the
 * adapter's behaviour under faults stand on.
 */
import { SeededRandom } from '@boi/core/testing';
import { systemClock } from '@boi/system';
import { EtcdStore, type EtcdStoreOptions } from '../etcd/store.ts';
import { type EtcdOptions, type EtcdServer, startEtcd } from './etcd-server.ts';
import { TcpProxy } from './tcp-proxy.ts';

export interface EtcdRig {
  readonly etcd: EtcdServer;
  readonly proxy: TcpProxy;
  /** Through the proxy. */
  readonly store: EtcdStore;
  /** Past the proxy. */
  readonly direct: EtcdStore;
  /** Another store; through the proxy unless told otherwise. */
  connect(options?: Partial<EtcdStoreOptions>): EtcdStore;
  /** The sum of a counter of etcd's, over the series whose labels hold all of `labels`. */
  metric(name: string, ...labels: string[]): Promise<number>;
  /** A key prefix nobody else uses. */
  prefix(): string;
  stop(): Promise<void>;
}

export async function etcdRig(options?: EtcdOptions): Promise<EtcdRig> {
  const etcd = await startEtcd(options);
  const proxy = await TcpProxy.start({ port: etcd.port, clock: systemClock });
  const stores: EtcdStore[] = [];
  const connect = (own: Partial<EtcdStoreOptions> = {}) => {
    const random = new SeededRandom(stores.length);
    const store = new EtcdStore({ endpoints: [proxy.endpoint], clock: systemClock, random, ...own });
    stores.push(store);
    return store;
  };
  let prefixes = 0;
  return {
    etcd,
    proxy,
    store: connect(),
    direct: connect({ endpoints: [etcd.endpoint] }),
    connect,
    metric: (name, ...labels) => metric(etcd.endpoint, name, ...labels),
    prefix: () => {
      prefixes += 1;
      return `/faults/${prefixes}/`;
    },
    stop: async () => {
      await Promise.all(stores.map((store) => store.close()));
      await proxy.stop();
      await etcd.stop();
    },
  };
}

export async function metric(endpoint: string, name: string, ...labels: string[]): Promise<number> {
  const text = await (await fetch(`${endpoint}/metrics`)).text();
  return text
    .split('\n')
    .filter((line) => line.startsWith(name) && labels.every((label) => line.includes(label)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' ') + 1)), 0);
}
