import { SeededRandom } from '@boi/core/testing';
import { systemClock } from '@boi/system';
import { storeConformance } from '../testing/conformance.ts';
import { startEtcd } from '../testing/etcd-server.ts';
import { EtcdStore } from './store.ts';

storeConformance('the etcd store', async () => {
  const etcd = await startEtcd();
  const stores: EtcdStore[] = [];
  const connect = () => {
    const store = new EtcdStore({ endpoints: [etcd.endpoint], clock: systemClock, random: new SeededRandom(1) });
    stores.push(store);
    return store;
  };
  return {
    store: connect(),
    connect,
    // Real time passes by itself while a test awaits what it brings.
    elapse: async () => {},
    stop: async () => {
      await Promise.all(stores.map((store) => store.close()));
      await etcd.stop();
    },
  };
});
