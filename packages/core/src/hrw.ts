/**
 * Weighted rendezvous hashing (highest random weight): who acts for a key. Every node computes the same ranking from the
 * same candidates, on every platform and release of the runtime; a candidate that goes moves only its own keys, one that
 * comes takes only what it wins, and each gets its share in proportion to its weight.
 *
 * score(key, id) = weight / −ln u, where u in (0, 1) has 53 significant bits of threefry(hash(key), hash(id)). Everything
 * is 32-bit integer arithmetic and the four exactly rounded operations of IEEE 754. `Math.log` is not used: its last
 * digit is the engine's own affair, and two nodes that differ in it would both, or neither, think themselves the winner.
 *
 * Changing anything here moves every duty and queue entry of a cluster while it is upgraded: the golden vectors in the
 * tests pin it. Called by placement, adoption, stealing, coordination and every other duty.
 */
import { assert } from './errors.ts';

export interface Candidate<I extends string = string> {
  readonly id: I;
  /** Share of the keys relative to the others', ≥ 0. Slots for placement, 1 for duties. 0: never wins. */
  readonly weight: number;
}

export interface Ranked<I extends string = string> {
  readonly id: I;
  readonly score: number;
}

export interface LoadedCandidate<I extends string = string> {
  readonly id: I;
  /** Slots it has, ≥ 0; its weight as well. */
  readonly slots: number;
  /** Slots in use by running tasks. */
  readonly busy: number;
  /** Slots wanted by its queue. */
  readonly queued: number;
  /** Multiplies its weight, not its room: above 0; default 1. */
  readonly preference?: number;
}

/** How far above the candidates' mean load a node may be and still be given more. */
export const LOAD_BOUND = 1.25;

/** All candidates of positive weight, best first; equal scores by id. */
export function rank<I extends string>(key: string, candidates: readonly Candidate<I>[]): Ranked<I>[] {
  const hashed = hash(key);
  const ranked: Ranked<I>[] = [];
  for (const { id, weight } of candidates) {
    const score = scoreOf(hashed, id, weight);
    if (score > 0) ranked.push({ id, score });
  }
  return ranked.sort((a, b) => b.score - a.score || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0));
}

/** The first of {@link rank}, without sorting; undefined if no candidate has a positive weight. */
export function winner<I extends string>(key: string, candidates: readonly Candidate<I>[]): I | undefined {
  const hashed = hash(key);
  let best: I | undefined;
  let bestScore = 0;
  for (const { id, weight } of candidates) {
    const score = scoreOf(hashed, id, weight);
    if (score > bestScore || (score === bestScore && best !== undefined && id < best)) {
      best = id;
      bestScore = score;
    }
  }
  return best;
}

/** The score of one candidate for a key: to compare two nodes without the rest. 0 if the weight is 0. */
export function score(key: string, candidate: Candidate): number {
  return scoreOf(hash(key), candidate.id, candidate.weight);
}

/**
 * Rendezvous hashing with bounded load: the best-scored candidate whose (busy + queued) / slots is below
 * {@link LOAD_BOUND} times the mean of all, where every one may have at least one slot's worth. Undefined only if no
 * candidate has slots: the least loaded one is never above the mean.
 */
export function choose<I extends string>(key: string, candidates: readonly LoadedCandidate<I>[]): I | undefined {
  let load = 0;
  let slots = 0;
  for (const candidate of candidates) {
    if (candidate.slots <= 0) continue;
    load += candidate.busy + candidate.queued;
    slots += candidate.slots;
  }
  const bound = (LOAD_BOUND * load) / slots;
  const open: Candidate<I>[] = [];
  for (const { id, slots: room, busy, queued, preference = 1 } of candidates) {
    if (room > 0 && busy + queued < Math.max(1, bound * room)) open.push({ id, weight: room * preference });
  }
  return winner(key, open);
}

/** 64 bits as two unsigned halves. */
export interface Hash64 {
  readonly high: number;
  readonly low: number;
}

/**
 * 64-bit hash of the UTF-8 bytes of `text`: blocks of eight bytes, little-endian, the last padded with zeros, then one
 * with the length; each is enciphered under the hash so far and XORed in (Matyas–Meyer–Oseas). Not for secrets.
 */
export function hash64(text: string): Hash64 {
  const { high, low } = hash(text);
  return { high: high >>> 0, low: low >>> 0 };
}

/** As signed 32-bit integers, which the engine keeps unboxed. */
interface Halves {
  high: number;
  low: number;
}

function hash(text: string): Halves {
  const state: Halves = { high: 0, low: 0 };
  const length = text.length;
  for (let i = 0; i < length; i++) if (text.charCodeAt(i) > 0x7f) return hashBytes(Buffer.from(text, 'utf8'));
  for (let i = 0; i < length; i += 8) {
    // charCodeAt answers NaN past the end, which `|` reads as 0: the padding.
    const low =
      text.charCodeAt(i) |
      (text.charCodeAt(i + 1) << 8) |
      (text.charCodeAt(i + 2) << 16) |
      (text.charCodeAt(i + 3) << 24);
    const high =
      text.charCodeAt(i + 4) |
      (text.charCodeAt(i + 5) << 8) |
      (text.charCodeAt(i + 6) << 16) |
      (text.charCodeAt(i + 7) << 24);
    absorb(state, high, low);
  }
  absorb(state, 0, length);
  return state;
}

function hashBytes(bytes: Uint8Array): Halves {
  const state: Halves = { high: 0, low: 0 };
  const at = (i: number) => bytes[i] ?? 0;
  for (let i = 0; i < bytes.length; i += 8) {
    const low = at(i) | (at(i + 1) << 8) | (at(i + 2) << 16) | (at(i + 3) << 24);
    const high = at(i + 4) | (at(i + 5) << 8) | (at(i + 6) << 16) | (at(i + 7) << 24);
    absorb(state, high, low);
  }
  absorb(state, 0, bytes.length);
  return state;
}

function absorb(state: Halves, high: number, low: number): void {
  threefry(high, low, state.high, state.low, state);
  state.high ^= high;
  state.low ^= low;
}

/**
 * Threefry-2x32 with 20 rounds (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC11): a keyed
 * bijection of 64 bits made of additions, rotations and XORs, which passes the BigCrush battery. `high` and `low` are its
 * words 0 and 1; `out` gets signed integers. The tests check the known answers its authors publish.
 */
export function threefry(high: number, low: number, keyHigh: number, keyLow: number, out: Halves): void {
  const k0 = keyHigh | 0;
  const k1 = keyLow | 0;
  const k2 = 0x1bd11bda ^ k0 ^ k1;
  let a = (high + k0) | 0;
  let b = (low + k1) | 0;
  // Unrolled: a table of rotations costs three times as much in the innermost loop of placement.
  a = (a + b) | 0;
  b = ((b << 13) | (b >>> 19)) ^ a;
  a = (a + b) | 0;
  b = ((b << 15) | (b >>> 17)) ^ a;
  a = (a + b) | 0;
  b = ((b << 26) | (b >>> 6)) ^ a;
  a = (a + b) | 0;
  b = ((b << 6) | (b >>> 26)) ^ a;
  a = (a + k1) | 0;
  b = (b + k2 + 1) | 0;
  a = (a + b) | 0;
  b = ((b << 17) | (b >>> 15)) ^ a;
  a = (a + b) | 0;
  b = ((b << 29) | (b >>> 3)) ^ a;
  a = (a + b) | 0;
  b = ((b << 16) | (b >>> 16)) ^ a;
  a = (a + b) | 0;
  b = ((b << 24) | (b >>> 8)) ^ a;
  a = (a + k2) | 0;
  b = (b + k0 + 2) | 0;
  a = (a + b) | 0;
  b = ((b << 13) | (b >>> 19)) ^ a;
  a = (a + b) | 0;
  b = ((b << 15) | (b >>> 17)) ^ a;
  a = (a + b) | 0;
  b = ((b << 26) | (b >>> 6)) ^ a;
  a = (a + b) | 0;
  b = ((b << 6) | (b >>> 26)) ^ a;
  a = (a + k0) | 0;
  b = (b + k1 + 3) | 0;
  a = (a + b) | 0;
  b = ((b << 17) | (b >>> 15)) ^ a;
  a = (a + b) | 0;
  b = ((b << 29) | (b >>> 3)) ^ a;
  a = (a + b) | 0;
  b = ((b << 16) | (b >>> 16)) ^ a;
  a = (a + b) | 0;
  b = ((b << 24) | (b >>> 8)) ^ a;
  a = (a + k1) | 0;
  b = (b + k2 + 4) | 0;
  a = (a + b) | 0;
  b = ((b << 13) | (b >>> 19)) ^ a;
  a = (a + b) | 0;
  b = ((b << 15) | (b >>> 17)) ^ a;
  a = (a + b) | 0;
  b = ((b << 26) | (b >>> 6)) ^ a;
  a = (a + b) | 0;
  b = ((b << 6) | (b >>> 26)) ^ a;
  a = (a + k2) | 0;
  b = (b + k0 + 5) | 0;
  out.high = a;
  out.low = b;
}

const scratch: Halves = { high: 0, low: 0 };

function scoreOf(key: Halves, id: string, weight: number): number {
  if (weight === 0) return 0;
  assert(weight > 0 && weight < Number.POSITIVE_INFINITY, `weight ${weight} of ${id}`);
  const seed = seedOf(id);
  threefry(key.high, key.low, seed.high, seed.low, scratch);
  // 52 bits and a half step: the odd numbers below 2^53, so u is never 0 or 1 and exact in a double.
  const odd = (scratch.high >>> 0) * TWO_21 + (scratch.low >>> 12) * 2 + 1;
  return weight / -lnUnit(odd);
}

/** Candidates are few and long-lived, keys are many: only the hashes of ids are kept. */
const seeds = new Map<string, Halves>();
const SEEDS_MAX = 10_000;

function seedOf(id: string): Halves {
  const known = seeds.get(id);
  if (known !== undefined) return known;
  if (seeds.size >= SEEDS_MAX) seeds.clear();
  const seed = hash(id);
  seeds.set(id, seed);
  return seed;
}

/**
 * ln(odd / 2^53) for a positive integer below 2^53, within a few units of the last place, from + − × ÷ alone.
 * m · 2^−e with m in [√½, √2); ln m = 2 artanh s = 2 (s + s³/3 + s⁵/5 …) with s = (m − 1)/(m + 1), |s| < 0.172: eleven
 * terms reach 2^−53.
 */
export function lnUnit(odd: number): number {
  const top = Math.floor(odd / TWO_32);
  const leading = top > 0 ? Math.clz32(top) - 11 : Math.clz32(odd) + 21;
  let exponent = leading;
  let m = (odd * (POWERS[leading] as number)) / TWO_53; // in [½, 1); products with powers of two are exact
  if (m < SQRT_HALF) {
    m *= 2;
    exponent++;
  }
  const s = (m - 1) / (m + 1);
  const q = s * s;
  let sum = 1 / 21;
  sum = sum * q + 1 / 19;
  sum = sum * q + 1 / 17;
  sum = sum * q + 1 / 15;
  sum = sum * q + 1 / 13;
  sum = sum * q + 1 / 11;
  sum = sum * q + 1 / 9;
  sum = sum * q + 1 / 7;
  sum = sum * q + 1 / 5;
  sum = sum * q + 1 / 3;
  sum = sum * q + 1;
  return 2 * s * sum - exponent * LN_2;
}

// Integers over powers of two, since even `**` and `Math.LN2` are only approximated by the letter of the language.
const TWO_21 = 2_097_152;
const TWO_32 = 4_294_967_296;
const TWO_53 = 9_007_199_254_740_992;
const LN_2 = 6_243_314_768_165_359 / TWO_53;
const SQRT_HALF = 6_369_051_672_525_773 / TWO_53;
const POWERS: number[] = [1];
for (let i = 1; i < 53; i++) POWERS.push((POWERS[i - 1] as number) * 2);
