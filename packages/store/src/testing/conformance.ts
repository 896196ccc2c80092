/**
 * What every adapter of the store port must do, as one suite of tests run against each. Each test has a key prefix of its
 * own, so that all can share one server. Time: a test that needs some to pass calls `elapse`, which advances a virtual
 * clock or, where time is real, does nothing; it then awaits the event that time brings.
 */
import { afterAll, beforeAll, describe } from 'vitest';
import type { Store } from '../port.ts';
import { compareTests } from './conformance-compares.ts';
import { leaseTests } from './conformance-leases.ts';
import { limitTests } from './conformance-limits.ts';
import { readTests } from './conformance-reads.ts';
import { watchTests } from './conformance-watches.ts';
import { writeTests } from './conformance-writes.ts';

export interface StoreUnderTest {
  readonly store: Store;
  /** Another connection to the same server. The caller closes it. */
  connect(): Store;
  elapse(ms: number): Promise<void>;
  stop(): Promise<void>;
}

/** What each group of tests is given. */
export interface Subject {
  readonly store: Store;
  connect(): Store;
  elapse(ms: number): Promise<void>;
  /** A key prefix nobody else uses. */
  prefix(): string;
}

export function storeConformance(name: string, open: () => Promise<StoreUnderTest>): void {
  describe(`${name} keeps the store port`, () => {
    let opened: StoreUnderTest | undefined;
    let prefixes = 0;
    const running = () => {
      if (opened === undefined) throw new Error('the store under test has not been opened');
      return opened;
    };
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(async () => {
      await opened?.stop();
    });
    const subject: Subject = {
      get store() {
        return running().store;
      },
      connect: () => running().connect(),
      elapse: (ms) => running().elapse(ms),
      prefix: () => {
        prefixes += 1;
        return `/conformance/${String(prefixes).padStart(4, '0')}/`;
      },
    };
    compareTests(subject);
    writeTests(subject);
    readTests(subject);
    limitTests(subject);
    leaseTests(subject);
    watchTests(subject);
  });
}
