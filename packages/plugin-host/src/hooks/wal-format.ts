/**
 * Records of the audit trail's write-ahead log, as bytes: a line `crc32 json\n`, the checksum in eight hexadecimal digits over the
 * JSON. Lines, so that an operator can read a log with what is at hand; JSON has no line feeds of its own.
 *
 * | `t` | meaning |
 * |---|---|
 * | `open` | first of every segment: the next sequence and intent number at that moment, and the trail's owner |
 * | `intent` | a change is about to be made; carries the event, and what is needed to find out whether the change was made |
 * | `event` | something happened; carries the event and its sequence |
 * | `settled` | what became of an intent; with a sequence unless it did not happen, with the event if that is known better now |
 */
import { crc32 } from 'node:zlib';
import type { BoiEvent, EventTrace } from '@boi/core';

export type WalRecord =
  | {
      readonly t: 'open';
      readonly node: string;
      readonly plugin: string;
      readonly sequence: number;
      readonly intent: number;
    }
  | { readonly t: 'intent'; readonly intent: number; readonly event: BoiEvent; readonly trace?: EventTrace }
  | { readonly t: 'event'; readonly sequence: number; readonly event: BoiEvent }
  | { readonly t: 'settled'; readonly intent: number; readonly outcome: 'did-not-happen' }
  | {
      readonly t: 'settled';
      readonly intent: number;
      readonly outcome: 'happened' | 'unknown';
      readonly sequence: number;
      readonly event?: BoiEvent;
    };

export function encodeRecord(record: WalRecord): Buffer {
  const json = Buffer.from(JSON.stringify(record));
  return Buffer.concat([Buffer.from(`${checksum(json)} `), json, Buffer.from('\n')]);
}

/** The records from the beginning of `bytes` up to the first that is damaged, and how many bytes they take. */
export function decodeRecords(bytes: Buffer): { readonly records: WalRecord[]; readonly goodBytes: number } {
  const records: WalRecord[] = [];
  let at = 0;
  for (;;) {
    const end = bytes.indexOf(10, at);
    if (end < 0) break;
    const record = decodeLine(bytes.subarray(at, end));
    if (record === undefined) break;
    records.push(record);
    at = end + 1;
  }
  return { records, goodBytes: at };
}

function decodeLine(line: Buffer): WalRecord | undefined {
  if (line.length < 10 || line[8] !== 32) return undefined;
  const json = line.subarray(9);
  if (line.subarray(0, 8).toString('latin1') !== checksum(json)) return undefined;
  return JSON.parse(json.toString('utf8')) as WalRecord;
}

function checksum(bytes: Buffer): string {
  return crc32(bytes).toString(16).padStart(8, '0');
}
