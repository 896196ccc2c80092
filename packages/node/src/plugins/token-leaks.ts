/**
 * Looks for join tokens where none may be: in what plugins print and answer. One that is seen is masked before the text goes
 * anywhere, told once, and revoked: whoever reads that plugin's output elsewhere could join with it.
 *
 * Found are the tokens that this node has handed out, and whatever has the form of a join token: one may have been handed out by
 * another node, or by an earlier life of this one. A token that a plugin takes apart before it prints it is not found.
 */
import type { TokenId } from '@boi/core';
import { readJoinToken } from '@boi/identity';

export interface TokenLeaksOptions {
  /** Told once of each token and plugin. */
  readonly suspected: (token: TokenId, plugin: string) => void;
}

/** What a token is replaced by. */
const MASK = '[join token]';
/** Three parts of base64url, each at least as long as in a join token; the first is an object: `{"`. */
const JWT = /(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{100,}\.[A-Za-z0-9_-]{86,}/g;
/** Tokens that are remembered; they live for minutes. */
const KNOWN_MAX = 256;
/** A part of a token that is as good as it: a line may end within. */
const SIGNATURE_CHARS_MIN = 24;

export class TokenLeaks {
  readonly #options: TokenLeaksOptions;
  /** By the part of the token that nobody can guess. */
  readonly #known = new Map<string, TokenId>();
  readonly #told = new Set<string>();

  constructor(options: TokenLeaksOptions) {
    this.#options = options;
  }

  /** This one was handed to a plugin. */
  watch(token: string): void {
    const signature = token.split('.')[2];
    const id = tokenId(token);
    if (signature === undefined || signature.length < SIGNATURE_CHARS_MIN || id === undefined) return;
    this.#known.set(signature, id);
    const [oldest] = this.#known.keys();
    if (this.#known.size > KNOWN_MAX && oldest !== undefined) this.#known.delete(oldest);
  }

  /** The text as it may be shown. */
  mask(plugin: string, text: string): string {
    let shown = text.replace(JWT, (word) => {
      const id = tokenId(word);
      if (id === undefined) return word;
      this.#tell(id, plugin);
      return MASK;
    });
    for (const [signature, id] of this.#known) {
      if (!shown.includes(signature)) continue;
      this.#tell(id, plugin);
      shown = shown.replaceAll(signature, MASK);
    }
    return shown;
  }

  #tell(id: TokenId, plugin: string): void {
    const key = `${id} ${plugin}`;
    if (this.#told.has(key)) return;
    this.#told.add(key);
    this.#options.suspected(id, plugin);
  }
}

/** Undefined: it only looks like one. */
function tokenId(text: string): TokenId | undefined {
  try {
    return readJoinToken(text).id;
  } catch {
    return undefined;
  }
}
