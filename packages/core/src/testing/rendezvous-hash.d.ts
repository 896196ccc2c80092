/** The npm package `rendezvous-hash` 1.0, which ships no types: an oracle in the tests of `hrw.ts`. */
declare module 'rendezvous-hash' {
  /** The value of `nodes` whose key wins for `key`. */
  export default function select<T>(key: string, nodes: Readonly<Record<string, T>>): T;
}
